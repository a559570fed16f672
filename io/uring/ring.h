#pragma once

#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <liburing.h>

#include "base/bytes.h"
#include "base/result.h"
#include "io/asio/loop.h"
#include "io/task.h"

namespace sluice::io {

/// The io_uring of one loop, used on that loop only. What is asked for in one turn is submitted
/// together, with one system call, when the turn ends; completions resume on the loop.
class Ring final : private TurnEnd {
 public:
  /// On `loop`'s thread, which is then the only one that the kernel lets submit.
  static Result<std::unique_ptr<Ring>> make(AsioLoop& loop);
  ~Ring();
  Ring(const Ring&) = delete;
  Ring& operator=(const Ring&) = delete;

  /// One operation: `prepare` fills its submission entry. Its result as the kernel gives it.
  template <class Prepare>
  Task<int64_t> run(Prepare prepare) {
    Operation operation{*this};
    auto* const entry = next_entry();
    prepare(entry);
    io_uring_sqe_set_data(entry, &operation);
    co_return co_await operation;
  }

  /// Where reads go that are made for the page cache only. All share it: nobody looks at it.
  MutableBytes scratch();

 private:
  struct Operation {
    Ring& ring;
    std::coroutine_handle<> waiter{};
    int32_t result = 0;

    bool await_ready() const { return false; }
    void await_suspend(std::coroutine_handle<> self) { waiter = self; }
    int64_t await_resume() const { return result; }
  };

  explicit Ring(AsioLoop& loop) : loop_(loop) {}
  io_uring_sqe* next_entry();
  void submit();
  void turn_ended() override;
  void take_completions();

  AsioLoop& loop_;
  io_uring ring_{};
  bool open_ = false;
  bool submits_at_turn_end_ = false;
  std::unique_ptr<DescriptorWatch> watch_;
  std::vector<std::byte> scratch_;
};

/// Why the kernel refuses io_uring to this process ("io_uring_setup: Operation not permitted");
/// empty when it does not.
std::string uring_refusal();

}  // namespace sluice::io
