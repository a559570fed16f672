#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/metrics.h"
#include "base/result.h"
#include "broker/metadata/controller.h"
#include "broker/metadata/in_sync_change.h"
#include "broker/metadata/membership.h"
#include "io/loop.h"
#include "io/task.h"

namespace sluice::broker {

struct ConsensusState {
  std::optional<NodeId> leader;
  uint64_t term = 0;
  std::vector<NodeId> voters;
  /// Voters that this broker has no connection to.
  std::vector<NodeId> unreached;
  /// Where this broker is the controller: what it knows of each.
  std::vector<Sessions::Sight> sessions;
  /// Why this broker acknowledges nothing; empty while it does.
  std::string fenced_because;
};

/// The consensus as other brokers reach it. On the control loop.
class ConsensusPort {
 public:
  virtual ~ConsensusPort() = default;
  /// `from` is of our cluster, and the message arrived as it was sent.
  virtual void receive(NodeId from, ByteView message) = 0;
  /// Index of the entry; not_controller unless this broker leads.
  virtual io::Task<Result<uint64_t>> propose_here(std::vector<std::byte> command) = 0;
  virtual ConsensusState state() const = 0;
};

/// The controller as brokers and operators reach it; not_controller where it is not. On the control
/// loop.
class ControllerPort {
 public:
  virtual ~ControllerPort() = default;
  virtual io::Task<Result<HeartbeatReply>> heartbeat(Heartbeat beat) = 0;
  /// For each change the new partition epoch or why not.
  virtual io::Task<std::vector<Result<uint32_t>>> alter_in_sync(
      NodeId node, uint64_t broker_epoch, std::vector<InSyncChange> changes) = 0;
  /// Done when it is committed, or known already.
  virtual io::Task<Result<>> report_damage(NodeId node, uint64_t broker_epoch,
                                           std::vector<DamageReport> reports) = 0;
  /// Done when the broker is a learner, and may be reached by whoever leads next. `returning`: it
  /// says that it is a member.
  virtual io::Task<Result<>> join(ClusterMember member, bool returning) = 0;
  virtual io::Task<Result<>> leave(NodeId node) = 0;
  virtual io::Task<Result<>> move(MovePartition move) = 0;
  virtual io::Task<Result<>> drain(NodeId node, bool undo) = 0;
};

/// What the handlers of cluster messages stand on. The two ports come once there are such things,
/// and outlive the server.
struct ClusterPorts {
  io::Loop& control;
  Membership& membership;
  /// Messages of the consensus that arrived damaged.
  Counter& corrupt_messages;
  std::atomic<ConsensusPort*> consensus{nullptr};
  std::atomic<ControllerPort*> controller{nullptr};
};

}  // namespace sluice::broker
