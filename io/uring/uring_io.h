#pragma once

#include <memory>
#include <vector>

#include "io/asio/executor.h"
#include "io/posix/async_io.h"
#include "io/uring/ring.h"

namespace sluice::io {

/// Syncs, cold reads, background writes and read-ahead on the ring of the calling loop, made when
/// it is first needed; what has no operation there, or a loop whose ring is refused, uses threads.
class UringIo final : public AsyncIo {
 public:
  UringIo(AsioExecutor& executor, AsyncIo& threads);

  Task<int64_t> fdatasync(int descriptor) override;
  Task<int64_t> preadv(int descriptor, std::span<const iovec> parts, uint64_t position) override;
  Task<int64_t> pwritev(int descriptor, std::span<const iovec> parts, uint64_t position) override;
  Task<int64_t> read_ahead(int descriptor, uint64_t position, uint64_t length) override;
  Task<int64_t> read_through(int descriptor, uint64_t position, MutableBytes out) override;
  Task<int64_t> run(std::move_only_function<int64_t()> work) override;

 private:
  /// One of a loop; only that loop touches it.
  struct alignas(64) Slot {
    bool tried = false;
    std::unique_ptr<Ring> ring;
  };
  /// The calling loop's ring; null when it has none.
  Ring* ring();

  AsioExecutor& executor_;
  AsyncIo& threads_;
  std::vector<Slot> slots_;
};

}  // namespace sluice::io
