#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "base/log.h"
#include "base/result.h"
#include "base/uuid.h"
#include "broker/metadata/change_counts.h"
#include "broker/metadata/controller.h"
#include "broker/metadata/membership.h"
#include "broker/metadata/store.h"
#include "io/loop.h"
#include "io/sync.h"
#include "io/task.h"

namespace sluice::broker {

/// The group of brokers that agrees on the metadata, as its leader sees and changes it.
struct VotingGroup {
  struct State {
    std::vector<NodeId> voters;
    std::vector<NodeId> learners;
    /// How far each member has the log, and its end.
    std::map<NodeId, uint64_t> matched;
    uint64_t last = 0;
  };
  /// Empty functions: the broker is alone.
  std::function<State()> state;
  std::function<io::Task<Result<>>(NodeId)> add_learner;
  std::function<io::Task<Result<>>(NodeId)> promote;
  std::function<io::Task<Result<>>(NodeId)> remove;
  std::function<io::Task<Result<>>(NodeId)> transfer;
  /// Of a member that never registered: the one it was founded with; nothing when nobody knows.
  std::function<std::optional<Uuid>(NodeId)> directory_of = {};
  /// When most voters are known to have counted on this leader last, and when another leader was
  /// last heard of here; min() when never.
  std::function<TimePoint()> agreed_at = {};
  std::function<TimePoint()> other_led_at = {};
};

/// Who becomes a voter next: a broker that serves and has nearly all of the log, while there are
/// fewer than five voters. -1: nobody.
NodeId learner_to_promote(const VotingGroup::State& group, const MetadataImage& image);

/// Brokers that asked to join and did not come: anybody can ask. One that has nothing of the log
/// for ten minutes is to be forgotten.
class AwaitedJoins {
 public:
  /// -1: nobody.
  NodeId overdue(const VotingGroup::State& group, const MetadataImage& image, TimePoint now);
  void clear() { since_.clear(); }

 private:
  std::map<NodeId, TimePoint> since_;
};

/// Runs the controller while this broker leads the metadata log: asks it every 100 ms and after
/// each change, commits what it decides, one command at a time. On the control loop. Every call
/// fails with not_controller where the broker does not lead; every decision is guarded by the
/// epochs it was made on, so that those of a leader that was deposed meanwhile change nothing.
class ControllerDriver {
 public:
  struct Ports {
    /// Its log is opened after the driver is made and closed before the driver dies.
    MetadataStore& store;
    io::Loop& control;
    Logger log;
    /// Outlives the driver.
    const TopicOptions& defaults;
    VotingGroup group;
    /// Null: nothing is counted.
    ControllerMetrics* metrics = nullptr;
  };

  ControllerDriver(Ports ports, ControllerOptions options);
  ControllerDriver(const ControllerDriver&) = delete;
  ControllerDriver& operator=(const ControllerDriver&) = delete;

  /// This broker leads the metadata log from now on, or no longer.
  void on_role(bool leads, uint64_t term);
  /// Before the log is closed; a decision under way is waited for.
  io::Task<void> stop();

  io::Task<Result<HeartbeatReply>> heartbeat(Heartbeat beat);
  bool leads() const { return core_ != nullptr; }
  /// What it knows of each broker; empty where it does not lead.
  std::vector<Sessions::Sight> sessions() const;
  /// For each change the new partition epoch or why not; done when it is committed.
  io::Task<std::vector<Result<uint32_t>>> alter_in_sync(NodeId node, uint64_t broker_epoch,
                                                        std::vector<InSyncChange> changes);
  /// Done when it is committed, or known already.
  io::Task<Result<>> report_damage(NodeId node, uint64_t broker_epoch,
                                   std::vector<DamageReport> reports);
  /// Done when the move has begun, or is cancelled.
  io::Task<Result<>> move(MovePartition request);
  /// not_found. Its replicas begin to move within moments.
  io::Task<Result<>> drain(NodeId node, bool undo);
  /// The broker is registered where it said that it is, so that whoever leads next reaches it, and
  /// becomes a learner; nothing changes for a member. wrong_cluster when the node id is another
  /// directory's, or who is `returning` is no member any more; too_many while others have not come.
  io::Task<Result<>> join(ClusterMember member, bool returning);
  /// Takes the broker out of the group and forgets it. not_found; invalid_request while it has
  /// replicas or is the last voter; not_controller when it leads itself: another takes over, which
  /// is to be asked again.
  io::Task<Result<>> leave(NodeId node);

 private:
  class Tick final : public io::Timer {
   public:
    explicit Tick(ControllerDriver& driver) : driver_(driver) {}
    void fire() override { driver_.fire(); }

   private:
    ControllerDriver& driver_;
  };

  void fire();
  void hurry();
  ControllerOptions options_now(TimePoint now) const;
  io::Task<void> run();
  io::Task<void> look_at_learners();
  io::Task<void> promote_one();
  io::Task<void> forget_one();
  io::Task<Result<>> commit(MetadataRecords records);
  io::Task<Result<>> register_joining(ClusterMember member);
  Result<> check_directory(const ClusterMember& member) const;
  bool is_member(NodeId node) const;
  Result<> check_leads() const;
  Result<> check_may_leave(const MetadataImage& image, NodeId node) const;
  io::Task<Result<>> leave_group(NodeId node);
  void tell(const MetadataRecords& records) const;

  Ports ports_;
  const ControllerOptions options_;
  Tick tick_{*this};
  /// Null while this broker does not lead.
  std::unique_ptr<Controller> core_;
  uint64_t term_ = 0;
  bool ticking_ = false;
  bool promoting_ = false;
  bool closed_ = false;
  TimePoint next_promotion_;
  AwaitedJoins awaited_;
  /// One decision at a time: made on the image that it changes.
  io::AsyncMutex turn_;
  io::Scope runs_;
};

}  // namespace sluice::broker
