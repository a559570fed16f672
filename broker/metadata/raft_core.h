#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "base/strong.h"
#include "broker/metadata/wal.h"

struct SluiceRaft;

namespace sluice::broker {

struct RaftSettings {
  NodeId self;
  /// Of the election time-outs; the same seed and calls give the same run.
  uint64_t seed = 1;
  uint32_t election_ticks = 10;
  uint32_t heartbeat_ticks = 2;
  /// Of a snapshot of which nobody said whether it arrived.
  uint32_t snapshot_ticks = 200;
  size_t message_bytes = 1_MiB;
  uint32_t messages_in_flight = 256;
  size_t uncommitted_bytes = 16_MiB;
};

/// What the durable log holds at the start.
struct RaftState {
  HardState hard_state;
  LogStart start;
  std::vector<WalEntry> entries;
};

struct RaftMessage {
  NodeId to;
  std::vector<std::byte> bytes;
  /// Its receiver is sent nothing else until snapshot_sent() or the answer says what became of it.
  bool snapshot = false;
};

/// What is to be done, in the order of the members.
struct RaftReady {
  uint64_t number = 0;
  std::vector<RaftMessage> messages;
  /// Durable as one ordered log, all that comes here after all that came before: a snapshot to be
  /// installed, then the rest. Applied once durable.
  std::optional<WalSnapshot> snapshot;
  std::optional<HardState> hard_state;
  std::vector<WalEntry> entries;
  /// Not when only the commit index moved: that may wait for the next.
  bool must_sync = false;
  /// They promise what is above: they leave after it is durable.
  std::vector<RaftMessage> messages_after;
  std::vector<WalEntry> committed;
  /// The latest number of confirm() that most voters have answered; 0: none anew.
  uint64_t confirmed = 0;
};

struct KeptEntries {
  uint64_t count = 0;
  uint64_t bytes = 0;
};

enum class VotingRole : uint8_t { voter, learner, none };

/// Raft (Ongaro and Ousterhout 2014) as a pure state machine: events and ticks in, effects out. The
/// engine is raft-rs; what it leaves to its user (FORMAT.md and the crate say what) is done here,
/// so that another engine would be another .cc. After any event: take ready() until there is none.
/// An error `internal` is final: the engine broke, and nothing it says can be trusted.
class RaftCore {
 public:
  struct Place {
    uint64_t index = 0;
    uint64_t term = 0;
  };
  struct Status {
    uint64_t term = 0;
    std::optional<NodeId> leader;
    bool leads = false;
    uint64_t committed = 0;
    uint64_t applied = 0;
    uint64_t last = 0;
    bool wants_snapshot = false;
    GroupConfiguration configuration;
    /// What each peer has of the log, as its leader knows.
    std::map<NodeId, uint64_t> matched;
  };

  static Result<RaftCore> make(const RaftSettings& settings, const RaftState& state);
  RaftCore(RaftCore&&) noexcept;
  RaftCore& operator=(RaftCore&&) noexcept;
  ~RaftCore();

  Result<> tick();
  /// Asks to be elected now; the only voter is, at once.
  Result<> campaign();
  /// While nothing can be made durable it does not ask to be elected.
  Result<> hold(bool held);
  /// A message that is damaged counts as lost; so does one that no peer of ours can have sent,
  /// which is invalid_request.
  Result<> step(NodeId from, ByteView message);
  /// Of a RaftMessage's bytes.
  static bool carries_snapshot(ByteView message);
  /// Errors: not_controller; would_block (too much is uncommitted, or leadership is being handed
  /// over: later); invalid_argument (empty).
  Result<Place> propose(ByteView command);
  /// Errors: not_controller; would_block (another change is under way); invalid_argument (the
  /// leader cannot be removed, a voter not become a learner).
  Result<Place> propose_change(VotingRole role, NodeId id);
  /// Errors: not_controller; invalid_argument (not another voter).
  Result<> transfer(NodeId to);
  /// Asks the voters whether they count on this leader, beside the heartbeats; a later ready() has
  /// the number when most of them did after this call (section 6.4 of Ongaro's thesis). A leader
  /// that has nothing committed in its term lets it go. Error: not_controller.
  Result<> confirm(uint64_t number);
  /// What was sent to it last may be lost, a snapshot too.
  Result<> unreachable(NodeId peer);
  /// Of the last snapshot sent to it.
  Result<> snapshot_sent(NodeId peer, bool arrived);

  Result<std::optional<RaftReady>> ready();
  Result<> persisted(uint64_t number);
  /// For each committed entry that is a configuration, in its turn.
  Result<> apply_change(const WalEntry& entry);
  Result<> applied(uint64_t index);
  /// The state after that entry, since which the configuration did not change, when status() wants
  /// it. invalid_argument when the entry is no longer there: the next one may do.
  Result<> offer_snapshot(uint64_t index, ByteView data);
  /// A snapshot stands for everything up to that entry; for followers that lag a little some of it
  /// stays.
  Result<> compact(uint64_t covered, KeptEntries kept);
  Result<Status> status();

 private:
  struct Free {
    void operator()(SluiceRaft* raft) const;
  };
  using Handle = std::unique_ptr<SluiceRaft, Free>;

  RaftCore(Handle handle, uint32_t snapshot_ticks);
  Result<> outcome(int32_t code) const;
  std::vector<RaftMessage> taken(class FlatReader& from);

  Handle handle_;
  uint32_t snapshot_ticks_;
  /// Ticks left until a snapshot on its way counts as lost.
  std::map<NodeId, uint32_t> snapshots_;
};

}  // namespace sluice::broker
