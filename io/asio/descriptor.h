#pragma once

// Only io/asio/*.cc include this: it brings Asio along.
#include <array>
#include <coroutine>
#include <cstddef>
#include <optional>
#include <string>

#include <asio/io_context.hpp>
#include <asio/posix/basic_stream_descriptor.hpp>

#include "base/result.h"
#include "base/time.h"
#include "io/asio/loop.h"
#include "io/task.h"

namespace sluice::io {

/// Room for one operation of Asio's inside its owner, so that waiting allocates nothing and an idle
/// connection is one piece of memory.
class OperationMemory {
 public:
  void* allocate(size_t size);
  void deallocate(void* memory);

 private:
  alignas(std::max_align_t) std::array<std::byte, 152> room_;
  bool used_ = false;
};

/// A non-blocking descriptor on a loop; one waiter each for reading and writing. Outlives them.
class WaitingDescriptor {
 public:
  enum class Event : uint8_t { readable, writable };

  /// Owns the descriptor from here on.
  WaitingDescriptor(AsioLoop& loop, int descriptor);
  ~WaitingDescriptor();
  WaitingDescriptor(const WaitingDescriptor&) = delete;
  WaitingDescriptor& operator=(const WaitingDescriptor&) = delete;

  AsioLoop& loop() const { return loop_; }
  /// -1 after close().
  int get() const { return descriptor_number_; }

  /// timed_out after `deadline`, connection_closed after close(), without details.
  Task<Result<>> wait(Event event, std::optional<TimePoint> deadline = std::nullopt);
  void close();
  /// The descriptor, which is not ours any more; nobody waits. -1 after close().
  int release();

 private:
  class Waiter;
  friend class Waiter;
  struct Completion;

  AsioLoop& loop_;
  int descriptor_number_;
  asio::posix::basic_stream_descriptor<asio::io_context::executor_type> descriptor_;
  std::array<OperationMemory, 2> memory_;
  std::array<Waiter*, 2> waiters_{};
};

}  // namespace sluice::io
