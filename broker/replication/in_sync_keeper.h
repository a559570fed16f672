#pragma once

#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/guarded.h"
#include "base/log.h"
#include "base/result.h"
#include "broker/metadata/image.h"
#include "broker/metadata/in_sync_change.h"
#include "broker/replication/partition_table.h"
#include "io/loop.h"
#include "io/sync.h"

namespace sluice::broker {

/// The way to the controller.
class InSyncPort {
 public:
  virtual ~InSyncPort() = default;
  /// For each change the new partition epoch, or the error, in order.
  virtual io::Task<std::vector<Result<uint32_t>>> alter(std::vector<InSyncChange> changes) = 0;
};

struct InSyncKeeperOptions {
  /// How often all partitions are looked at for members that fell behind.
  Duration check_interval = 1s;
  Duration backoff = 50ms;
  Duration longest_backoff = 1s;
};

/// What a keeper works with; all outlive it.
struct InSyncKeeperPorts {
  io::Loop& control;
  const PartitionTable& table;
  InSyncPort& port;
  std::function<std::shared_ptr<const MetadataImage>()> image;
  Logger log;
};

/// Keeps the in-sync sets of what this broker leads in step with how far the followers are: asks
/// the controller for changes, of many partitions at once, one request at a time.
class InSyncKeeper {
 public:
  explicit InSyncKeeper(InSyncKeeperPorts ports, InSyncKeeperOptions options = {});
  InSyncKeeper(const InSyncKeeper&) = delete;
  InSyncKeeper& operator=(const InSyncKeeper&) = delete;

  void start();
  /// Once, after start(), before it dies; waits for the request under way.
  io::Task<void> stop();
  /// A follower of the partition caught up. From any loop.
  void could_join(const PartitionKey& key);

 private:
  using Partitions = std::vector<std::shared_ptr<Partition>>;
  struct Proposed {
    Partitions partitions;
    std::vector<InSyncChange> changes;
  };
  io::Task<void> run();
  Partitions due(TimePoint now);
  Proposed propose(const Partitions& partitions, TimePoint now) const;
  /// False when the controller was not reached, or could not.
  io::Task<bool> ask(Proposed proposed);

  const InSyncKeeperPorts ports_;
  const InSyncKeeperOptions options_;
  Guarded<std::set<PartitionKey>> candidates_;
  io::Signal changed_;
  io::Scope running_;
  bool stopping_ = false;
  TimePoint next_check_{};
  /// Why the last change was refused; empty once one was not.
  std::string complained_of_;
};

}  // namespace sluice::broker
