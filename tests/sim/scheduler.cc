#include "tests/sim/scheduler.h"

#include <algorithm>
#include <string>

#include "base/check.h"

namespace sluice::sim {
namespace {

/// A loop's id is its node's and its index.
constexpr int kNodeShift = 16;
/// No run comes to a time so far ahead, which a clock can still tell.
constexpr Duration kNever = std::chrono::hours(24 * 365 * 10);

}  // namespace

SimLoop::SimLoop(Scheduler& scheduler, const NodeClock& clock, size_t index, uint64_t id)
    : clock_(clock), scheduler_(scheduler), index_(index), id_(id) {
  scheduler_.loops_.push_back(this);
}

SimLoop::~SimLoop() { std::erase(scheduler_.loops_, this); }

void SimLoop::pause_until(TrueTime time) { busy_until_ = std::max(busy_until_, time); }

const std::optional<TrueTime>& SimLoop::due() {
  if (knows_due_) return due_;
  knows_due_ = true;
  due_.reset();
  if (const auto timer = timers_.next()) {
    const TimePoint shown = clock_.now();
    due_ = *timer <= shown ? scheduler_.now_ : clock_.when(std::min(*timer, shown + kNever));
  }
  return due_;
}

std::optional<TrueTime> SimLoop::next_step(TrueTime now) {
  if (!ready_.empty()) return std::max(now, busy_until_);
  if (!due()) return std::nullopt;
  return std::max({now, *due_, busy_until_});
}

void SimLoop::step(Random& random) {
  const auto timer = timers_.next();
  const bool timer_due = timer && *timer <= now();
  const uint64_t choice = random.below(ready_.size() + (timer_due ? 1 : 0));
  const uint64_t busy_max = static_cast<uint64_t>(scheduler_.options_.cpu_delay_max.count());
  busy_until_ = scheduler_.now_ + Duration(random.below(busy_max + 1));
  scheduler_.trace_.note("step", id_, choice, ready_.size(), scheduler_.now_.count());

  Loop* const before = set_current(this);
  if (choice == ready_.size()) {
    knows_due_ = false;
    timers_.take_due(now())->fire();
  } else {
    const auto resume = ready_[choice];
    ready_.erase(ready_.begin() + static_cast<ptrdiff_t>(choice));
    resume.resume();
  }
  set_current(before);
}

Scheduler::Scheduler(uint64_t seed, SchedulerOptions options)
    : seed_(seed), options_(options), random_(fork_seed("scheduler")) {}

void Scheduler::call_after(Duration delay, std::move_only_function<void()> event) {
  const TrueTime at = now_ + std::max(delay, Duration::zero());
  events_.emplace(std::pair(at, event_sequence_++), std::move(event));
}

bool Scheduler::step() {
  CHECK(++steps_ <= options_.step_limit,
        "the simulation ends within its step limit: " + describe());
  runnable_.clear();
  std::optional<TrueTime> next;
  for (SimLoop* loop : loops_) {
    const auto at = loop->next_step(now_);
    if (!at) continue;
    if (*at == now_) runnable_.push_back(loop);
    if (!next || *at < *next) next = at;
  }
  const auto event = events_.begin();
  if (event != events_.end() && (!next || event->first.first < *next)) next = event->first.first;
  if (!next) return false;
  if (*next > now_) {
    now_ = *next;
    for (SimLoop* loop : loops_) {
      if (loop->next_step(now_) == now_) runnable_.push_back(loop);
    }
  }
  const bool event_due = event != events_.end() && event->first.first <= now_;
  const size_t choice = random_.below(runnable_.size() + (event_due ? 1 : 0));
  if (choice < runnable_.size()) {
    stepped_ = runnable_[choice]->id_ >> kNodeShift;
    runnable_[choice]->step(random_);
    return true;
  }
  stepped_ = 0;
  trace_.note("event", event->first.second, now_.count());
  auto call = std::move(event->second);
  events_.erase(event);
  call();
  return true;
}

void Scheduler::drop_events() {
  while (!events_.empty()) std::exchange(events_, {});  // closing a socket makes new ones
}

std::string Scheduler::describe() const {
  return "seed " + std::to_string(seed_) + ", " + std::to_string(now_.count()) + " ns, step " +
         std::to_string(steps_);
}

SimExecutor::SimExecutor(Scheduler& scheduler, const NodeClock& clock, size_t workers,
                         uint64_t node_id)
    : scheduler_(scheduler), random_(scheduler.fork_seed("pool" + std::to_string(node_id))) {
  CHECK(workers > 0, "a node has a worker loop");
  for (size_t index = 0; index <= workers; ++index) {
    loops_.push_back(
        std::make_unique<SimLoop>(scheduler, clock, index, node_id << kNodeShift | index));
  }
}

io::Loop& SimExecutor::worker(size_t index) {
  CHECK(index < workers(), "the worker exists");
  return *loops_[index];
}

void SimExecutor::pause_until(TrueTime time) {
  for (auto& loop : loops_) loop->pause_until(time);
}

void SimExecutor::submit(std::move_only_function<void()> work) {
  const uint64_t delay_max = static_cast<uint64_t>(scheduler_.options().offload_delay_max.count());
  scheduler_.call_after(Duration(random_.below(delay_max + 1)), std::move(work));
}

}  // namespace sluice::sim
