#include <algorithm>
#include <utility>

#include "base/mutation.h"
#include "broker/replication/partition.h"

// Who leads: how a partition takes over, hands over, and says so.
namespace sluice::broker {

uint64_t Partition::pack(Leadership leadership) {
  return uint64_t{static_cast<uint32_t>(leadership.leader.value())} << 32 |
         static_cast<uint32_t>(leadership.epoch.value());
}

Leadership Partition::unpack(uint64_t packed) {
  return {NodeId{static_cast<int32_t>(packed >> 32)}, LeaderEpoch{static_cast<int32_t>(packed)}};
}

bool Partition::still_leads(LeaderEpoch since) const {
  const int32_t first =
      mutated(Mutation::ignore_epoch) ? -1 : leads_since_.load(std::memory_order_acquire);
  return leads() && first <= since.value();
}

Result<> Partition::check_leader(std::optional<LeaderEpoch> expected) const {
  if (stopped()) return fail(stopped_because());
  const Leadership now = leadership();
  if (now.leader != ports_.self) return fail(Errc::not_leader);
  if (!expected || *expected == now.epoch || mutated(Mutation::ignore_epoch)) return {};
  return fail(*expected < now.epoch ? Errc::fenced_leader_epoch : Errc::unknown_leader_epoch);
}

Result<> Partition::check_readable(std::optional<LeaderEpoch> expected) const {
  RETURN_IF_ERROR(check_leader(expected));
  if (mutated(Mutation::serve_before_epoch_start)) return {};
  if (!knows_committed_.load(std::memory_order_acquire)) return fail(Errc::offset_not_available);
  return {};
}

io::Task<Result<>> Partition::lead(PartitionImage image, TimePoint now) {
  const auto turn = co_await changing_.lock();
  const auto started = co_await log_->start_epoch(image.leader_epoch);
  // A damaged log takes no epoch as it takes no batch; what lies before the damage is served.
  const bool damaged = !started && started.error() == Errc::partition_corrupt;
  if (!damaged) CO_RETURN_IF_ERROR(started);
  const bool alone = image.replicas.size() <= 1;
  if (flushes_every() && (!damaged || alone) && !leads()) {
    // What the process before this one may have committed, and what it only appended: without this
    // the high watermark would go back to the last checkpoint, and stay there until an append. What
    // is left of the only replica is all there is.
    CO_RETURN_IF_ERROR(co_await log_->sync_to(log_->ends().end));
  }
  co_return take_over(image, now);
}

/// Where the epoch's records begin in the log.
Offset Partition::epoch_start(LeaderEpoch epoch) const {
  const Offset start = log_->end_of_epoch(LeaderEpoch{epoch.value() - 1}).second;
  return start.value() < 0 ? log_->ends().start : start;
}

Result<> Partition::take_over(const PartitionImage& image, TimePoint now) {
  const storage::LogEnds ends = log_->ends();
  const Offset start = epoch_start(image.leader_epoch);
  Wakes wakes;
  std::optional<Offset> moved;
  {
    auto state = state_.lock();
    if (state->stopped) return fail(Error(*state->stopped));
    const bool led = std::exchange(state->leads, true);
    const bool new_epoch = !led || leadership().epoch != image.leader_epoch;
    if (!led) {
      state->own = {};
      state->uncommitted_bytes = 0;
      leads_since_.store(image.leader_epoch.value(), std::memory_order_release);
    }
    state->own.log_end = std::max(state->own.log_end, ends.end);
    state->own.synced_end = std::max(state->own.synced_end, ends.synced_end);
    state->following_problem.clear();
    const bool alone = image.replicas.size() <= 1;
    if (alone) {
      state->replicas.reset();
    } else if (state->replicas == nullptr || new_epoch) {
      const ReplicaSet::Leadership taken{.self = ports_.self, .epoch_start = start, .now = now};
      state->replicas = std::make_unique<ReplicaSet>(taken, image, state->rules);
    } else {
      state->replicas->apply(image, now);
    }
    replicated_.store(!alone, std::memory_order_relaxed);
    too_few_in_sync_.store(!alone && state->replicas->has_too_few(), std::memory_order_relaxed);
    if (alone || new_epoch) {
      // What is left of a damaged log may end below what was committed.
      const bool knows = high_watermark() >= start && !log_->is_damaged();
      knows_committed_.store(alone || knows, std::memory_order_release);
    }
    leadership_.store(pack({ports_.self, image.leader_epoch}), std::memory_order_release);
    moved = raise(*state, wakes);
    // Who fetches with the epoch before is told at once.
    if (new_epoch) wake_all(*state, wakes);
  }
  raised(moved, wakes);
  return {};
}

io::Task<void> Partition::follow(Leadership leadership) {
  const auto turn = co_await changing_.lock();
  if (mutated(Mutation::truncate_to_watermark)) {
    static_cast<void>(co_await log_->truncate_to(high_watermark()));
  }
  Wakes wakes;
  {
    auto state = state_.lock();
    // First: nothing is taken for committed from here on that this broker appended.
    leadership_.store(pack(leadership), std::memory_order_release);
    agrees_.store(false, std::memory_order_release);
    state->leads = false;
    state->uncommitted_bytes = 0;
    state->unflushed = false;
    state->replicas.reset();
    replicated_.store(false, std::memory_order_relaxed);
    too_few_in_sync_.store(false, std::memory_order_relaxed);
    // A follower tells what it knows, and nobody takes it for all that is committed.
    knows_committed_.store(true, std::memory_order_release);
    state->waiters.fail(Error(Errc::not_leader), wakes);
    state->start_waiters.fail(Error(Errc::not_leader), wakes);
    wake_all(*state, wakes);
  }
  wakes.resume_all();
}

}  // namespace sluice::broker
