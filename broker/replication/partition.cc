#include "broker/replication/partition.h"

#include <algorithm>
#include <utility>

#include "base/mutation.h"
#include "io/loop.h"

namespace sluice::broker {
namespace {

/// Moves every watcher, whatever it waits for.
constexpr uint64_t kWakesAll = uint64_t{1} << 40;
constexpr std::string_view kNotDeletedEverywhere =
    "deleted by the leader, but not by every follower in sync: what is deleted may come back with "
    "another leader, ask again";

}  // namespace

/// Suspends until the high watermark gets there, or the log start of all followers in sync; or the
/// partition stops or the time is up.
struct Partition::CommitAwait final : io::Timer {
  CommitAwait(Partition& of, Offset end, LeaderEpoch in, TimePoint until, bool waits_for_start)
      : partition(of), appended_in(in), deadline(until), for_start(waits_for_start) {
    waiter.until = end;
  }

  void fire() override { partition.expire(waiter); }

  bool await_ready() const { return false; }
  bool await_suspend(std::coroutine_handle<> self) {
    waiter.loop = io::Loop::current();
    waiter.handle = self;
    if (!partition.link(waiter, appended_in, for_start)) return false;
    waiter.loop->arm(*this, deadline);
    return true;
  }
  Result<> await_resume() {
    if (armed()) waiter.loop->disarm(*this);
    if (!waiter.error) return {};
    if (for_start) return fail(std::move(*waiter.error).with_context(kNotDeletedEverywhere));
    // It is in a log: not_leader would say that it is in none.
    if (*waiter.error == Errc::not_leader) {
      return fail(Errc::outcome_unknown,
                  "the partition has another leader by now, which may have the records or not; "
                  "send them again, a producer with an id does not write them twice");
    }
    return fail(std::move(*waiter.error));
  }

  Partition& partition;
  const LeaderEpoch appended_in;
  const TimePoint deadline;
  const bool for_start;
  CommitWaiter waiter;
};

Partition::Partition(PartitionKey key, std::shared_ptr<storage::Log> log, PartitionPorts ports)
    : key_(key),
      log_(std::move(log)),
      ports_(std::move(ports)),
      high_watermark_(log_->high_watermark().value()),
      leadership_(pack({})),
      flushes_every_(log_->options().flush == storage::FlushPolicy::every) {
  auto state = state_.lock();
  state->rules.counts_synced = flushes_every();
  state->kept_start = log_->ends().start;
}

Partition::~Partition() = default;

Error Partition::stopped_because() const {
  return state_.lock()->stopped.value_or(Error(Errc::internal));
}

io::Task<Result<storage::Appended>> Partition::append(MutableBytes batch,
                                                      std::optional<LeaderEpoch> expected,
                                                      Timestamp now, bool for_all) {
  using Outcome = io::Task<Result<storage::Appended>>;
  // Read before it is checked: should it change meanwhile, the log refuses the old epoch.
  const LeaderEpoch epoch = leadership().epoch;
  if (auto leads = check_leader(expected); !leads) {
    return Outcome::ready(fail(std::move(leads).error()));
  }
  const bool bound = for_all && !mutated(Mutation::commit_below_min_in_sync);
  if (bound && too_few_in_sync_.load(std::memory_order_relaxed)) {
    return Outcome::ready(fail(Errc::not_enough_replicas));
  }
  auto append = log_->append({.batch = batch, .leader_epoch = epoch, .now = now});
  if (!append.is_ready()) return finish_append(std::move(append), epoch, batch.size());
  auto outcome = append.await_resume();
  if (!outcome) return Outcome::ready(fail(refusal_of(std::move(outcome).error())));
  appended(*outcome, epoch, batch.size());
  return Outcome::ready(std::move(outcome));
}

Error Partition::refusal_of(Error why) const {
  if (why != Errc::partition_corrupt || !replicated()) return why;
  const auto state = state_.lock();
  const bool others = state->replicas != nullptr && state->replicas->in_sync().size() > 1;
  return others ? Error(Errc::not_leader, "the leader lost records, another takes over: " +
                                              std::string(why.message()))
                : why;
}

io::Task<Result<storage::Appended>> Partition::finish_append(
    io::Task<Result<storage::Appended>> append, LeaderEpoch epoch, size_t bytes) {
  auto outcome = co_await std::move(append);
  if (!outcome) co_return fail(refusal_of(std::move(outcome).error()));
  appended(*outcome, epoch, bytes);
  co_return outcome;
}

void Partition::appended(const storage::Appended& appended, LeaderEpoch epoch, size_t bytes) {
  if (appended.duplicate) return;
  Wakes wakes;
  std::optional<Offset> moved;
  bool begins_flush = false;
  {
    auto state = state_.lock();
    if (!state->leads || !still_leads(epoch)) return;
    state->own.log_end = std::max(state->own.log_end, appended.last_offset + 1);
    state->uncommitted_bytes += bytes;
    if (state->rules.counts_synced) {
      state->unflushed = true;
      begins_flush = !state->stopped && !std::exchange(state->flushing, true);
    }
    for (Watcher* follower : state->followers) follower->moved(bytes, wakes);
    moved = raise(*state, wakes);
  }
  raised(moved, wakes);
  if (begins_flush) flushes_.start(flush());
}

io::Task<void> Partition::flush() {
  for (;;) {
    int32_t since = 0;
    {
      auto state = state_.lock();
      if (!std::exchange(state->unflushed, false) || state->stopped) {
        state->flushing = false;
        co_return;
      }
      since = leads_since_.load(std::memory_order_relaxed);
    }
    const Offset end = log_->ends().end;
    if (auto synced = co_await log_->sync_to(end); !synced) {
      // Another leader's log says otherwise by now: what was to be flushed is cut.
      if (synced.error() == Errc::offset_out_of_range) continue;
      stop(std::move(synced).error());
      co_return;
    }
    Wakes wakes;
    std::optional<Offset> moved;
    {
      auto state = state_.lock();
      if (!state->leads || since != leads_since_.load(std::memory_order_relaxed)) continue;
      state->own.synced_end = std::max(state->own.synced_end, end);
      moved = raise(*state, wakes);
    }
    raised(moved, wakes);
  }
}

std::optional<Offset> Partition::raise(State& state, Wakes& wakes) {
  Offset to = state.rules.counts_synced ? state.own.synced_end : state.own.log_end;
  if (state.replicas != nullptr) to = state.replicas->committable(state.own);
  if (!state.start_waiters.empty()) wake_started(state, wakes);
  if (to <= high_watermark()) return std::nullopt;
  const uint64_t bytes = take_committed_bytes(state, to, state.own.log_end);
  high_watermark_.store(to.value(), std::memory_order_release);
  if (state.replicas != nullptr && to >= state.replicas->epoch_start() && !log_->is_damaged()) {
    knows_committed_.store(true, std::memory_order_release);
  }
  state.waiters.reached(to, wakes);
  for (Watcher* reader : state.readers) reader->moved(bytes, wakes);
  // A follower has the bytes already: what it lacks is the news.
  for (Watcher* follower : state.followers) follower->moved(1, wakes);
  return to;
}

void Partition::raised(std::optional<Offset> high_watermark, Wakes& wakes) {
  if (high_watermark) log_->set_high_watermark(*high_watermark);
  wakes.resume_all();
}

bool Partition::is_committed(Offset end, LeaderEpoch appended_in) const {
  // In this order: as long as it led at the look at the epoch, it had led at the look at the mark.
  return high_watermark() >= end && still_leads(appended_in);
}

io::Task<Result<>> Partition::committed(Offset end, LeaderEpoch appended_in, TimePoint deadline) {
  if (is_committed(end, appended_in)) return io::Task<Result<>>::ready();
  return wait_committed(end, appended_in, deadline);
}

io::Task<Result<>> Partition::wait_committed(Offset end, LeaderEpoch appended_in,
                                             TimePoint deadline) {
  CommitAwait reached(*this, end, appended_in, deadline, false);
  co_return co_await reached;
}

io::Task<Result<>> Partition::started(Offset start, LeaderEpoch since, TimePoint deadline) {
  CommitAwait reached(*this, start, since, deadline, true);
  co_return co_await reached;
}

bool Partition::link(CommitWaiter& waiter, LeaderEpoch appended_in, bool for_start) {
  auto state = state_.lock();
  if (for_start ? has_started(*state, waiter.until) && still_leads(appended_in)
                : is_committed(waiter.until, appended_in)) {
    return false;
  }
  if (state->stopped) {
    waiter.error = *state->stopped;
  } else if (!still_leads(appended_in)) {
    waiter.error = Error(Errc::not_leader);
  } else if (ports_.lease != nullptr && !ports_.lease->holds(waiter.loop->now())) {
    // Under the lock: who is linked by now is found by give_up_waiting().
    waiter.error = SessionLease::doubt();
  } else {
    (for_start ? state->start_waiters : state->waiters).link(waiter);
  }
  return waiter.in != nullptr;
}

void Partition::give_up_waiting(const Error& why) {
  Wakes wakes;
  state_.lock()->waiters.fail(why, wakes);
  wakes.resume_all();
}

void Partition::expire(CommitWaiter& waiter) {
  {
    auto state = state_.lock();
    // Not linked: claimed meanwhile, about to be resumed.
    if (waiter.in == nullptr) return;
    waiter.in->unlink(waiter);
    waiter.error = Error(Errc::timed_out);
  }
  waiter.loop->post(waiter.handle);
}

io::Task<Result<>> Partition::flushed(Offset end) { return log_->sync_to(end); }

Receipt Partition::receipt(Offset end) const {
  const storage::LogEnds ends = log_->ends();
  const bool synced = ends.synced_end >= end;
  Receipt receipt{synced ? Receipt::Level::synced : Receipt::Level::written, 1,
                  static_cast<uint16_t>(synced ? 1 : 0)};
  if (!replicated_.load(std::memory_order_relaxed)) return receipt;
  const ReplicaEnds own{.log_end = ends.end, .synced_end = ends.synced_end};
  const auto state = state_.lock();
  if (state->replicas == nullptr) return receipt;
  receipt.replicas = static_cast<uint16_t>(state->replicas->count_having(end, own, false));
  receipt.synced_replicas = static_cast<uint16_t>(state->replicas->count_having(end, own, true));
  return receipt;
}

Offset Partition::readable_end(Isolation isolation) const {
  const Offset end = mutated(Mutation::read_uncommitted) ? log_->ends().end : high_watermark();
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
  const auto state = state_.lock();
  if (status.problem.empty()) status.problem = state->following_problem;
  if (state->stopped) status.problem = state->stopped->message();
  return status;
}

bool Partition::watch(Watcher& watcher, WatchKind kind) {
  auto state = state_.lock();
  if (state->stopped) return false;
  (kind == WatchKind::follower ? state->followers : state->readers).push_back(&watcher);
  return true;
}

void Partition::unwatch(Watcher& watcher) {
  auto state = state_.lock();
  for (std::vector<Watcher*>* watchers : {&state->readers, &state->followers}) {
    const auto at = std::ranges::find(*watchers, &watcher);
    if (at == watchers->end()) continue;
    *at = watchers->back();
    watchers->pop_back();
  }
}

void Partition::wake_all(State& state, Wakes& wakes) {
  for (Watcher* reader : state.readers) reader->moved(kWakesAll, wakes);
  for (Watcher* follower : state.followers) follower->moved(kWakesAll, wakes);
}

void Partition::set_options(const TopicOptions& options) {
  const bool every = options.log.flush == storage::FlushPolicy::every;
  log_->set_options(options.log);
  flushes_every_.store(every, std::memory_order_relaxed);
  auto state = state_.lock();
  state->rules.counts_synced = every;
  state->rules.min_in_sync = static_cast<uint32_t>(options.min_insync_replicas);
  if (state->replicas == nullptr) return;
  state->replicas->set_rules(state->rules);
  too_few_in_sync_.store(state->replicas->has_too_few(), std::memory_order_relaxed);
}

void Partition::set_lag_max(Duration lag_max) {
  auto state = state_.lock();
  state->rules.lag_max = lag_max;
  if (state->replicas != nullptr) state->replicas->set_rules(state->rules);
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
    state->start_waiters.fail(why, wakes);
    wake_all(*state, wakes);
  }
  wakes.resume_all();
}

io::Task<void> Partition::close() {
  {
    const auto turn = co_await changing_.lock();
  }
  co_await flushes_.join();
}

}  // namespace sluice::broker
