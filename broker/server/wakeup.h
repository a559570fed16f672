#pragma once

#include <coroutine>
#include <utility>

#include "base/check.h"
#include "io/loop.h"

namespace sluice::broker {

/// Lets one coroutine wait for another of the same loop. A set() without a waiter is kept for the
/// next one, once.
class Wakeup {
 public:
  void set() {
    if (waiter_) {
      io::Loop::current()->post(std::exchange(waiter_, nullptr));
    } else {
      set_ = true;
    }
  }
  auto wait() {
    struct Awaiter {
      Wakeup& wakeup;
      bool await_ready() const { return std::exchange(wakeup.set_, false); }
      void await_suspend(std::coroutine_handle<> self) {
        CHECK(!wakeup.waiter_, "one coroutine waits for a wakeup");
        wakeup.waiter_ = self;
      }
      void await_resume() const {}
    };
    return Awaiter{*this};
  }

 private:
  std::coroutine_handle<> waiter_;
  bool set_ = false;
};

}  // namespace sluice::broker
