#include "broker/replication/partition_table.h"

#include <algorithm>
#include <string>
#include <utility>

#include <absl/hash/hash.h>

#include "broker/replication/partition.h"

namespace sluice::broker {

const PartitionTable::Shard& PartitionTable::shard_of(const PartitionKey& key) const {
  // The high bits: the map inside a shard uses the low ones.
  return shards_[absl::Hash<PartitionKey>{}(key) >> (8 * sizeof(size_t) - 5)];
}

PartitionTable::Shard& PartitionTable::shard_of(const PartitionKey& key) {
  return const_cast<Shard&>(std::as_const(*this).shard_of(key));
}

std::shared_ptr<Partition> PartitionTable::find(const PartitionKey& key) const {
  const Shard& shard = shard_of(key);
  const std::scoped_lock lock(shard.mutex);
  const auto at = shard.partitions.find(key);
  return at == shard.partitions.end() ? nullptr : at->second;
}

bool PartitionTable::insert(const PartitionKey& key, std::shared_ptr<Partition> partition) {
  Shard& shard = shard_of(key);
  const std::scoped_lock lock(shard.mutex);
  shard.failures.erase(key);
  return shard.partitions.try_emplace(key, std::move(partition)).second;
}

std::shared_ptr<Partition> PartitionTable::take(const PartitionKey& key) {
  Shard& shard = shard_of(key);
  const std::scoped_lock lock(shard.mutex);
  shard.failures.erase(key);
  const auto at = shard.partitions.find(key);
  if (at == shard.partitions.end()) return nullptr;
  auto partition = std::move(at->second);
  shard.partitions.erase(at);
  return partition;
}

std::vector<std::shared_ptr<Partition>> PartitionTable::all() const {
  std::vector<std::shared_ptr<Partition>> partitions;
  for (const Shard& shard : shards_) {
    const std::scoped_lock lock(shard.mutex);
    for (const auto& [key, partition] : shard.partitions) partitions.push_back(partition);
  }
  std::ranges::sort(partitions, {}, [](const auto& partition) { return partition->key(); });
  return partitions;
}

size_t PartitionTable::size() const {
  size_t size = 0;
  for (const Shard& shard : shards_) {
    const std::scoped_lock lock(shard.mutex);
    size += shard.partitions.size();
  }
  return size;
}

void PartitionTable::set_failure(const PartitionKey& key, Error why) {
  Shard& shard = shard_of(key);
  const std::scoped_lock lock(shard.mutex);
  shard.failures.insert_or_assign(key, std::move(why));
}

std::optional<Error> PartitionTable::failure_of(const PartitionKey& key) const {
  const Shard& shard = shard_of(key);
  const std::scoped_lock lock(shard.mutex);
  const auto at = shard.failures.find(key);
  if (at == shard.failures.end()) return std::nullopt;
  return at->second;
}

Error PartitionTable::refusal_of(const PartitionKey& key) const {
  if (const auto partition = find(key)) {
    if (auto leads = partition->check_leader(std::nullopt); !leads) return leads.error();
  }
  if (auto failure = failure_of(key)) return std::move(*failure);
  return {Errc::unknown_topic_id,
          "partition " + std::to_string(key.partition.value()) + " of the topic with the id " +
              key.topic_id.text() +
              " is not here; it may have been deleted, ask for the metadata anew"};
}

}  // namespace sluice::broker
