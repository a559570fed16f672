#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/log.h"
#include "base/memory_budget.h"
#include "base/metrics.h"
#include "base/result.h"
#include "broker/cluster_metrics.h"
#include "broker/metadata/controller_driver.h"
#include "broker/metadata/forming_driver.h"
#include "broker/metadata/membership.h"
#include "broker/metadata/own_session.h"
#include "broker/metadata/peers.h"
#include "broker/metadata/raft_log.h"
#include "broker/metadata/raft_transport.h"
#include "broker/metadata/reunion.h"
#include "broker/metadata/store.h"
#include "broker/options.h"
#include "broker/replication/damage_keeper.h"
#include "broker/replication/in_sync_keeper.h"
#include "broker/replication/session_lease.h"
#include "broker/service/cluster_ports.h"
#include "io/lanes.h"
#include "io/runtime.h"
#include "io/sync.h"

namespace sluice::broker {

/// What a control plane takes from its node; all outlive it.
struct ControlPlanePorts {
  io::Runtime& runtime;
  Logger log;
  MetadataStore& store;
  MemoryBudget& memory;
  MetricsRegistry& metrics;
  /// The metadata's device failed, or the consensus broke: the process must end.
  std::function<void(const Error&)> on_fatal;
  /// Reads in a partition that this broker is to lead soon, as far as it can. On the control loop.
  std::function<io::Task<void>(PartitionName)> warm_up;
  /// The session with the controller is over: what waits to be acknowledged is to end.
  std::function<void()> on_session_lost;
  /// What is not well with this broker, for the controller to tell.
  std::function<std::vector<std::string>()> problems;
};

/// A broker's part in its cluster: how it came to it, its vote on the metadata, its session with
/// the controller, and the controller itself while it leads. On the control loop, but for what is
/// said otherwise.
class ControlPlane final : public InSyncPort,
                           public DamagePort,
                           private ConsensusPort,
                           private ControllerPort,
                           private RaftTransport {
 public:
  ControlPlane(ControlPlanePorts ports, const BrokerOptions& options);
  ~ControlPlane() override;

  /// Takes the metadata directory. Errors name it.
  io::Task<Result<>> open();
  /// What the handlers of other brokers' messages stand on; after open().
  ClusterPorts& cluster() { return *cluster_; }
  Membership& membership() { return *membership_; }
  /// Finds or founds the cluster, and follows its metadata from here on; may take as long as the
  /// seeds do. Without seeds it founds one of this id. shutting_down after stop().
  io::Task<Result<>> join(std::string own_cluster_id);
  /// No metadata of this broker was there before, or none that knew a broker.
  bool fresh() const { return fresh_; }
  /// It came without seeds, and no other broker joined it.
  bool alone() const;

  /// What a broker's replicas are when it starts.
  struct AtStart {
    /// Any of them may have lost records.
    bool unclean = false;
    /// By topic id, those that are damaged or not there.
    std::map<Uuid, std::vector<int32_t>> lacking;
  };
  /// Presents the broker with a new incarnation, and keeps its session from then on; tried until
  /// the cluster takes it.
  io::Task<Result<>> register_broker(io::Endpoint address, AtStart at_start);
  /// Until the controller lets it serve.
  io::Task<Result<>> wait_unfenced();
  /// Until when it may acknowledge.
  const SessionLease& lease() const { return lease_; }
  /// Why it may not; empty while it may.
  std::string why_fenced() const;
  /// What join() waits for, or else what register_broker() does.
  std::vector<std::string> waits_for() const;
  ControlSight sight() const;
  /// From any loop.
  uint64_t broker_epoch() const;
  /// Of the metadata.
  std::string directory() const;
  /// Asks the controller, wherever it is.
  io::Task<std::vector<Result<uint32_t>>> alter(std::vector<InSyncChange> changes) override;
  io::Task<Result<>> report(std::vector<DamageReport> reports) override;

  /// What waits for the cluster ends with shutting_down; stop() is still to be called.
  void interrupt();
  /// Until what it leads is led by others as far as there are such.
  io::Task<void> hand_over(TimePoint deadline);
  /// Another voter leads the metadata soon, where this one does; for who works on this broker and
  /// does not want to wait for an election.
  void hand_over_metadata();
  /// Whatever waits for the cluster ends soon, also join(). The disk is released by the destructor.
  io::Task<void> stop();

 private:
  class LeaseEnd final : public io::Timer {
   public:
    explicit LeaseEnd(ControlPlane& plane) : plane_(plane) {}
    void fire() override { plane_.keep_lease(); }

   private:
    ControlPlane& plane_;
  };

  void receive(NodeId from, ByteView message) override;
  io::Task<Result<uint64_t>> propose_here(std::vector<std::byte> command) override;
  ConsensusState state() const override;
  io::Task<Result<HeartbeatReply>> heartbeat(Heartbeat beat) override;
  io::Task<std::vector<Result<uint32_t>>> alter_in_sync(NodeId node, uint64_t broker_epoch,
                                                        std::vector<InSyncChange> changes) override;
  io::Task<Result<>> report_damage(NodeId node, uint64_t broker_epoch,
                                   std::vector<DamageReport> reports) override;
  io::Task<Result<>> join(ClusterMember member, bool returning) override;
  io::Task<Result<>> leave(NodeId node) override;
  io::Task<Result<>> move(MovePartition move) override;
  io::Task<Result<>> drain(NodeId node, bool undo) override;
  void send(NodeId to, std::vector<std::byte> message) override;

  io::Task<void> hand_over_log();
  io::Task<Result<>> open_log(const Founding& founding);
  void start_reunion();
  void refused(const Error& why);
  VotingGroup voting_group();
  io::Task<Result<uint64_t>> forward(NodeId leader, std::vector<std::byte> command);
  cluster::MetadataRecord registration(const io::Endpoint& address, const AtStart& at_start) const;
  bool registered() const;
  io::Task<void> keep_session();
  void begin_warm_ups(const std::vector<PartitionName>& names);
  io::Task<void> warm_up(PartitionName name);
  /// False when the controller did not answer, or there is none.
  io::Task<bool> beat();
  io::Task<Result<HeartbeatReply>> send_beat(NodeId leader, Heartbeat beat);
  void follow_image(const MetadataImage& image);
  /// After anything that the session depends on.
  void keep_lease();
  io::Task<void> pause(Duration duration);

  const ControlPlanePorts ports_;
  const BrokerOptions& options_;
  std::unique_ptr<io::LaneDisk> disk_;
  std::unique_ptr<io::FileLock> lock_;
  std::unique_ptr<Membership> membership_;
  std::unique_ptr<ClusterPorts> cluster_;
  std::unique_ptr<Peers> peers_;
  std::unique_ptr<PeerRaftTransport> transport_;
  std::unique_ptr<FormingDriver> forming_;
  std::unique_ptr<ControllerMetrics> controller_metrics_;
  std::unique_ptr<ControllerDriver> controller_;
  std::unique_ptr<RaftLog> log_;
  std::unique_ptr<Introductions> introductions_;
  std::unique_ptr<Reunion> reunion_;
  Uuid incarnation_;
  io::Endpoint address_;
  bool fresh_ = false;
  bool said_refused_ = false;
  bool wants_to_stop_ = false;
  bool may_stop_ = false;
  OwnSession own_;
  SessionLease lease_;
  LeaseEnd lease_end_{*this};
  /// It served, so that a session can be lost.
  bool acknowledges_ = false;
  bool lost_session_ = false;
  bool beat_soon_ = false;
  bool stopping_ = false;
  /// Under way, and those of them that are done and not told.
  std::set<PartitionName> warming_up_;
  std::vector<PartitionName> warmed_up_;
  io::Signal changed_;
  io::Scope running_;
};

}  // namespace sluice::broker
