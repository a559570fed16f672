#pragma once

#include <atomic>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/log.h"
#include "base/random.h"
#include "broker/metadata/log.h"
#include "broker/metadata/raft_core.h"
#include "broker/metadata/raft_storage.h"
#include "broker/metadata/wal.h"
#include "io/runtime.h"
#include "io/sync.h"

namespace sluice::broker {

/// How a node's messages get to the others.
struct RaftTransport {
  virtual ~RaftTransport() = default;
  /// Never waits, may drop. On the control loop.
  virtual void send(NodeId to, std::vector<std::byte> message) = 0;
};

/// A group that begins: the same on each of its voters.
struct RaftBootstrap {
  std::vector<NodeId> voters;
};

struct RaftOptions {
  NodeId self{1};
  /// For an empty directory only. Without it the node joins: its log stays empty until a leader
  /// that was told to add it sends it things.
  std::optional<RaftBootstrap> bootstrap;
  Duration tick = 50ms;
  /// How long a proposal is tried.
  Duration propose_timeout = 10s;
  WalOptions wal;
  /// A snapshot is taken after so many bytes of log.
  uint64_t snapshot_every_bytes = 4_MiB;
};

/// The metadata log, agreed by Raft: committed when it is durable on a majority of the voters. A
/// group of one is the same code, elects itself when it is opened and needs no transport.
/// Everything but propose() and leader() on the control loop.
class RaftLog final : public MetadataLog {
 public:
  using Bootstrap = RaftBootstrap;
  struct Ports {
    io::Disk& disk;
    io::Loop& control;
    Random& random;
    Logger log;
    MetadataSubscriber subscriber;
    /// The log's device failed, or the engine broke: nothing more can be agreed, the process must
    /// end without writing another byte. Once.
    std::function<void(const Error&)> on_failed;
    /// Where snapshots are encoded. Null: on the control loop.
    io::Executor* executor = nullptr;
    /// Null: alone.
    RaftTransport* transport = nullptr;
    /// A follower's way to propose: the entry's index, or the error, of propose_here() there.
    std::function<io::Task<Result<uint64_t>>(NodeId leader, std::vector<std::byte> command)>
        forward = {};
    /// A leader is one after it applied the first entry of its term. Not before open() is done.
    std::function<void(bool leads, uint64_t term)> on_role = {};
  };
  struct Status {
    NodeId self;
    std::optional<NodeId> leader;
    uint64_t term = 0;
    uint64_t applied = 0;
    uint64_t committed = 0;
    uint64_t last = 0;
    std::vector<NodeId> voters;
    std::vector<NodeId> learners;
    /// What each has, as its leader knows.
    std::map<NodeId, uint64_t> matched;
    bool leads = false;
    /// Of a leader: the latest moment at which most voters are known to have counted on it. None of
    /// them helps to elect another within the shortest election time-out after that, unless the
    /// leader hands over.
    TimePoint agreed_at = TimePoint::min();
    /// When another leader was last heard of here.
    TimePoint other_led_at = TimePoint::min();
  };

  /// Gives the subscriber what is known to be committed: all of it in a group of one. Errors: those
  /// of Wal::open and of MetadataSubscriber::restore; wrong_cluster when the log is of another
  /// node; unsupported when a newer version wrote an entry; disk_full.
  static io::Task<Result<std::unique_ptr<RaftLog>>> open(Ports ports, std::string directory,
                                                         RaftOptions options);

  /// Forwards to the leader where another node leads, and tries again while that changes.
  io::Task<Result<>> propose(std::vector<std::byte> command,
                             std::optional<uint64_t> term = std::nullopt) override;
  std::optional<NodeId> leader() const override;
  io::Task<void> close() override;

  /// For a follower that forwards: one attempt, the index once it is applied here. Errors:
  /// not_controller; what apply said; outcome_unknown.
  io::Task<Result<uint64_t>> propose_here(std::vector<std::byte> command);
  void receive(NodeId from, ByteView message);
  /// What was sent to it last did not arrive.
  void unreachable(NodeId peer);
  /// What became of the last snapshot sent to it, where somebody knows; else time tells.
  void snapshot_sent(NodeId peer, bool arrived);

  /// Of the leader only, one after the other; each does nothing when it is so already. Errors:
  /// not_controller, timed_out, outcome_unknown, and of promote() recovering (it has not caught up)
  /// and not_found (no learner), of remove() invalid_request (itself: transfer() first).
  io::Task<Result<>> add_learner(NodeId id);
  io::Task<Result<>> promote(NodeId id);
  io::Task<Result<>> remove(NodeId id);
  /// Done when another node leads. Errors: not_controller, invalid_argument (no voter), timed_out.
  io::Task<Result<>> transfer(NodeId to);

  Status status() const;
  /// Nothing can be made durable here: no space, or a device that does not answer. From any thread.
  bool stuck() const { return stuck_.load(std::memory_order_relaxed); }

 private:
  /// A command on its way; it is known again by its bytes wherever it is applied.
  struct Proposal {
    std::vector<std::byte> command;
    TimePoint deadline;
    /// It is for an entry of this term, or for none.
    std::optional<uint64_t> only_in;
    /// How often it may have got into the log.
    int attempts = 0;
    std::optional<Result<uint64_t>> outcome;
    io::Signal changed;
    io::OneShot<Result<uint64_t>> done;
  };
  using ProposalPtr = std::shared_ptr<Proposal>;
  struct Forwarded {
    std::optional<Result<uint64_t>> answer;
  };

  RaftLog(Ports ports, RaftOptions options, RaftCore core);
  static io::Task<Result<std::unique_ptr<RaftLog>>> make(Ports ports, RaftOptions options,
                                                         Wal::Opened opened);
  static io::Task<Result<RaftState>> import_older(Ports& ports, NodeId self, Wal& wal,
                                                  const Wal::Content& content);
  void use(std::unique_ptr<Wal> wal, WalBatch first);
  io::Task<Result<>> begin();

  // The core and what it wants done.
  void pump();
  void work_on(RaftReady ready);
  void apply(const std::vector<WalEntry>& entries);
  void apply(const WalEntry& entry);
  void written(RaftStorage::Written written);
  void installed(const WalSnapshot& snapshot);
  void send(std::vector<RaftMessage> messages);
  void refresh();
  void announce_role();
  io::Task<void> announce_later();
  uint64_t snapshot_every_bytes() const;
  void take_snapshot_when_due();
  io::Task<void> take_snapshot(bool save, bool offer);
  /// False, and the log has failed, on an error.
  bool check(const Result<>& result);
  void fail_with(Error error);
  io::Task<void> tick_all();
  void watch_storage(TimePoint now);
  void ask_for_agreement(TimePoint now);
  std::vector<NodeId> other_voters() const;
  void tell_of_nonsense(NodeId from, const Error& why);

  // Proposals.
  Result<> refusal(const std::vector<std::byte>& command) const;
  ProposalPtr start(std::vector<std::byte> command);
  void settle(const WalEntry& entry, const Result<>& result);
  void wake_proposals();
  TimePoint deadline_of(const Proposal& proposal) const;
  io::Task<void> wait(Proposal& proposal, uint64_t ticket, std::optional<Duration> at_most = {});
  io::Task<void> drive(ProposalPtr proposal);
  io::Task<void> drive_here(ProposalPtr proposal);
  io::Task<void> attempt_here(Proposal& proposal);
  io::Task<void> attempt_there(ProposalPtr proposal, NodeId leader);
  io::Task<void> forward(ProposalPtr proposal, NodeId leader, std::shared_ptr<Forwarded> result);
  void finish(const ProposalPtr& proposal);

  // Membership.
  /// Whether there is nothing to do; an error when it cannot be done.
  Result<bool> is_so(VotingRole role, NodeId id) const;
  io::Task<Result<>> change_until(VotingRole role, NodeId id, TimePoint deadline);
  io::Task<Result<>> applied_in_term(RaftCore::Place place, TimePoint deadline);

  Ports ports_;
  const RaftOptions options_;
  RaftCore core_;
  std::unique_ptr<RaftStorage> storage_;
  RaftCore::Status status_;
  uint64_t applied_ = 0;
  uint64_t applied_term_ = 0;
  /// For leader(), from any thread; -1 for nobody.
  std::atomic<int32_t> leader_{-1};
  std::optional<uint64_t> announced_term_;
  TimePoint agreed_at_ = TimePoint::min();
  TimePoint next_question_{};
  TimePoint other_led_at_ = TimePoint::min();
  TimePoint next_warning_{};
  /// What RaftStorage::stuck said last, and what a leader did about it.
  std::atomic<bool> stuck_ = false;
  size_t hand_overs_ = 0;
  TimePoint next_hand_over_{};
  std::list<ProposalPtr> proposals_;
  std::optional<Error> failed_;
  std::optional<TimePoint> closed_at_;
  bool opening_ = true;
  bool pumping_ = false;
  bool encoding_ = false;
  /// After anything that the core said.
  io::Signal changed_;
  io::Scope running_;
};

}  // namespace sluice::broker
