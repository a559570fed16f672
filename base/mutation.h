#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

namespace sluice {

/// A rule that the broker can be made to break, to prove that the simulation notices. Only what is
/// compiled with SLUICE_MUTATIONS can, which is a test's (tests/simulated/CMakeLists.txt);
/// elsewhere mutated() is false before the compiler looks.
enum class Mutation : uint8_t {
  none,
  skip_truncation,           ///< a follower's log need not go on from the leader's
  truncate_to_watermark,     ///< a follower cuts to its high watermark as soon as it follows
  ignore_epoch,              ///< leaders of other epochs are heard, logs compared by length alone
  reuse_epoch,               ///< a new leader goes on in the epoch of the one before
  unbounded_watermark,       ///< a follower's high watermark may be beyond its log
  elect_anyone,              ///< also replicas out of sync may lead
  ack_before_replication,    ///< who asks for all is answered by the leader alone
  commit_below_min_in_sync,  ///< the high watermark moves though too few are in sync
  commit_without_pending,    ///< a member that is about to join is not waited for
  commit_by_leader,          ///< the high watermark waits for no follower
  read_uncommitted,          ///< readers get what is above the high watermark
  serve_before_epoch_start,  ///< a new leader answers before it knows what is committed
  stay_in_sync_unclean,      ///< a start after the loss of power is told as a clean one
  join_behind,               ///< a follower may join the in-sync set before it caught up
  forget_producers,          ///< a follower keeps no sequence numbers
  claim_synced,              ///< what is written counts as synced where a topic flushes
  forget_votes,              ///< the consensus does not write down its votes and terms
  forget_metadata,           ///< the metadata log is written and not synced
  tell_old_end,              ///< a leader without its session tells where its log ends
};

inline constexpr std::array<std::string_view, 20> kMutationNames = {
    "none",
    "skip_truncation",
    "truncate_to_watermark",
    "ignore_epoch",
    "reuse_epoch",
    "unbounded_watermark",
    "elect_anyone",
    "ack_before_replication",
    "commit_below_min_in_sync",
    "commit_without_pending",
    "commit_by_leader",
    "read_uncommitted",
    "serve_before_epoch_start",
    "stay_in_sync_unclean",
    "join_behind",
    "forget_producers",
    "claim_synced",
    "forget_votes",
    "forget_metadata",
    "tell_old_end",
};

#ifdef SLUICE_MUTATIONS
inline Mutation active_mutation = Mutation::none;
inline bool mutated(Mutation rule) { return active_mutation == rule; }
#else
consteval bool mutated(Mutation) { return false; }
#endif

}  // namespace sluice
