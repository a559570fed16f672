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
struct PoolState;    // what a pool's buffers find their way home by
}  // namespace internal

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
  /// Idle buffers a pool keeps for itself, and all pools keep together, by tier.
  std::array<size_t, 3> local_free = {256, 64, 16};
  std::array<size_t, 3> shared_free = {1024, 256, 64};
};

/// The overflow that all the pools of a process share, charged to one budget. Outlives the pools
/// and every buffer taken from them. Thread-safe.
class SharedBuffers {
 public:
  SharedBuffers(MemoryBudget& budget, BufferPoolOptions options);
  ~SharedBuffers();
  SharedBuffers(const SharedBuffers&) = delete;
  SharedBuffers& operator=(const SharedBuffers&) = delete;

  MemoryBudget& budget() { return budget_; }
  /// Frees every idle buffer it holds; the bytes freed.
  size_t trim();
  /// Idle buffers it holds, by tier.
  std::array<size_t, 3> idle() const;
  const BufferPoolOptions& options() const { return options_; }

 private:
  friend class Buffer;
  friend class BufferPool;
  internal::PoolState& make_state();
  /// Moves up to `most` idle buffers of a tier to the end of `out`.
  void draw(size_t tier, size_t most, std::vector<internal::BufferBlock*>& out);
  /// Keeps an idle buffer, or frees it when the tier is full; the bytes freed.
  size_t accept(internal::BufferBlock* block);

  MemoryBudget& budget_;
  const BufferPoolOptions options_;
  mutable std::mutex mutex_;
  std::array<std::vector<internal::BufferBlock*>, 3> free_;
  std::vector<std::unique_ptr<internal::PoolState>> states_;
};

/// Buffers in three tiers with a free list per worker; what is larger than the largest tier is one
/// charged mapping, unmapped as soon as it is given back. take() belongs to the owning worker;
/// giving back may happen on any thread (a foreign return goes to the shared overflow). Buffers
/// from 64 KiB on are page aligned. Idle bytes are poisoned under AddressSanitizer.
class BufferPool {
 public:
  explicit BufferPool(SharedBuffers& shared);
  ~BufferPool();
  BufferPool(const BufferPool&) = delete;
  BufferPool& operator=(const BufferPool&) = delete;

  /// Makes the calling thread the owner; without it the first take() does. Only while no other
  /// thread uses the pool.
  void adopt();

  /// A buffer of at least `size` bytes (its size() is the tier's, or whole pages above the tiers);
  /// out_of_memory when the budget is spent even after all idle buffers in reach were given up.
  /// Contents are not cleared.
  Result<Buffer> take(size_t size);
  /// Gives idle buffers back to the budget; the bytes freed. By the owning worker.
  size_t trim();
  /// Fits each tier to the most that was in use since the last call: above 80 % of what the pool
  /// holds it grows ahead of need, below 30 % it lets go, both to 80 %. To be called by the owning
  /// worker every second or so.
  void rebalance();

  /// in_use counts buffers taken through this pool and not yet given back; a miss is a take that
  /// had to allocate. Any thread may ask; the numbers are of about the same moment.
  struct Stats {
    std::array<size_t, 3> in_use{}, idle{};
    uint64_t hits = 0, misses = 0;
    size_t oversize_bytes = 0;
  };
  Stats stats() const;

 private:
  Result<Buffer> take_oversize(size_t size);
  /// An idle buffer of the tier that is in no list; null when the budget or the system refuses.
  internal::BufferBlock* allocate(size_t tier);
  void shrink(size_t tier, size_t keep);

  SharedBuffers& shared_;
  internal::PoolState& state_;
};

}  // namespace sluice
