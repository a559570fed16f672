#pragma once

#include <coroutine>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/random.h"
#include "io/loop.h"
#include "io/runtime.h"
#include "io/timer_queue.h"
#include "tests/sim/clock.h"
#include "tests/sim/hash.h"

namespace sluice::sim {

class Scheduler;

/// One of the loops that share the simulator's thread. A step on it keeps it busy for a random
/// time, while the others go on: as a core would. Among what is ready on it any may come first.
class SimLoop final : public io::Loop {
 public:
  SimLoop(Scheduler& scheduler, const NodeClock& clock, size_t index, uint64_t id);
  ~SimLoop() override;

  size_t index() const override { return index_; }
  TimePoint now() const override { return clock_.now(); }
  void post(std::coroutine_handle<> resume) override { ready_.push_back(resume); }
  void arm(io::Timer& timer, TimePoint at) override {
    timers_.arm(timer, at);
    knows_due_ = false;
  }
  void disarm(io::Timer& timer) override {
    timers_.disarm(timer);
    knows_due_ = false;
  }

  /// Runs nothing before that time: a core taken away, a long collection, a stopped process.
  void pause_until(TrueTime time);

 private:
  friend class Scheduler;
  /// When it can take its next step, at the earliest `now`; none when it has nothing to do.
  std::optional<TrueTime> next_step(TrueTime now);
  void step(Random& random);
  /// When the first timer is; the same until one is armed or disarmed.
  const std::optional<TrueTime>& due();

  const NodeClock& clock_;
  Scheduler& scheduler_;
  const size_t index_;
  const uint64_t id_;
  std::vector<std::coroutine_handle<>> ready_;
  io::TimerQueue timers_;
  std::optional<TrueTime> due_;
  bool knows_due_ = false;
  TrueTime busy_until_{};
};

struct SchedulerOptions {
  /// A step keeps its loop busy for a random time up to this. With zero, a loop that yields for
  /// ever stops time.
  Duration cpu_delay_max = std::chrono::microseconds(20);
  /// How long offloaded work waits for a thread of the pool, at most.
  Duration offload_delay_max = std::chrono::microseconds(200);
  /// A run that takes more steps hangs, as far as the simulator can tell.
  uint64_t step_limit = 50'000'000;
};

/// Owns virtual time and picks, by its seed, what happens next: a step of a loop or an event. When
/// nothing can happen now, time jumps to the next thing that can.
class Scheduler {
 public:
  Scheduler(uint64_t seed, SchedulerOptions options);
  Scheduler(const Scheduler&) = delete;
  Scheduler& operator=(const Scheduler&) = delete;

  uint64_t seed() const { return seed_; }
  const SchedulerOptions& options() const { return options_; }
  const TrueTime& now() const { return now_; }
  uint64_t steps() const { return steps_; }
  /// Whose loop took the last step; 0: nobody's, it was an event.
  uint64_t stepped() const { return stepped_; }
  Trace& trace() { return trace_; }
  const Trace& trace() const { return trace_; }
  /// A seed for a random stream of its own, the same for the same name.
  uint64_t fork_seed(std::string_view name) const { return mix(mix(0, seed_), name); }

  /// Calls `event` on no loop after `delay`. Events of the same time come in order of the calls.
  void call_after(Duration delay, std::move_only_function<void()> event);
  /// One thing happens; false when nothing ever will.
  bool step();
  /// Forgets what would have happened; what the events own is destroyed.
  void drop_events();
  /// The seed, time and steps so far, for messages.
  std::string describe() const;

  /// co_await scheduler.delay(d) goes on on the current loop, d later by true time.
  auto delay(Duration duration) {
    struct Delay {
      Scheduler& scheduler;
      Duration duration;
      bool await_ready() const { return duration <= Duration::zero(); }
      void await_suspend(std::coroutine_handle<> self) {
        io::Loop* const loop = io::Loop::current();
        CHECK(loop != nullptr, "waiting happens on a loop");
        scheduler.call_after(duration, [loop, self] { loop->post(self); });
      }
      void await_resume() const {}
    };
    return Delay{*this, duration};
  }

 private:
  friend class SimLoop;

  const uint64_t seed_;
  const SchedulerOptions options_;
  SeededRandom random_;
  TrueTime now_{};
  uint64_t steps_ = 0;
  uint64_t stepped_ = 0;
  uint64_t event_sequence_ = 0;
  std::map<std::pair<TrueTime, uint64_t>, std::move_only_function<void()>> events_;
  std::vector<SimLoop*> loops_;
  std::vector<SimLoop*> runnable_;
  Trace trace_;
};

/// A node's loops; offloaded work runs as an event of its own, on no loop.
class SimExecutor final : public io::Executor {
 public:
  SimExecutor(Scheduler& scheduler, const NodeClock& clock, size_t workers, uint64_t node_id);

  size_t workers() const override { return loops_.size() - 1; }
  io::Loop& worker(size_t index) override;
  io::Loop& control() override { return *loops_.back(); }
  void pause_until(TrueTime time);
  void pause_worker_until(size_t index, TrueTime time) { loops_.at(index)->pause_until(time); }

 protected:
  void submit(std::move_only_function<void()> work) override;

 private:
  Scheduler& scheduler_;
  SeededRandom random_;
  std::vector<std::unique_ptr<SimLoop>> loops_;
};

}  // namespace sluice::sim
