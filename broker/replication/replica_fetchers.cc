#include "broker/replication/replica_fetchers.h"

namespace sluice::broker {

struct ReplicaFetchers::Running {
  std::unique_ptr<LeaderLink> link;
  std::unique_ptr<ReplicaFetcher> fetcher;
};

ReplicaFetchers::ReplicaFetchers(ReplicaFetchersPorts ports, ReplicaFetcherOptions options)
    : ports_(std::move(ports)), options_(options) {}

ReplicaFetchers::~ReplicaFetchers() = default;

void ReplicaFetchers::follow(std::shared_ptr<Partition> partition, Leadership leadership) {
  const Place place{.leadership = leadership,
                    .lane = partition->flushes_every() ? FetchLane::flushed : FetchLane::plain,
                    .partition = partition.get()};
  const auto known = places_.find(partition->key());
  if (known != places_.end() && known->second == place) return;
  const PartitionKey key = partition->key();
  const bool elsewhere =
      known != places_.end() &&
      (known->second.leadership.leader != leadership.leader || known->second.lane != place.lane);
  if (elsewhere) forget(key);
  if (leadership.leader.value() < 0) return;
  places_.insert_or_assign(key, place);
  fetcher_of(leadership.leader, place.lane).follow(std::move(partition), leadership.epoch);
}

void ReplicaFetchers::forget(const PartitionKey& key) {
  const auto known = places_.find(key);
  if (known == places_.end()) return;
  fetcher_of(known->second.leadership.leader, known->second.lane).forget(key);
  places_.erase(known);
}

ReplicaFetcher& ReplicaFetchers::fetcher_of(NodeId leader, FetchLane lane) {
  auto& running = running_[{leader, lane}];
  if (running == nullptr) {
    running = std::make_unique<Running>();
    const auto spread = static_cast<size_t>(leader.value()) + static_cast<size_t>(lane);
    io::Loop& loop = ports_.executor.worker(spread % ports_.executor.workers());
    running->link = ports_.links.link_to(leader, lane, loop);
    running->fetcher = std::make_unique<ReplicaFetcher>(
        ReplicaFetcherPorts{loop, *running->link, ports_.self, ports_.log, ports_.throttle}, leader,
        lane, options_);
    running->fetcher->start();
  }
  return *running->fetcher;
}

io::Task<void> ReplicaFetchers::stop() {
  for (auto& [place, running] : running_) co_await running->fetcher->stop();
  places_.clear();
}

}  // namespace sluice::broker
