#pragma once

#include <array>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include <absl/container/flat_hash_map.h>

#include "base/result.h"
#include "broker/replication/partition_key.h"

namespace sluice::broker {

class Partition;

/// The partitions that this broker has, by topic id. Thread-safe; sharded, so that workers seldom
/// meet.
class PartitionTable {
 public:
  /// Null when it is not here.
  std::shared_ptr<Partition> find(const PartitionKey& key) const;
  /// False when the key is taken.
  bool insert(const PartitionKey& key, std::shared_ptr<Partition> partition);
  /// What was there, or null.
  std::shared_ptr<Partition> take(const PartitionKey& key);
  /// By key.
  std::vector<std::shared_ptr<Partition>> all() const;
  size_t size() const;

  /// Notes why a partition that should be here is not, until it is inserted or taken.
  void set_failure(const PartitionKey& key, Error why);
  std::optional<Error> failure_of(const PartitionKey& key) const;
  /// What to tell who asks for a partition that is not here, or that serves nobody.
  Error refusal_of(const PartitionKey& key) const;

 private:
  static constexpr size_t kShards = 32;
  struct alignas(64) Shard {
    mutable std::mutex mutex;
    absl::flat_hash_map<PartitionKey, std::shared_ptr<Partition>> partitions;
    absl::flat_hash_map<PartitionKey, Error> failures;
  };
  Shard& shard_of(const PartitionKey& key);
  const Shard& shard_of(const PartitionKey& key) const;
  std::array<Shard, kShards> shards_;
};

}  // namespace sluice::broker
