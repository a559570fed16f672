#include "client/producer/memory_pool.h"

#include <algorithm>
#include <string>

namespace sluice::client {

struct MemoryPool::Waiter {
  size_t size;
  io::Signal granted;
  PooledBytes bytes;
};

PooledBytes::~PooledBytes() {
  if (pool_ != nullptr) pool_->give_back(std::move(bytes_), size_);
}

MemoryPool::MemoryPool(size_t total, size_t buffer_size)
    : total_(total), buffer_size_(buffer_size) {}

size_t MemoryPool::used() const {
  const std::lock_guard lock(mutex_);
  return used_;
}

size_t MemoryPool::waiters() const {
  const std::lock_guard lock(mutex_);
  return waiting_.size();
}

PooledBytes MemoryPool::grant(size_t size) {
  used_ += size;
  if (size == buffer_size_ && !idle_.empty()) {
    auto bytes = std::move(idle_.back());
    idle_.pop_back();
    return PooledBytes(this, std::move(bytes), size);
  }
  // Idle buffers give way, so that the heap never holds more than the total.
  while (!idle_.empty() && used_ + idle_.size() * buffer_size_ > total_) idle_.pop_back();
  return PooledBytes(this, std::make_unique_for_overwrite<std::byte[]>(size), size);
}

std::optional<PooledBytes> MemoryPool::try_take(size_t size) {
  const std::lock_guard lock(mutex_);
  if (!waiting_.empty() || size > total_ - used_) return std::nullopt;
  return grant(size);
}

io::Task<Result<PooledBytes>> MemoryPool::take(size_t size, TimePoint deadline) {
  if (size > total_) {
    co_return fail(Errc::batch_too_large, "a record needs " + std::to_string(size) +
                                              " bytes, buffer.memory is " + std::to_string(total_));
  }
  Waiter waiter{.size = size, .granted = {}, .bytes = {}};
  uint64_t ticket = 0;
  {
    const std::lock_guard lock(mutex_);
    if (waiting_.empty() && size <= total_ - used_) co_return grant(size);
    ticket = waiter.granted.ticket();
    waiting_.push_back(&waiter);
  }
  co_await waiter.granted.wait(ticket, deadline);
  size_t used = 0;
  size_t before = 0;
  {
    const std::lock_guard lock(mutex_);
    if (waiter.bytes) co_return std::move(waiter.bytes);
    const auto place = std::ranges::find(waiting_, &waiter);
    before = static_cast<size_t>(place - waiting_.begin());
    waiting_.erase(place);
    // It may have stood before others that need less.
    serve();
    used = used_;
  }
  co_return fail(Errc::timed_out, "no memory for " + std::to_string(size) +
                                      " bytes within max.block.ms: " + std::to_string(used) +
                                      " of " + std::to_string(total_) +
                                      " bytes of buffer.memory are in use, " +
                                      std::to_string(before) + " waited before");
}

void MemoryPool::give_back(std::unique_ptr<std::byte[]> bytes, size_t size) {
  const std::lock_guard lock(mutex_);
  used_ -= size;
  if (size == buffer_size_) idle_.push_back(std::move(bytes));
  serve();
}

void MemoryPool::serve() {
  while (!waiting_.empty() && waiting_.front()->size <= total_ - used_) {
    Waiter* first = waiting_.front();
    waiting_.pop_front();
    first->bytes = grant(first->size);
    first->granted.notify_all();
  }
}

}  // namespace sluice::client
