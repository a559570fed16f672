#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "base/bytes.h"
#include "base/memory_budget.h"
#include "base/result.h"

namespace sluice {

class BufferPool;

namespace internal {
struct BufferBlock;  // control block in front of, or beside, the bytes
}

/// A counted reference to a pooled buffer. Copies share the bytes; the last one gives them back to
/// the pool they came from, from any thread.
class Buffer {
 public:
  Buffer() = default;
  Buffer(const Buffer& other);
  Buffer(Buffer&& other) noexcept;
  Buffer& operator=(Buffer other) noexcept;
  ~Buffer();

  explicit operator bool() const { return block_ != nullptr; }
  MutableBytes bytes() const;
  size_t size() const;
  /// Zeroes the whole buffer when it is given back: it held credentials.
  void mark_sensitive();

 private:
  friend class BufferPool;
  explicit Buffer(internal::BufferBlock* block) : block_(block) {}
  internal::BufferBlock* block_ = nullptr;
};

inline constexpr std::array<size_t, 3> kBufferTiers = {4_KiB, 64_KiB, 1_MiB};

struct BufferPoolOptions {
  /// Buffers a pool keeps for itself, and shares with the others, by tier.
  std::array<size_t, 3> local_free = {256, 64, 16};
  std::array<size_t, 3> shared_free = {1024, 256, 64};
};

/// The overflow that all the pools of a process share, charged to one budget. Thread-safe.
class SharedBuffers {
 public:
  SharedBuffers(MemoryBudget& budget, BufferPoolOptions options);
  ~SharedBuffers();
  MemoryBudget& budget() { return budget_; }
  /// Frees every idle buffer it holds; the bytes freed.
  size_t trim();
  const BufferPoolOptions& options() const { return options_; }

 private:
  friend class BufferPool;
  MemoryBudget& budget_;
  const BufferPoolOptions options_;
  std::mutex mutex_;
  std::array<std::vector<internal::BufferBlock*>, 3> free_;
};

/// Buffers in three tiers with a free list per worker; what is larger than the largest tier is one
/// charged mapping, unmapped as soon as it is given back. take() belongs to the owning worker;
/// giving back may happen on any thread (a foreign return goes to the shared overflow).
class BufferPool {
 public:
  explicit BufferPool(SharedBuffers& shared);
  ~BufferPool();
  BufferPool(const BufferPool&) = delete;
  BufferPool& operator=(const BufferPool&) = delete;

  /// A buffer of at least `size` bytes (its size() is the tier's); out_of_memory when the budget is
  /// spent. Contents are not cleared.
  Result<Buffer> take(size_t size);
  /// Gives idle buffers back to the budget; the bytes freed. By the owning worker.
  size_t trim();

  struct Stats {
    std::array<size_t, 3> in_use{}, idle{};
    uint64_t hits = 0, misses = 0;
    size_t oversize_bytes = 0;
  };
  Stats stats() const;

 private:
  friend class Buffer;
  struct Local;
  std::unique_ptr<Local> local_;
  SharedBuffers& shared_;
};

}  // namespace sluice
