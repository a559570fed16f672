#include "broker/metadata/peers.h"

#include <algorithm>
#include <string>

#include "base/check.h"

namespace sluice::broker {

namespace {

bool is_urgent(Purpose purpose) {
  return purpose == Purpose::consensus || purpose == Purpose::heartbeat;
}

}  // namespace

Peers::Peers(PeersPorts ports, PeersOptions options) : ports_(ports), options_(options) {}

Peers::~Peers() {
  CHECK(scope_.running() == 0, "peers are stopped before they die");
  for (const auto& [key, link] : links_) {
    CHECK(link.connection == nullptr, "peers are stopped before they die");
  }
}

io::Task<Result<PeerAnswer>> Peers::call(NodeId to, Purpose purpose, native::RequestHeader request,
                                         ByteView payload, TimePoint deadline) {
  auto found = co_await connection({to, purpose}, deadline);
  if (!found) co_return fail(std::move(found).error());
  // Held: the link may get another one meanwhile.
  const std::shared_ptr<PeerConnection> held = std::move(*found);
  co_return co_await held->call(std::move(request), payload, deadline);
}

bool Peers::connected(NodeId to, Purpose purpose) const {
  const auto found = links_.find({to, purpose});
  return found != links_.end() && found->second.connection != nullptr &&
         !found->second.connection->closed();
}

io::Task<Result<std::shared_ptr<PeerConnection>>> Peers::connection(Key key, TimePoint deadline) {
  const std::string broker = "broker " + std::to_string(key.first.value());
  Link& link = links_[key];
  bool waited = false;
  while (true) {
    if (stopped_) co_return fail(Errc::shutting_down);
    const auto address = ports_.membership.address_of(key.first);
    if (!address) {
      co_return fail(Errc::connection_failed,
                     broker + " has no known address; it has not registered yet");
    }
    if (link.connection && !link.connection->closed() && link.address == *address) {
      co_return link.connection;
    }
    // A broker that moved is no failure.
    if (link.address != *address) link.failure.reset();
    const uint64_t ticket = link.changed.ticket();
    if (!link.connecting) {
      if (link.failure && (waited || io::Loop::current()->now() < link.next_try)) {
        co_return fail(*link.failure);
      }
      retire(link);
      link.connecting = true;
      link.address = *address;
      scope_.start(connect(key, *address));
      if (!link.connecting) continue;
    }
    waited = true;
    if (!co_await link.changed.wait(ticket, deadline)) {
      co_return fail(Errc::timed_out,
                     broker + " at " + address->to_string() + " was not connected to in time");
    }
  }
}

io::Task<void> Peers::connect(Key key, io::Endpoint address) {
  const ClusterMember self = ports_.membership.self();
  auto opened = co_await PeerConnection::open(ports_.runtime, std::move(address),
                                              {.self = self.node_id,
                                               .cluster_id = self.cluster_id,
                                               .expected = key.first,
                                               .lineage = ports_.membership.lineage(),
                                               .urgent = is_urgent(key.second)},
                                              ports_.memory, options_.connection);
  if (opened) {
    if (auto same = check_history(key.first, **opened); !same) {
      co_await (*opened)->shut_down();
      opened = fail(std::move(same).error());
    }
  }
  Link& link = links_[key];
  link.connecting = false;
  if (!opened) {
    connect_failed(key, link, std::move(opened).error());
  } else if (stopped_) {
    co_await (*opened)->shut_down();
  } else {
    if (link.failures > 0) {
      ports_.log.info("broker is reached again", {{"broker", key.first.value()}});
    }
    link.connection = std::move(*opened);
    link.failures = 0;
    link.failure.reset();
  }
  link.changed.notify_all();
}

Result<> Peers::check_history(NodeId peer, const PeerConnection& connection) const {
  const auto ours = ports_.membership.lineage();
  const auto theirs = connection.lineage();
  auto same = check_lineage(peer, ours, theirs);
  const bool outdated = !same && ours->recoveries < theirs->recoveries;
  if (outdated && ports_.on_outdated && !stopped_) ports_.on_outdated(same.error());
  return same;
}

void Peers::connect_failed(Key key, Link& link, Error why) {
  const Duration full =
      std::min(options_.longest_backoff, options_.backoff * (1 << std::min(link.failures, 10U)));
  const auto jitter = static_cast<int64_t>(
      ports_.runtime.random.below(static_cast<uint64_t>(full.count()) * 2 / 5 + 1));
  link.next_try = io::Loop::current()->now() + full * 4 / 5 + Duration(jitter);
  // Once; that it goes on is told by the cluster's state.
  if (link.failures++ == 0 && !stopped_) {
    ports_.log.warning("broker is not reached",
                       {{"broker", key.first.value()}, {"cause", why.message()}});
  }
  link.failure = std::move(why);
}

void Peers::retire(Link& link) {
  if (link.connection) scope_.start(shut_down(std::move(link.connection)));
  link.connection = nullptr;
}

io::Task<void> Peers::shut_down(std::shared_ptr<PeerConnection> connection) {
  co_await connection->shut_down();
}

io::Task<void> Peers::stop() {
  stopped_ = true;
  for (auto& [key, link] : links_) {
    retire(link);
    link.changed.notify_all();
  }
  co_await scope_.join();
}

}  // namespace sluice::broker
