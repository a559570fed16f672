#include "broker/replication/partition.h"

#include <algorithm>
#include <utility>

#include "io/loop.h"

namespace sluice::broker {
namespace {

/// Moves every watcher, whatever it waits for.
constexpr uint64_t kStoppedBytes = uint64_t{1} << 40;

Offset first_high_watermark(const storage::Log& log) {
  const storage::LogEnds ends = log.ends();
  return log.options().flush == storage::FlushPolicy::every ? ends.synced_end : ends.end;
}

}  // namespace

/// Suspends until the high watermark gets there, the partition stops or the time is up.
struct Partition::CommitAwait final : io::Timer {
  CommitAwait(Partition& of, Offset end, TimePoint until) : partition(of), deadline(until) {
    waiter.until = end;
  }

  void fire() override { partition.expire(waiter); }

  bool await_ready() const { return false; }
  bool await_suspend(std::coroutine_handle<> self) {
    waiter.loop = io::Loop::current();
    waiter.handle = self;
    if (!partition.link(waiter)) return false;
    waiter.loop->arm(*this, deadline);
    return true;
  }
  Result<> await_resume() {
    if (armed()) waiter.loop->disarm(*this);
    if (waiter.error) return fail(std::move(*waiter.error));
    return {};
  }

  Partition& partition;
  const TimePoint deadline;
  CommitWaiter waiter;
};

Partition::Partition(PartitionKey key, std::shared_ptr<storage::Log> log, NodeId self)
    : key_(key),
      log_(std::move(log)),
      self_(self),
      high_watermark_(first_high_watermark(*log_).value()),
      flushes_every_(log_->options().flush == storage::FlushPolicy::every) {
  log_->set_high_watermark(high_watermark());
}

Partition::~Partition() = default;

io::Task<Result<>> Partition::lead(LeaderEpoch epoch) {
  const auto started = co_await log_->start_epoch(epoch);
  // A damaged log takes no epoch as it takes no batch; what lies before the damage is served.
  const bool damaged = !started && started.error() == Errc::partition_corrupt;
  if (!damaged) CO_RETURN_IF_ERROR(started);
  if (flushes_every() && !damaged) {
    // What the process before this one may have committed, and what it only appended: without this
    // the high watermark would go back to the last checkpoint, and stay there until an append.
    const Offset end = log_->ends().end;
    CO_RETURN_IF_ERROR(co_await log_->sync_to(end));
    advance(end, 0);
  }
  epoch_.store(epoch.value(), std::memory_order_release);
  co_return Result<>{};
}

Leadership Partition::leadership() const {
  const LeaderEpoch epoch{epoch_.load(std::memory_order_acquire)};
  return {epoch.value() < 0 ? NodeId{-1} : self_, epoch};
}

Error Partition::stopped_because() const {
  return state_.lock()->stopped.value_or(Error(Errc::internal));
}

Result<> Partition::check_leader(std::optional<LeaderEpoch> expected) const {
  if (stopped()) return fail(stopped_because());
  const LeaderEpoch epoch{epoch_.load(std::memory_order_acquire)};
  if (epoch.value() < 0) return fail(Errc::not_leader);
  if (!expected || *expected == epoch) return {};
  return fail(*expected < epoch ? Errc::fenced_leader_epoch : Errc::unknown_leader_epoch);
}

io::Task<Result<storage::Appended>> Partition::append(MutableBytes batch,
                                                      std::optional<LeaderEpoch> expected,
                                                      Timestamp now) {
  using Outcome = io::Task<Result<storage::Appended>>;
  if (auto leads = check_leader(expected); !leads) {
    return Outcome::ready(fail(std::move(leads).error()));
  }
  auto append = log_->append({.batch = batch,
                              .leader_epoch = LeaderEpoch{epoch_.load(std::memory_order_acquire)},
                              .now = now});
  if (!append.is_ready()) return finish_append(std::move(append), batch.size());
  auto outcome = append.await_resume();
  if (outcome) appended(*outcome, batch.size());
  return Outcome::ready(std::move(outcome));
}

io::Task<Result<storage::Appended>> Partition::finish_append(
    io::Task<Result<storage::Appended>> append, size_t bytes) {
  auto outcome = co_await std::move(append);
  if (outcome) appended(*outcome, bytes);
  co_return outcome;
}

void Partition::appended(const storage::Appended& appended, size_t bytes) {
  if (appended.duplicate) return;
  if (!flushes_every()) return advance(appended.last_offset + 1, bytes);
  {
    auto state = state_.lock();
    state->unflushed_bytes += bytes;
    if (state->flushing || state->stopped) return;
    state->flushing = true;
  }
  flushes_.start(flush());
}

io::Task<void> Partition::flush() {
  for (;;) {
    uint64_t bytes = 0;
    {
      auto state = state_.lock();
      bytes = std::exchange(state->unflushed_bytes, 0);
      if (bytes == 0 || state->stopped) {
        state->flushing = false;
        co_return;
      }
    }
    const Offset end = log_->ends().end;
    if (auto synced = co_await log_->sync_to(end); !synced) {
      stop(std::move(synced).error());
      co_return;
    }
    advance(end, bytes);
  }
}

void Partition::advance(Offset to, uint64_t bytes) {
  Wakes wakes;
  {
    auto state = state_.lock();
    if (to.value() <= high_watermark_.load(std::memory_order_relaxed)) return;
    high_watermark_.store(to.value(), std::memory_order_release);
    state->waiters.reached(to, wakes);
    for (Watcher* watcher : state->watchers) watcher->moved(bytes, wakes);
  }
  log_->set_high_watermark(to);
  wakes.resume_all();
}

io::Task<Result<>> Partition::committed(Offset end, TimePoint deadline) {
  if (high_watermark() >= end) return io::Task<Result<>>::ready();
  return wait_committed(end, deadline);
}

io::Task<Result<>> Partition::wait_committed(Offset end, TimePoint deadline) {
  CommitAwait reached(*this, end, deadline);
  co_return co_await reached;
}

bool Partition::link(CommitWaiter& waiter) {
  auto state = state_.lock();
  if (high_watermark() >= waiter.until) return false;
  if (state->stopped) {
    waiter.error = *state->stopped;
    return false;
  }
  state->waiters.link(waiter);
  return true;
}

void Partition::expire(CommitWaiter& waiter) {
  {
    auto state = state_.lock();
    // Not linked: claimed meanwhile, about to be resumed.
    if (!waiter.linked) return;
    state->waiters.unlink(waiter);
    waiter.error = Error(Errc::timed_out);
  }
  waiter.loop->post(waiter.handle);
}

Receipt Partition::receipt(Offset end) const {
  const bool synced = log_->ends().synced_end >= end;
  return {synced ? Receipt::Level::synced : Receipt::Level::written, 1,
          static_cast<uint16_t>(synced ? 1 : 0)};
}

Offset Partition::readable_end(Isolation isolation) const {
  const Offset end = high_watermark();
  if (isolation == Isolation::read_uncommitted) return end;
  return std::min(end, log_->ends().last_stable);
}

io::Task<Result<storage::ReadResult>> Partition::read(Offset from, size_t max_bytes,
                                                      bool at_least_one, Isolation isolation) {
  using Outcome = io::Task<Result<storage::ReadResult>>;
  const Offset bound = readable_end(isolation);
  if (from < bound) {
    return log_->read(
        {.from = from, .bound = bound, .max_bytes = max_bytes, .at_least_one = at_least_one});
  }
  const storage::LogEnds ends = log_->ends();
  if (from > ends.end) return Outcome::ready(fail(Errc::offset_out_of_range));
  storage::ReadResult nothing;
  nothing.log_start = ends.start;
  nothing.log_end = ends.end;
  return Outcome::ready(std::move(nothing));
}

PartitionStatus Partition::status() const {
  const storage::LogEnds ends = log_->ends();
  PartitionStatus status{.log_start = ends.start,
                         .high_watermark = high_watermark(),
                         .last_stable = ends.last_stable,
                         .log_end = ends.end,
                         .synced_end = ends.synced_end,
                         .bytes = ends.bytes,
                         .problem = log_->damage().value_or("")};
  if (stopped()) status.problem = stopped_because().message();
  return status;
}

bool Partition::watch(Watcher& watcher) {
  auto state = state_.lock();
  if (state->stopped) return false;
  state->watchers.push_back(&watcher);
  return true;
}

void Partition::unwatch(Watcher& watcher) {
  auto state = state_.lock();
  auto& watchers = state->watchers;
  const auto at = std::ranges::find(watchers, &watcher);
  if (at == watchers.end()) return;
  *at = watchers.back();
  watchers.pop_back();
}

void Partition::set_options(storage::LogOptions options) {
  const bool every = options.flush == storage::FlushPolicy::every;
  log_->set_options(options);
  flushes_every_.store(every, std::memory_order_relaxed);
}

void Partition::stop(Error why) {
  Wakes wakes;
  {
    auto state = state_.lock();
    if (state->stopped) return;
    state->stopped = why;
    state->flushing = false;
    stopped_.store(true, std::memory_order_release);
    state->waiters.fail(why, wakes);
    for (Watcher* watcher : state->watchers) watcher->moved(kStoppedBytes, wakes);
  }
  wakes.resume_all();
}

io::Task<void> Partition::close() { return flushes_.join(); }

}  // namespace sluice::broker
