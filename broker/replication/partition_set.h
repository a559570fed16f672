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
/// configs and roles. Each partition goes by itself to what the latest image says of it, so that a
/// data directory that hangs holds up no other's; what fails is tried again.
class PartitionSet {
 public:
  explicit PartitionSet(PartitionSetPorts ports) : ports_(ports) {}

  /// From now on this broker goes by `image`, unless by a later one; does not wait. The first shows
  /// this broker's registration. On the control loop.
  void go_by(std::shared_ptr<const MetadataImage> image);
  /// As go_by(), and done when this broker serves what that image, or a later one, says of a topic,
  /// as far as it can; of all topics where none is named. From any loop.
  io::Task<void> follow(std::shared_ptr<const MetadataImage> image, std::string topic = {});
  /// Why a partition that should be here is not served.
  std::optional<Error> failure_of(const PartitionKey& key) const;
  /// Takes a partition that follows another broker's out of service while its log is changed, then
  /// serves it again, as the metadata says by then, with the log that is there then. One at a time
  /// for each partition. invalid_request when it leads and its log is not damaged; not_found; what
  /// the change failed with; shutting_down.
  io::Task<Result<>> reopen(PartitionKey key, std::function<io::Task<Result<>>()> change);
  /// The logs of a directory take no more requests. From any loop.
  void directory_offline(const std::string& directory, const Error& cause);
  /// Retention moved the start of a log: followers are told. From any loop.
  void log_start_moved(const storage::Log& log);
  /// Folders of logs that the first image did not assign to this broker, and that are kept.
  std::vector<std::string> strays() const { return strays_; }
  /// The lease is over: what waits to be acknowledged is told so. From any loop.
  void give_up_waiting();
  /// No more changes; done when none is under way. From any loop.
  io::Task<void> rest();
  /// After rest(), if not before: nothing is served any more; done when no flush is in flight.
  io::Task<void> stop(Error why);

 private:
  using Topic = MetadataImage::TopicPointer;
  using Name = storage::TopicPartition;
  /// A change of a log that waits for its turn, see reopen().
  struct Reopening {
    PartitionKey key;
    std::function<io::Task<Result<>>()> change;
    io::OneShot<Result<>> done;
  };
  /// The changes of one partition, which take turns. By name: a topic that was deleted may come
  /// back under its own.
  struct Lane {
    /// The last image, counted, that says something else of it than the one before.
    uint64_t wanted = 0;
    /// It is as that image says, as far as can be.
    uint64_t reached = 0;
    bool running = false;
    /// Whose partition is served, or should be.
    std::optional<Uuid> topic_id;
    /// The first image had it here: its log was made before.
    bool from_start = false;
    uint32_t failures = 0;
    std::optional<TimePoint> again;
    Reopening* reopening = nullptr;
    io::Signal asked;
  };

  std::set<Name> changed_since(const MetadataImage* before) const;
  void ask(const Name& name, Lane& lane);
  io::Task<void> work(Name name);
  io::Task<void> take_turn(const Name& name, Lane& lane);
  io::Task<void> bring(const Name& name, Lane& lane, std::shared_ptr<const MetadataImage> image);
  io::Task<void> withdraw_lane(const Name& name, Lane& lane, const Topic& topic);
  io::Task<Result<>> change_log(const Name& name, const Reopening& asked);
  io::Semaphore& permits_of(const Name& name);

  io::Task<void> serve(Topic topic, PartitionId id, const MetadataImage& image, Lane& lane);
  io::Task<Result<>> try_to_serve(Topic topic, PartitionId id, const MetadataImage& image,
                                  bool from_start);
  io::Task<void> not_served(Topic topic, PartitionId id, Lane& lane, Error why);
  io::Task<Result<std::shared_ptr<storage::Log>>> open_log(Topic topic, PartitionId id,
                                                           const MetadataImage& image,
                                                           storage::LogOptions options,
                                                           bool from_start);
  std::optional<Error> withheld(const PartitionKey& key, const std::string& name, bool from_start);
  TopicOptions options_of(const Topic& topic) const;
  PartitionPorts partition_ports() const;
  io::Task<Result<>> take_role(std::shared_ptr<Partition> partition, PartitionImage wanted);
  io::Task<void> withdraw(PartitionKey key, Name name, Error why);
  void look_at_damage(const PartitionKey& key, const PartitionImage& wanted) const;
  bool is_elsewhere(const MetadataImage& image, const Uuid& topic_id, PartitionId id) const;
  io::Task<void> remove_stray(const Name& name, const MetadataImage& image);
  bool is_here(const PartitionImage& partition) const;
  bool others_have(const PartitionImage& partition) const;
  const PartitionImage* find_here(const Topic& topic, PartitionId id) const;

  const PartitionSetPorts ports_;
  // The control loop's.
  std::shared_ptr<const MetadataImage> followed_;
  /// How many images came.
  uint64_t turn_ = 0;
  std::map<Name, Lane> lanes_;
  /// By directory.
  std::map<std::string, io::Semaphore> changing_;
  /// By topic: in which directory a log is made shows when it is.
  std::map<std::string, io::Semaphore> making_;
  std::vector<std::string> strays_;
  bool stopping_ = false;
  io::Scope working_;
  /// After each turn of a lane.
  io::Signal reached_;
  /// Partitions whose log may lie in a directory that is left out.
  Guarded<std::map<PartitionKey, Error>> withheld_;
};

}  // namespace sluice::broker
