#include "base/buffer_pool.h"

#include <algorithm>
#include <cstring>
#include <new>
#include <thread>
#include <utility>

#include <sys/mman.h>

// Comes with the sanitizers, which only tests need.
#if __has_feature(address_sanitizer)
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(address, size) ((void)(address), (void)(size))
#define ASAN_UNPOISON_MEMORY_REGION(address, size) ((void)(address), (void)(size))
#endif

#include "base/check.h"

namespace sluice {

namespace internal {

inline constexpr size_t kOversize = kBufferTiers.size();

struct BufferBlock {
  std::byte* data = nullptr;
  size_t size = 0;
  size_t tier = 0;
  PoolState* owner = nullptr;  // of the pool that handed it out last
  std::atomic<uint32_t> references{0};
  std::atomic<bool> sensitive{false};
};

// Counters are written by the owner alone and read by anyone; what foreign threads count is apart,
// so that the owner's path has no read-modify-write.
struct PoolState {
  explicit PoolState(SharedBuffers& home) : shared(home) {}

  struct Tier {
    std::vector<BufferBlock*> free;
    std::atomic<size_t> idle{0};  // free.size() for readers on other threads
    std::atomic<size_t> taken{0};
    std::atomic<size_t> returned{0};
    std::atomic<size_t> returned_elsewhere{0};
    size_t peak_in_use = 0;  // since the last rebalance()

    size_t in_use() const {
      // Returns first: read the other way round, the difference could be negative.
      const size_t back = returned_elsewhere.load(std::memory_order_acquire) +
                          returned.load(std::memory_order_acquire);
      return taken.load(std::memory_order_acquire) - back;
    }
    void show_idle() { idle.store(free.size(), std::memory_order_relaxed); }
  };

  SharedBuffers& shared;
  std::atomic<std::thread::id> owner{};
  std::array<Tier, kBufferTiers.size()> tiers;
  std::atomic<uint64_t> hits{0};
  std::atomic<uint64_t> misses{0};
  std::atomic<size_t> oversize_bytes{0};
};

namespace {

constexpr size_t kPage = 4_KiB;

template <class T>
void count(std::atomic<T>& counter, T by = 1) {
  counter.store(counter.load(std::memory_order_relaxed) + by, std::memory_order_release);
}

/// What a buffer takes from the budget: its bytes and its control block.
size_t charge_of(size_t size) { return size + sizeof(BufferBlock); }

void* map_pages(size_t size) {
  void* at = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  return at == MAP_FAILED ? nullptr : at;
}

/// Small buffers come from the allocator; larger ones are mappings of their own, so that a freed
/// one goes back to the system at once and never fragments the heap.
bool is_mapped(size_t size) { return size > kBufferTiers.front(); }

/// The caller has charged it.
BufferBlock* new_block(size_t tier, size_t size) {
  auto* block = new (std::nothrow) BufferBlock;
  if (block == nullptr) return nullptr;
  void* data = is_mapped(size) ? map_pages(size) : ::operator new(size, std::nothrow);
  if (data == nullptr) {
    delete block;
    return nullptr;
  }
  block->data = static_cast<std::byte*>(data);
  block->size = size;
  block->tier = tier;
  return block;
}

/// Frees a buffer and its charge; the bytes freed.
size_t free_block(BufferBlock* block, MemoryBudget& budget) {
  const size_t charge = charge_of(block->size);
  ASAN_UNPOISON_MEMORY_REGION(block->data, block->size);
  if (is_mapped(block->size)) {
    CHECK(::munmap(block->data, block->size) == 0, "a pool unmaps only what it mapped");
  } else {
    ::operator delete(block->data);
  }
  delete block;
  budget.give_back(charge);
  return charge;
}

void put_to_sleep(BufferBlock* block) {
  if (block->sensitive.load(std::memory_order_relaxed)) {
    ::explicit_bzero(block->data, block->size);
    block->sensitive.store(false, std::memory_order_relaxed);
  }
  ASAN_POISON_MEMORY_REGION(block->data, block->size);
}

void wake(BufferBlock* block, PoolState& owner) {
  ASAN_UNPOISON_MEMORY_REGION(block->data, block->size);
  block->owner = &owner;
  block->references.store(1, std::memory_order_relaxed);
}

size_t tier_for(size_t size) {
  size_t tier = 0;
  while (tier < kBufferTiers.size() && size > kBufferTiers[tier]) ++tier;
  return tier;
}

}  // namespace
}  // namespace internal

using internal::BufferBlock;
using internal::PoolState;

Buffer::Buffer(const Buffer& other) : block_(other.block_) {
  if (block_ != nullptr) block_->references.fetch_add(1, std::memory_order_relaxed);
}

Buffer::Buffer(Buffer&& other) noexcept : block_(std::exchange(other.block_, nullptr)) {}

Buffer& Buffer::operator=(Buffer other) noexcept {
  std::swap(block_, other.block_);
  return *this;
}

Buffer::~Buffer() {
  if (block_ == nullptr) return;
  if (block_->references.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
  PoolState& state = *block_->owner;
  internal::put_to_sleep(block_);
  if (block_->tier == internal::kOversize) {
    state.oversize_bytes.fetch_sub(block_->size, std::memory_order_relaxed);
    internal::free_block(block_, state.shared.budget());
    return;
  }
  PoolState::Tier& tier = state.tiers[block_->tier];
  if (state.owner.load(std::memory_order_relaxed) != std::this_thread::get_id()) {
    tier.returned_elsewhere.fetch_add(1, std::memory_order_release);
    state.shared.accept(block_);
    return;
  }
  internal::count(tier.returned);
  if (tier.free.size() < state.shared.options().local_free[block_->tier]) {
    tier.free.push_back(block_);
    tier.show_idle();
  } else {
    state.shared.accept(block_);
  }
}

MutableBytes Buffer::bytes() const {
  return block_ == nullptr ? MutableBytes{} : MutableBytes(block_->data, block_->size);
}

size_t Buffer::size() const { return block_ == nullptr ? 0 : block_->size; }

void Buffer::mark_sensitive() {
  CHECK(block_ != nullptr, "only a buffer with bytes can hold credentials");
  block_->sensitive.store(true, std::memory_order_relaxed);
}

SharedBuffers::SharedBuffers(MemoryBudget& budget, BufferPoolOptions options)
    : budget_(budget), options_(options) {
  for (size_t tier = 0; tier < free_.size(); ++tier)
    free_[tier].reserve(options_.shared_free[tier]);
}

SharedBuffers::~SharedBuffers() {
  trim();
  for (const auto& state : states_) {
    CHECK(state->oversize_bytes == 0, "no buffer outlives the overflow it belongs to");
    for (const auto& tier : state->tiers) {
      CHECK(tier.in_use() == 0, "no buffer outlives the overflow it belongs to");
    }
  }
}

size_t SharedBuffers::trim() {
  std::array<std::vector<BufferBlock*>, 3> idle;
  {
    const std::lock_guard lock(mutex_);
    for (size_t tier = 0; tier < free_.size(); ++tier) {
      idle[tier].assign(free_[tier].begin(), free_[tier].end());
      free_[tier].clear();
    }
  }
  size_t freed = 0;
  for (const auto& blocks : idle) {
    for (BufferBlock* block : blocks) freed += internal::free_block(block, budget_);
  }
  return freed;
}

std::array<size_t, 3> SharedBuffers::idle() const {
  const std::lock_guard lock(mutex_);
  return {free_[0].size(), free_[1].size(), free_[2].size()};
}

PoolState& SharedBuffers::make_state() {
  const std::lock_guard lock(mutex_);
  states_.push_back(std::make_unique<PoolState>(*this));
  return *states_.back();
}

void SharedBuffers::draw(size_t tier, size_t most, std::vector<BufferBlock*>& out) {
  const std::lock_guard lock(mutex_);
  auto& free = free_[tier];
  for (; most > 0 && !free.empty(); --most) {
    out.push_back(free.back());
    free.pop_back();
  }
}

size_t SharedBuffers::accept(BufferBlock* block) {
  {
    const std::lock_guard lock(mutex_);
    auto& free = free_[block->tier];
    if (free.size() < options_.shared_free[block->tier]) {
      free.push_back(block);
      return 0;
    }
  }
  return internal::free_block(block, budget_);
}

BufferPool::BufferPool(SharedBuffers& shared) : shared_(shared), state_(shared.make_state()) {
  for (size_t tier = 0; tier < state_.tiers.size(); ++tier) {
    state_.tiers[tier].free.reserve(shared.options().local_free[tier] + 1);
  }
}

BufferPool::~BufferPool() {
  // Nobody owns the state from here on: whatever is still out comes back through the overflow.
  state_.owner.store(std::thread::id(), std::memory_order_relaxed);
  for (auto& tier : state_.tiers) {
    for (BufferBlock* block : tier.free) shared_.accept(block);
    tier.free.clear();
    tier.show_idle();
  }
}

void BufferPool::adopt() {
  state_.owner.store(std::this_thread::get_id(), std::memory_order_relaxed);
}

Result<Buffer> BufferPool::take(size_t size) {
  const auto owner = state_.owner.load(std::memory_order_relaxed);
  if (owner == std::thread::id()) adopt();
  CHECK(owner == std::thread::id() || owner == std::this_thread::get_id(),
        "a pool hands out buffers only to the worker that owns it");
  const size_t index = internal::tier_for(size);
  if (index == internal::kOversize) return take_oversize(size);

  PoolState::Tier& tier = state_.tiers[index];
  BufferBlock* block = nullptr;
  if (tier.free.empty()) {
    // A sixteenth at once, so that a pool whose buffers all die elsewhere seldom takes the lock.
    const size_t batch = std::max<size_t>(1, shared_.options().local_free[index] / 16);
    shared_.draw(index, batch, tier.free);
  }
  if (!tier.free.empty()) {
    block = tier.free.back();
    tier.free.pop_back();
    tier.show_idle();
    internal::count(state_.hits);
  } else {
    block = allocate(index);
    if (block == nullptr && trim() + shared_.trim() > 0) block = allocate(index);
    if (block == nullptr) return fail(Errc::out_of_memory);
    internal::count(state_.misses);
  }
  internal::wake(block, state_);
  internal::count(tier.taken);
  tier.peak_in_use = std::max(tier.peak_in_use, tier.in_use());
  return Buffer(block);
}

Result<Buffer> BufferPool::take_oversize(size_t size) {
  MemoryBudget& budget = shared_.budget();
  if (size > budget.cap()) return fail(Errc::out_of_memory);
  const size_t mapped = (size + internal::kPage - 1) / internal::kPage * internal::kPage;
  const size_t charge = internal::charge_of(mapped);
  if (!budget.try_take(charge) && (trim() + shared_.trim() == 0 || !budget.try_take(charge))) {
    return fail(Errc::out_of_memory);
  }
  BufferBlock* block = internal::new_block(internal::kOversize, mapped);
  if (block == nullptr) {
    budget.give_back(charge);
    return fail(Errc::out_of_memory);
  }
  internal::count(state_.misses);
  state_.oversize_bytes.fetch_add(mapped, std::memory_order_relaxed);
  internal::wake(block, state_);
  return Buffer(block);
}

BufferBlock* BufferPool::allocate(size_t tier) {
  const size_t size = kBufferTiers[tier];
  if (!shared_.budget().try_take(internal::charge_of(size))) return nullptr;
  BufferBlock* block = internal::new_block(tier, size);
  if (block == nullptr) shared_.budget().give_back(internal::charge_of(size));
  return block;
}

size_t BufferPool::trim() {
  size_t freed = 0;
  for (auto& tier : state_.tiers) {
    for (BufferBlock* block : tier.free) freed += internal::free_block(block, shared_.budget());
    tier.free.clear();
    tier.show_idle();
  }
  return freed;
}

void BufferPool::rebalance() {
  for (size_t index = 0; index < state_.tiers.size(); ++index) {
    PoolState::Tier& tier = state_.tiers[index];
    const size_t in_use = tier.in_use();
    const size_t peak = std::exchange(tier.peak_in_use, in_use);
    const size_t held = in_use + tier.free.size();
    const size_t wanted = (peak * 5 + 3) / 4;  // of which the peak is 80 %
    if (peak * 10 > held * 8) {
      const size_t room = shared_.options().local_free[index];
      while (in_use + tier.free.size() < wanted && tier.free.size() < room) {
        BufferBlock* block = allocate(index);
        if (block == nullptr) break;
        internal::put_to_sleep(block);
        tier.free.push_back(block);
      }
      tier.show_idle();
    } else if (peak * 10 < held * 3) {
      shrink(index, wanted > in_use ? wanted - in_use : 0);
    }
  }
}

void BufferPool::shrink(size_t tier, size_t keep) {
  auto& free = state_.tiers[tier].free;
  // The front has been idle longest: the list is used from its back.
  const size_t surplus = free.size() > keep ? free.size() - keep : 0;
  for (size_t i = 0; i < surplus; ++i) shared_.accept(free[i]);
  free.erase(free.begin(), free.begin() + static_cast<std::ptrdiff_t>(surplus));
  state_.tiers[tier].show_idle();
}

BufferPool::Stats BufferPool::stats() const {
  Stats stats;
  for (size_t tier = 0; tier < state_.tiers.size(); ++tier) {
    stats.in_use[tier] = state_.tiers[tier].in_use();
    stats.idle[tier] = state_.tiers[tier].idle.load(std::memory_order_relaxed);
  }
  stats.hits = state_.hits.load(std::memory_order_relaxed);
  stats.misses = state_.misses.load(std::memory_order_relaxed);
  stats.oversize_bytes = state_.oversize_bytes.load(std::memory_order_relaxed);
  return stats;
}

}  // namespace sluice
