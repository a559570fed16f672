#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <vector>

#include "base/guarded.h"
#include "base/log.h"
#include "base/metrics.h"
#include "base/result.h"
#include "broker/metadata/damage_report.h"
#include "broker/metadata/image.h"
#include "broker/replication/follower_fetch.h"
#include "broker/replication/leader_link.h"
#include "broker/replication/partition_table.h"
#include "io/runtime.h"
#include "io/sync.h"
#include "storage/log_set.h"

namespace sluice::broker {

class PartitionSet;

/// The way to the controller.
class DamagePort {
 public:
  virtual ~DamagePort() = default;
  /// Done when the controller took it.
  virtual io::Task<Result<>> report(std::vector<DamageReport> reports) = 0;
};

struct DamageKeeperOptions {
  /// Until what did not work, or what others have to do first, is looked at again.
  Duration retry = 200ms;
  Duration longest_retry = 5s;
  size_t repairs_at_once = 2;
};

/// What a keeper works with; all outlive it.
struct DamageKeeperPorts {
  io::Executor& executor;
  const PartitionTable& table;
  storage::LogSet& logs;
  PartitionSet& partitions;
  DamagePort& port;
  LeaderLinks& links;
  NodeId self;
  std::function<std::shared_ptr<const MetadataImage>()> image;
  MetricsRegistry& metrics;
  Logger log;
};

/// Sees to it that a replica of this broker that lost records is counted on by nobody: tells the
/// controller, repairs it from its leader once it is in no in-sync set, and tells the controller
/// that it is whole again. One that leads because nobody else has everything is repaired from those
/// that have the lost bytes beyond doubt.
class DamageKeeper {
 public:
  explicit DamageKeeper(DamageKeeperPorts ports, DamageKeeperOptions options = {});
  DamageKeeper(const DamageKeeper&) = delete;
  DamageKeeper& operator=(const DamageKeeper&) = delete;

  void start();
  /// Once, after start(), before it dies; a repair under way ends early.
  io::Task<void> stop();
  /// The partition is damaged, or counts as such though it may be whole. From any loop.
  void look_at(const PartitionKey& key);
  void look_at(const storage::TopicPartition& name);

 private:
  /// What is to be done about one partition now.
  enum class Step : uint8_t { none, wait, report_damaged, report_whole, check, repair };
  struct Noticed {
    std::set<PartitionKey> keys;
    std::set<storage::TopicPartition> names;
  };

  io::Task<void> run();
  void take_noticed();
  /// False when nothing is left to be looked at again.
  io::Task<bool> look();
  Step step_of(const PartitionKey& key, const MetadataImage& image) const;
  io::Task<void> check(PartitionKey key);
  /// Whom a repair asks: the leader, or where this broker leads the others.
  struct Sources {
    Leadership leadership;
    std::vector<NodeId> others;
    ReplicaIdentity self;
  };
  Sources sources_of(const PartitionImage& wanted, const MetadataImage& image) const;
  io::Task<void> repair(PartitionKey key, Sources from);
  io::Task<Result<storage::RepairPlan>> plan(storage::TopicPartition name, PartitionKey key,
                                             Sources from);
  io::Task<Result<>> put_in_force(PartitionKey key, storage::TopicPartition name,
                                  storage::RepairPlan plan);

  const DamageKeeperPorts ports_;
  const DamageKeeperOptions options_;
  Counter& repaired_;
  Counter& failed_;
  Counter& bytes_;
  Guarded<Noticed> noticed_;
  io::Signal changed_;
  io::Scope running_;
  std::atomic<bool> stopping_{false};

  // The control loop's.
  std::set<PartitionKey> known_;
  /// Checked or repaired now.
  std::set<PartitionKey> busy_;
  size_t repairs_ = 0;
  /// All their batches were read and found good, as this partition object.
  std::map<PartitionKey, std::weak_ptr<Partition>> sound_;
};

}  // namespace sluice::broker
