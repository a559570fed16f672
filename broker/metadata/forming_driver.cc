#include "broker/metadata/forming_driver.h"

#include <algorithm>
#include <utility>

#include "broker/metadata/founding_file.h"
#include "broker/metadata/member_codec.h"

namespace sluice::broker {

FormingDriver::FormingDriver(FormingPorts ports, FormingOptions options)
    : ports_(ports),
      options_(std::move(options)),
      introductions_(ports_.runtime, ports_.membership, ports_.memory, options_.connection),
      forming_(ports_.membership.self(), options_.seeds) {}

void FormingDriver::stop() {
  stopped_ = true;
  changed_.notify_all();
}

io::Task<Result<bool>> FormingDriver::has_log() {
  CO_ASSIGN_OR_RETURN(const auto entries, co_await ports_.disk.list(options_.directory));
  co_return std::ranges::any_of(entries, [](const io::DirectoryEntry& entry) {
    return entry.name.starts_with("wal-") || entry.name.starts_with("snapshot-");
  });
}

io::Task<Result<Founding>> FormingDriver::run() {
  CO_ASSIGN_OR_RETURN(auto kept, co_await read_founding(ports_.disk, options_.directory));
  if (kept) {
    ports_.membership.belongs_to(kept->cluster_id, kept->founders);
    for (const ClusterMember& member : kept->members) ports_.membership.note(member);
    co_return std::move(*kept);
  }
  CO_ASSIGN_OR_RETURN(const bool is_old, co_await has_log());
  // What it says of its cluster is in the log.
  if (is_old) co_return Founding{};
  if (options_.seeds.empty()) {
    Founding alone{.cluster_id = options_.own_cluster_id, .founders = {}, .members = {}};
    alone.founders.push_back(ports_.membership.self());
    alone.founders.front().cluster_id = alone.cluster_id;
    CO_RETURN_IF_ERROR(co_await keep(alone));
    co_return alone;
  }
  ports_.membership.has_no_cluster();
  say_at_ = io::Loop::current()->now() + options_.say_every;
  for (const io::Endpoint& seed : options_.seeds) asking_.start(ask(seed));
  auto agreed = co_await agree();
  ended_ = true;
  changed_.notify_all();
  co_await asking_.join();
  if (!agreed) co_return fail(std::move(agreed).error());
  CO_RETURN_IF_ERROR(co_await keep(*agreed));
  co_return agreed;
}

/// Durable first: others count on what they are told.
io::Task<Result<>> FormingDriver::keep(Founding founding) {
  CO_RETURN_IF_ERROR(co_await write_founding(ports_.disk, options_.directory, founding));
  ports_.membership.belongs_to(founding.cluster_id, founding.founders);
  for (const ClusterMember& member : founding.members) ports_.membership.note(member);
  ports_.log.info(founding.founders.empty() ? "joined a cluster" : "founds a cluster",
                  {{"cluster", founding.cluster_id}, {"founders", founding.founders.size()}});
  co_return Result<>{};
}

io::Task<Result<Founding>> FormingDriver::agree() {
  while (!stopped_) {
    const uint64_t ticket = changed_.ticket();
    auto decision = forming_.decide();
    if (auto* found = std::get_if<Forming::Found>(&decision)) co_return std::move(found->founding);
    if (auto* refuse = std::get_if<Forming::Refuse>(&decision)) co_return fail(refuse->why);
    if (auto* with = std::get_if<Forming::Join>(&decision)) {
      auto joined = co_await join(std::move(*with));
      if (joined || !joined.error().retriable()) co_return joined;
      join_failure_ = std::move(joined).error();
    }
    say_what_is_missing();
    co_await changed_.wait(ticket, io::Loop::current()->now() + options_.ask_every);
  }
  co_return fail(Errc::shutting_down);
}

void FormingDriver::say_what_is_missing() {
  const TimePoint now = io::Loop::current()->now();
  if (now < say_at_) return;
  say_at_ = now + options_.say_every;
  if (join_failure_) {
    ports_.log.warning("waits to join a cluster", {{"cause", join_failure_->message()}});
  }
  for (const std::string& line : forming_.waits_for()) {
    ports_.log.warning("waits for its seeds", {{"cause", line}});
  }
}

io::Task<void> FormingDriver::ask(io::Endpoint seed) {
  while (!ended_ && !stopped_) {
    auto answer = co_await introductions_.discover(seed);
    if (answer) {
      forming_.answered(seed, std::move(*answer));
    } else {
      forming_.failed(seed, std::move(answer).error());
    }
    changed_.notify_all();
    const TimePoint next = io::Loop::current()->now() + options_.ask_every;
    uint64_t ticket = changed_.ticket();
    while (!ended_ && !stopped_ && co_await changed_.wait(ticket, next)) ticket = changed_.ticket();
  }
}

/// Only the controller takes somebody in: the members are asked one after the other.
io::Task<Result<Founding>> FormingDriver::join(Forming::Join with) {
  Error last(Errc::not_controller);
  for (const ClusterMember& member : with.members) {
    if (stopped_) co_return fail(Errc::shutting_down);
    auto joined = co_await join_at(member);
    if (joined || !joined.error().retriable()) co_return joined;
    last = std::move(joined).error();
  }
  co_return fail(std::move(last));
}

io::Task<Result<Founding>> FormingDriver::join_at(const ClusterMember& member) {
  CO_ASSIGN_OR_RETURN(const auto said,
                      co_await introductions_.join(member.address, false, options_.join_timeout));
  if (said.cluster_id() != member.cluster_id) {
    co_return fail(Errc::wrong_cluster, "join at " + member.address.to_string() +
                                            ": it answers for cluster " + said.cluster_id() +
                                            " and said before that it belongs to " +
                                            member.cluster_id);
  }
  Founding founding{.cluster_id = said.cluster_id(), .founders = {}, .members = {}};
  CO_ASSIGN_OR_RETURN(founding.members, decode_members(said.members()));
  std::erase_if(founding.members, [this](const ClusterMember& known) {
    return known.node_id == ports_.membership.self().node_id;
  });
  co_return founding;
}

}  // namespace sluice::broker
