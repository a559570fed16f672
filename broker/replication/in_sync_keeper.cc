#include "broker/replication/in_sync_keeper.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "broker/replication/partition.h"

namespace sluice::broker {

InSyncKeeper::InSyncKeeper(InSyncKeeperPorts ports, InSyncKeeperOptions options)
    : ports_(std::move(ports)), options_(options) {}

void InSyncKeeper::start() { running_.start(run()); }

io::Task<void> InSyncKeeper::stop() {
  io::Loop& home = *io::Loop::current();
  co_await ports_.control.enter();
  stopping_ = true;
  changed_.notify_all();
  co_await running_.join();
  co_await home.enter();
}

void InSyncKeeper::could_join(const PartitionKey& key) {
  const bool first = candidates_.lock()->insert(key).second;
  // One that is noted already was notified of.
  if (first) changed_.notify_all();
}

io::Task<void> InSyncKeeper::run() {
  co_await ports_.control.enter();
  uint32_t failures = 0;
  next_check_ = ports_.control.now() + options_.check_interval;
  while (!stopping_) {
    const uint64_t ticket = changed_.ticket();
    const TimePoint now = ports_.control.now();
    Proposed proposed = propose(due(now), now);
    if (proposed.changes.empty()) {
      co_await changed_.wait(ticket, next_check_);
      continue;
    }
    if (co_await ask(std::move(proposed))) {
      failures = 0;
      continue;
    }
    const int64_t doublings = int64_t{1} << std::min<uint32_t>(failures++, 20);
    const TimePoint until =
        ports_.control.now() + std::min(options_.longest_backoff, options_.backoff * doublings);
    while (!stopping_ && ports_.control.now() < until) {
      co_await changed_.wait(changed_.ticket(), until);
    }
  }
}

InSyncKeeper::Partitions InSyncKeeper::due(TimePoint now) {
  if (now >= next_check_) {
    next_check_ = now + options_.check_interval;
    candidates_.lock()->clear();
    return ports_.table.all();
  }
  std::set<PartitionKey> candidates;
  candidates_.lock()->swap(candidates);
  Partitions partitions;
  for (const PartitionKey& key : candidates) {
    if (auto partition = ports_.table.find(key)) partitions.push_back(std::move(partition));
  }
  return partitions;
}

InSyncKeeper::Proposed InSyncKeeper::propose(const Partitions& partitions, TimePoint now) const {
  const auto image = ports_.image();
  const auto may_join = [&](NodeId node, uint64_t broker_epoch) {
    const BrokerImage* broker = image->broker(node);
    return broker != nullptr && !broker->fenced && broker->epoch == broker_epoch;
  };
  Proposed proposed;
  for (const auto& partition : partitions) {
    auto change = partition->propose_in_sync(now, may_join);
    if (!change) continue;
    proposed.partitions.push_back(partition);
    proposed.changes.push_back(std::move(*change));
  }
  return proposed;
}

io::Task<bool> InSyncKeeper::ask(Proposed proposed) {
  const auto outcomes = co_await ports_.port.alter(proposed.changes);
  CHECK(outcomes.size() == proposed.changes.size(), "every change has its outcome");
  size_t refused = 0;
  for (size_t i = 0; i < outcomes.size(); ++i) {
    Partition& partition = *proposed.partitions[i];
    const InSyncChange& change = proposed.changes[i];
    partition.in_sync_answered(change, outcomes[i]);
    if (outcomes[i]) {
      ports_.log.info("in-sync set changed", {{"partition", partition.log().partition().folder()},
                                              {"members", change.in_sync.size()},
                                              {"partition epoch", *outcomes[i]}});
      continue;
    }
    candidates_.lock()->insert(partition.key());
    // Once for all of them and all tries: a broker that is cut off may have thousands.
    const std::string_view cause = outcomes[i].error().message();
    if (refused++ > 0 || cause == complained_of_) continue;
    complained_of_ = cause;
    ports_.log.warning(
        "in-sync sets not changed, it is tried again",
        {{"first", partition.log().partition().folder()}, {"cause", complained_of_}});
  }
  if (refused == 0) complained_of_.clear();
  co_return refused == 0;
}

}  // namespace sluice::broker
