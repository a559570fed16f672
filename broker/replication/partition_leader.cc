#include <algorithm>
#include <string>
#include <utility>

#include "base/mutation.h"
#include "broker/replication/partition.h"

// What a leader does for its followers.
namespace sluice::broker {

Result<std::optional<Divergence>> Partition::check_follower(const FollowerFetch& fetch) const {
  RETURN_IF_ERROR(check_leader(fetch.leader_epoch));
  {
    const auto state = state_.lock();
    if (state->replicas == nullptr) {
      return fail(Errc::unknown_topic_or_partition, "the partition has one replica, as yet");
    }
    RETURN_IF_ERROR(state->replicas->admit(fetch.replica.node, fetch.replica.broker_epoch));
  }
  const storage::LogEnds ends = log_->ends();
  if (fetch.offset < ends.start) return fail(Errc::offset_out_of_range);
  if (!fetch.last_epoch) {
    if (fetch.offset > ends.end) return fail(Errc::offset_out_of_range);
    return std::nullopt;
  }
  const auto [epoch, end] = log_->end_of_epoch(*fetch.last_epoch);
  if (epoch.value() < 0) {
    return fail(Errc::unknown_leader_epoch,
                log_->partition().folder() + ": the follower's log ends in epoch " +
                    std::to_string(fetch.last_epoch->value()) + ", the leader's in " +
                    std::to_string(log_->latest_epoch().value()) +
                    ": nothing tells what they have in common");
  }
  const bool fits = mutated(Mutation::ignore_epoch) && fetch.offset <= ends.end;
  if (fits || mutated(Mutation::skip_truncation)) return std::nullopt;
  if (epoch >= *fetch.last_epoch && end >= fetch.offset) return std::nullopt;
  if (log_->is_damaged()) {
    // The follower may have what this log has lost.
    return fail(Errc::partition_corrupt, log_->partition().folder() +
                                             ": the leader's log is damaged, and nothing tells " +
                                             "whether the follower's parts from it");
  }
  return Divergence{epoch, end};
}

void Partition::follower_fetched(const FollowerFetch& fetch, TimePoint now) {
  Wakes wakes;
  std::optional<Offset> moved;
  bool could_join = false;
  {
    auto state = state_.lock();
    if (!state->leads || state->replicas == nullptr) return;
    const bool other = fetch.leader_epoch && *fetch.leader_epoch != leadership().epoch;
    if (other && !mutated(Mutation::ignore_epoch)) return;
    // What is before the offset was found to be the leader's own; nothing else is known of.
    const ReplicaEnds ends{.log_end = fetch.offset,
                           .synced_end = std::min(fetch.synced_end, fetch.offset),
                           .log_start = fetch.log_start};
    state->replicas->fetched(fetch.replica.node, fetch.replica.broker_epoch, ends,
                             state->own.log_end, now);
    moved = raise(*state, wakes);
    could_join = state->replicas->could_join(fetch.replica.node, high_watermark());
  }
  raised(moved, wakes);
  if (could_join && ports_.could_join) ports_.could_join(key_);
}

void Partition::follower_cannot_append(const FollowerFetch& fetch) {
  {
    auto state = state_.lock();
    if (!state->leads || state->replicas == nullptr) return;
    if (fetch.leader_epoch != leadership().epoch) return;
    state->replicas->cannot_append(fetch.replica.node, fetch.replica.broker_epoch);
  }
  if (ports_.could_join) ports_.could_join(key_);
}

std::vector<ReplicaSet::Progress> Partition::followers(TimePoint now) const {
  const auto state = state_.lock();
  if (!state->leads || state->replicas == nullptr) return {};
  return state->replicas->progress(state->own.log_end, now);
}

void Partition::suspect(Offset from) const {
  if (ports_.suspect && !log_->is_damaged()) ports_.suspect(log_->partition(), from);
}

void Partition::log_start_moved() {
  Wakes wakes;
  {
    auto state = state_.lock();
    for (Watcher* follower : state->followers) follower->moved(1, wakes);
  }
  wakes.resume_all();
}

bool Partition::has_started(const State& state, Offset start) {
  return state.replicas == nullptr || state.replicas->all_start_at(start);
}

void Partition::wake_started(State& state, Wakes& wakes) {
  while (const auto next = state.start_waiters.next()) {
    if (!has_started(state, *next)) return;
    state.start_waiters.reached(*next, wakes);
  }
}

io::Task<Result<storage::ReadResult>> Partition::read_all(Offset from, size_t max_bytes,
                                                          bool at_least_one) {
  return log_->read({.from = from,
                     .bound = log_->ends().end,
                     .max_bytes = max_bytes,
                     .at_least_one = at_least_one});
}

std::optional<InSyncChange> Partition::propose_in_sync(TimePoint now,
                                                       const ReplicaSet::MayJoin& may_join) {
  auto state = state_.lock();
  if (state->stopped || !state->leads || state->replicas == nullptr) return std::nullopt;
  auto wanted = state->replicas->propose(state->own.log_end, high_watermark(), now, may_join);
  if (!wanted) return std::nullopt;
  return InSyncChange{.topic_id = key_.topic_id,
                      .partition = key_.partition,
                      .leader_epoch = leadership().epoch,
                      .partition_epoch = state->replicas->partition_epoch(),
                      .in_sync = std::move(*wanted),
                      .broker_epochs = state->replicas->pending_epochs()};
}

void Partition::in_sync_answered(const InSyncChange& change,
                                 const Result<uint32_t>& partition_epoch) {
  Wakes wakes;
  std::optional<Offset> moved;
  {
    auto state = state_.lock();
    if (!state->leads || state->replicas == nullptr) return;
    const bool of_other = leadership().epoch != change.leader_epoch;
    if (of_other && !mutated(Mutation::ignore_epoch)) return;
    state->replicas->answered(change.partition_epoch, partition_epoch);
    too_few_in_sync_.store(state->replicas->has_too_few(), std::memory_order_relaxed);
    moved = raise(*state, wakes);
  }
  raised(moved, wakes);
}

}  // namespace sluice::broker
