#pragma once

#include <coroutine>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include "base/time.h"
#include "io/loop.h"
#include "io/timer_queue.h"

namespace asio {
class io_context;
}

namespace sluice::io {

/// To be told once when the loop has done all that was ready.
class TurnEnd {
 public:
  virtual void turn_ended() = 0;

 protected:
  ~TurnEnd() = default;
};

/// Calls back on the loop each time the descriptor is readable, until it dies (on the loop, or
/// when the loop does not run).
class DescriptorWatch {
 public:
  virtual ~DescriptorWatch() = default;
};

/// An epoll loop of Asio's, run by one thread. A turn is one ready descriptor, timer or inbox and
/// the coroutines that it made ready, for a few rounds; what is ready then comes after a look at
/// the descriptors, so that nobody who yields in circles shuts out the network.
class AsioLoop final : public Loop {
 public:
  AsioLoop(size_t index, const Clock& clock);
  ~AsioLoop() override;
  AsioLoop(const AsioLoop&) = delete;
  AsioLoop& operator=(const AsioLoop&) = delete;

  /// Serves the calling thread's loop until stop(), which may be called from any thread.
  void run();
  void stop();

  size_t index() const override { return index_; }
  TimePoint now() const override;
  void post(std::coroutine_handle<> resume) override;
  void arm(Timer& timer, TimePoint at) override;
  void disarm(Timer& timer) override;

  /// `hook` is called once, after all else that is ready now. On the loop.
  void at_turn_end(TurnEnd& hook);
  /// `descriptor` stays the caller's and open while the watch lives. On the loop.
  std::unique_ptr<DescriptorWatch> watch(int descriptor, std::move_only_function<void()> readable);

  /// For io/asio: resumes a coroutine as a turn of its own; called from Asio's handlers.
  void resume_in_turn(std::coroutine_handle<> coroutine);
  asio::io_context& context();

 private:
  struct Engine;
  template <class F>
  void turn(F&& first);
  void run_ready();
  void take_inbox();
  void fire_timers();
  void arm_engine_timer();
  void continue_later();

  const size_t index_;
  const Clock& clock_;
  std::unique_ptr<Engine> engine_;

  // Of the loop's thread.
  TimePoint now_{};
  TimePoint engine_fires_at_ = TimePoint::max();
  TimerQueue timers_;
  std::vector<std::coroutine_handle<>> ready_;
  std::vector<std::coroutine_handle<>> batch_;
  std::vector<TurnEnd*> turn_ends_;
  bool in_turn_ = false;
  bool will_continue_ = false;

  // Of all threads.
  std::mutex inbox_mutex_;
  std::vector<std::coroutine_handle<>> inbox_;
};

}  // namespace sluice::io
