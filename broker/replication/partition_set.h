#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/guarded.h"
#include "base/log.h"
#include "base/result.h"
#include "base/time.h"
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
  /// A partition may be damaged, or may be counted as such though it is whole. Empty: nobody cares.
  std::function<void(const PartitionKey&)> look_at_damage = nullptr;
  /// replica.lag.time.max.ms
  Duration replica_lag_max = std::chrono::seconds(10);
  const SessionLease* lease = nullptr;
};

/// Makes what this broker serves equal to what the metadata says: creates and removes logs, applies
/// configs and roles.
class PartitionSet {
 public:
  explicit PartitionSet(PartitionSetPorts ports) : ports_(ports) {}

  /// Done when this broker serves `image`, or a later one, as far as it can; what failed before is
  /// tried again when its time has come. The first shows this broker's registration. From any loop.
  io::Task<void> follow(std::shared_ptr<const MetadataImage> image);
  /// When follow() has something to try again, whatever the image. On the control loop.
  std::optional<TimePoint> next_try() const;
  /// Why a partition that should be here is not served.
  std::optional<Error> failure_of(const PartitionKey& key) const;
  /// Takes a partition that follows another broker's out of service while its log is changed, then
  /// serves it again, as the metadata says by then, with the log that is there then.
  /// invalid_request when it leads; not_found; what the change failed with.
  io::Task<Result<>> reopen(PartitionKey key, std::function<io::Task<Result<>>()> change);
  /// The logs of a directory take no more requests. From any loop.
  void directory_offline(const std::string& directory, const Error& cause);
  /// Retention moved the start of a log: followers are told. From any loop.
  void log_start_moved(const storage::Log& log);
  /// Folders of logs that the first image did not assign to this broker, and that are kept.
  std::vector<std::string> strays() const { return strays_; }
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

  /// What is not served as it should be.
  struct Failed {
    uint32_t times = 0;
    TimePoint again{};
  };

  std::vector<Change> changes_to(const MetadataImage& image) const;
  io::Task<void> follow_topics(const MetadataImage& image);
  io::Task<void> follow_topic(Change change, const MetadataImage& image);
  io::Task<void> serve(Topic topic, PartitionId id, const MetadataImage& image);
  io::Task<Result<>> try_to_serve(Topic topic, PartitionId id, const MetadataImage& image);
  io::Task<void> not_served(Topic topic, PartitionId id, Error why);
  io::Task<void> try_again(std::shared_ptr<const MetadataImage> image);
  io::Task<Result<std::shared_ptr<storage::Log>>> open_log(Topic topic, PartitionId id,
                                                           const MetadataImage& image,
                                                           storage::LogOptions options);
  std::optional<Error> withheld(const PartitionKey& key, const std::string& name);
  TopicOptions options_of(const Topic& topic) const;
  PartitionPorts partition_ports() const;
  io::Task<Result<>> take_role(std::shared_ptr<Partition> partition, PartitionImage wanted);
  io::Task<void> withdraw(Topic topic);
  io::Task<void> withdraw_partition(Topic topic, PartitionId id, Error why);
  io::Task<void> serve_again(PartitionKey key, storage::TopicPartition name);
  void look_at_damage(const PartitionKey& key, const PartitionImage& wanted) const;
  bool is_elsewhere(const MetadataImage& image, const Uuid& topic_id, PartitionId id) const;
  io::Task<void> remove_strays(const MetadataImage& image);
  bool is_here(const PartitionImage& partition) const;

  const PartitionSetPorts ports_;
  io::AsyncMutex following_;
  std::shared_ptr<const MetadataImage> followed_;
  /// On the control loop.
  std::map<PartitionKey, Failed> failed_;
  std::vector<std::string> strays_;
  /// Partitions whose log may lie in a directory that is left out.
  Guarded<std::map<PartitionKey, Error>> withheld_;
  /// Their logs are being changed. On the control loop.
  std::set<PartitionKey> reopening_;
};

}  // namespace sluice::broker
