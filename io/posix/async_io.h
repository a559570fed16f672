#pragma once

#include <cstdint>
#include <functional>
#include <span>

#include <sys/uio.h>

#include "io/runtime.h"
#include "io/task.h"

namespace sluice::io {

/// Where file operations go that may wait for the device: a thread pool or a ring. Results are
/// those of the system call, a failure is the negative errno. Called on a loop, which goes on when
/// done; what is handed in lives until then.
class AsyncIo {
 public:
  virtual ~AsyncIo() = default;
  virtual Task<int64_t> fdatasync(int descriptor) = 0;
  virtual Task<int64_t> preadv(int descriptor, std::span<const iovec> parts, uint64_t position) = 0;
  virtual Task<int64_t> pwritev(int descriptor, std::span<const iovec> parts,
                                uint64_t position) = 0;
  /// Reads the range into the page cache, see page_cache.h. 0 or -errno.
  virtual Task<int64_t> read_ahead(int descriptor, uint64_t position, uint64_t length) = 0;
  /// Reads without keeping what it brings into the page cache, see page_cache.h.
  virtual Task<int64_t> read_through(int descriptor, uint64_t position, MutableBytes out) = 0;
  /// All that has no call of its own. `work` returns as the others do.
  virtual Task<int64_t> run(std::move_only_function<int64_t()> work) = 0;
};

/// On the executor's pool for blocking work.
class ThreadIo final : public AsyncIo {
 public:
  explicit ThreadIo(Executor& executor) : executor_(executor) {}
  Task<int64_t> fdatasync(int descriptor) override;
  Task<int64_t> preadv(int descriptor, std::span<const iovec> parts, uint64_t position) override;
  Task<int64_t> pwritev(int descriptor, std::span<const iovec> parts, uint64_t position) override;
  Task<int64_t> read_ahead(int descriptor, uint64_t position, uint64_t length) override;
  Task<int64_t> read_through(int descriptor, uint64_t position, MutableBytes out) override;
  Task<int64_t> run(std::move_only_function<int64_t()> work) override;

 private:
  Executor& executor_;
};

}  // namespace sluice::io
