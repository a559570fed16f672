#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/guarded.h"
#include "base/log.h"
#include "base/result.h"
#include "broker/metadata/image.h"
#include "broker/metadata/topic_config.h"
#include "broker/replication/partition.h"
#include "broker/replication/partition_table.h"
#include "broker/replication/replica_fetchers.h"
#include "io/loop.h"
#include "io/sync.h"
#include "storage/log_set.h"

namespace sluice::broker {

class InSyncKeeper;

/// What a partition set works with; all outlive it.
struct PartitionSetPorts {
  io::Loop& control;
  storage::LogSet& logs;
  PartitionTable& table;
  const TopicDefaults& defaults;
  NodeId self;
  Logger log;
  /// Null: no partition has a second replica.
  ReplicaFetchers* fetchers = nullptr;
  InSyncKeeper* in_sync = nullptr;
  /// replica.lag.time.max.ms
  Duration replica_lag_max = std::chrono::seconds(10);
  const SessionLease* lease = nullptr;
};

/// Makes what this broker serves equal to what the metadata says: creates and removes logs, applies
/// configs and roles.
class PartitionSet {
 public:
  explicit PartitionSet(PartitionSetPorts ports) : ports_(ports) {}

  /// Done when this broker serves `image`, or a later one, as far as it can. From any loop.
  io::Task<void> follow(std::shared_ptr<const MetadataImage> image);
  /// Why a partition that should be here is not served.
  std::optional<Error> failure_of(const PartitionKey& key) const;
  /// Folders of logs that the first image did not assign to this broker, and that are kept.
  std::vector<std::string> strays() const { return strays_; }
  /// The logs of a directory take no more requests. From any loop.
  void directory_offline(const std::string& directory, const Error& cause);
  /// The lease is over: what waits to be acknowledged is told so. From any loop.
  void give_up_waiting();
  /// Nothing is served any more; done when no flush is in flight.
  io::Task<void> stop(Error why);

 private:
  using Topic = MetadataImage::TopicPointer;
  /// A topic that came, changed or went; null where it is not.
  struct Change {
    Topic before;
    Topic after;
    const std::string& name() const { return (after != nullptr ? after : before)->name; }
  };

  std::vector<Change> changes_to(const MetadataImage& image) const;
  io::Task<void> follow_topics(const MetadataImage& image);
  io::Task<void> follow_topic(Change change, const MetadataImage& image);
  io::Task<void> serve(Topic topic, PartitionId id, const MetadataImage& image);
  io::Task<Result<std::shared_ptr<storage::Log>>> open_log(Topic topic, PartitionId id,
                                                           const MetadataImage& image,
                                                           storage::LogOptions options);
  std::optional<Error> withheld(const PartitionKey& key, const std::string& name);
  TopicOptions options_of(const Topic& topic) const;
  PartitionPorts partition_ports() const;
  io::Task<Result<>> take_role(std::shared_ptr<Partition> partition, PartitionImage wanted);
  io::Task<void> withdraw(Topic topic);
  io::Task<void> withdraw_partition(Topic topic, PartitionId id, Error why);
  io::Task<void> remove_strays(const MetadataImage& image);
  bool is_here(const PartitionImage& partition) const;

  const PartitionSetPorts ports_;
  io::AsyncMutex following_;
  std::shared_ptr<const MetadataImage> followed_;
  std::vector<std::string> strays_;
  /// Partitions whose log may lie in a directory that is left out.
  Guarded<std::map<PartitionKey, Error>> withheld_;
};

}  // namespace sluice::broker
