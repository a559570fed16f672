#include "broker/replication/peer_links.h"

#include <utility>
#include <vector>

namespace sluice::broker {
namespace {

/// Beyond the time that the leader may wait for records: for the way and the device.
constexpr Duration kGrace = std::chrono::seconds(5);

Purpose purpose_of(FetchLane lane) {
  switch (lane) {
    case FetchLane::plain:
      return Purpose::replication;
    case FetchLane::flushed:
      return Purpose::flushed_replication;
    case FetchLane::repair:
      return Purpose::repair;
  }
}

class PeerLink final : public LeaderLink {
 public:
  PeerLink(Peers& peers, NodeId leader, Purpose purpose)
      : peers_(peers), leader_(leader), purpose_(purpose) {}

  io::Task<Result<ReplicaFetchAnswer>> fetch(native::FetchRequest request) override {
    const TimePoint deadline =
        io::Loop::current()->now() + std::chrono::milliseconds(request.max_wait_ms()) + kGrace;
    native::RequestHeader header;
    *header.mutable_fetch() = std::move(request);
    CO_ASSIGN_OR_RETURN(PeerAnswer answer,
                        co_await peers_.call(leader_, purpose_, std::move(header), {}, deadline));
    co_return ReplicaFetchAnswer{.header = std::move(*answer.header.mutable_fetch()),
                                 .bytes = std::move(answer.bytes),
                                 .payload_size = answer.payload_size,
                                 .memory = std::move(answer.memory)};
  }

 private:
  Peers& peers_;
  const NodeId leader_;
  const Purpose purpose_;
};

}  // namespace

std::unique_ptr<LeaderLink> PeerLinks::link_to(NodeId leader, FetchLane lane, io::Loop& loop) {
  auto peers = peers_.lock();
  OnLoop& of_loop = (*peers)[loop.index()];
  if (of_loop.peers == nullptr) {
    of_loop.loop = &loop;
    of_loop.peers = std::make_unique<Peers>(
        PeersPorts{ports_.runtime, ports_.membership, ports_.memory, ports_.log});
  }
  return std::make_unique<PeerLink>(*of_loop.peers, leader, purpose_of(lane));
}

io::Task<void> PeerLinks::stop() {
  io::Loop& home = *io::Loop::current();
  std::vector<std::pair<io::Loop*, Peers*>> all;
  {
    auto peers = peers_.lock();
    for (const auto& [index, on_loop] : *peers) {
      all.emplace_back(on_loop.loop, on_loop.peers.get());
    }
  }
  for (const auto& [loop, peers] : all) {
    co_await loop->enter();
    co_await peers->stop();
  }
  co_await home.enter();
}

}  // namespace sluice::broker
