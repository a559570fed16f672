#include "io/loop.h"

#include <utility>

#include "base/check.h"

namespace sluice::io {
namespace {

constinit thread_local Loop* current_loop = nullptr;

class Sleep final : public Timer {
 public:
  Sleep(Loop& loop, TimePoint at) : loop_(loop), at_(at) {}
  bool await_ready() const { return false; }
  void await_suspend(std::coroutine_handle<> self) {
    sleeper_ = self;
    loop_.arm(*this, at_);
  }
  void await_resume() const {}
  void fire() override { sleeper_.resume(); }

 private:
  Loop& loop_;
  const TimePoint at_;
  std::coroutine_handle<> sleeper_;
};

}  // namespace

Loop* Loop::current() { return current_loop; }
Loop* Loop::set_current(Loop* loop) { return std::exchange(current_loop, loop); }

Task<void> sleep_until(TimePoint at) {
  Loop* const loop = Loop::current();
  CHECK(loop != nullptr, "sleeping happens on a loop");
  co_await Sleep(*loop, at);
}

}  // namespace sluice::io
