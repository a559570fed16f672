#pragma once

#include <cstddef>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "base/time.h"
#include "io/sync.h"
#include "io/task.h"

namespace sluice::client {

class MemoryPool;

/// Bytes of a MemoryPool; given back when it dies. Move only.
class PooledBytes {
 public:
  PooledBytes() = default;
  PooledBytes(PooledBytes&& other) noexcept
      : pool_(std::exchange(other.pool_, nullptr)),
        bytes_(std::move(other.bytes_)),
        size_(std::exchange(other.size_, 0)) {}
  PooledBytes& operator=(PooledBytes&& other) noexcept {
    std::swap(pool_, other.pool_);
    std::swap(bytes_, other.bytes_);
    std::swap(size_, other.size_);
    return *this;
  }
  ~PooledBytes();

  explicit operator bool() const { return pool_ != nullptr; }
  MutableBytes bytes() const { return {bytes_.get(), size_}; }
  size_t size() const { return size_; }

 private:
  friend class MemoryPool;
  PooledBytes(MemoryPool* pool, std::unique_ptr<std::byte[]> bytes, size_t size)
      : pool_(pool), bytes_(std::move(bytes)), size_(size) {}
  MemoryPool* pool_ = nullptr;
  std::unique_ptr<std::byte[]> bytes_;
  size_t size_ = 0;
};

/// The producer's memory: a fixed number of bytes in buffers of one size, kept for reuse, and
/// charged buffers of other sizes. Who must wait is served in order: all that comes free goes to
/// the first waiter until it has enough, so a large one is never starved by small ones and mixed
/// sizes cannot deadlock (as Kafka's BufferPool). Thread-safe; outlives its buffers.
class MemoryPool {
 public:
  MemoryPool(size_t total, size_t buffer_size);
  MemoryPool(const MemoryPool&) = delete;
  MemoryPool& operator=(const MemoryPool&) = delete;

  /// Without waiting; nothing when the memory is spent or others wait.
  std::optional<PooledBytes> try_take(size_t size);
  /// batch_too_large when the pool is smaller than `size`; timed_out at the deadline, saying how
  /// full the pool was.
  io::Task<Result<PooledBytes>> take(size_t size, TimePoint deadline);

  size_t total() const { return total_; }
  size_t buffer_size() const { return buffer_size_; }
  size_t used() const;
  size_t waiters() const;

 private:
  friend class PooledBytes;
  struct Waiter;

  /// With the lock held and enough available: takes it.
  PooledBytes grant(size_t size);
  void give_back(std::unique_ptr<std::byte[]> bytes, size_t size);
  /// With the lock held: hands what is available to the first in line.
  void serve();

  const size_t total_;
  const size_t buffer_size_;
  mutable std::mutex mutex_;
  size_t used_ = 0;
  // Idle buffers of buffer_size_; they count as available.
  std::vector<std::unique_ptr<std::byte[]>> idle_;
  std::deque<Waiter*> waiting_;
};

}  // namespace sluice::client
