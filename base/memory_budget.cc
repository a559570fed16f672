#include "base/memory_budget.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace sluice {
namespace {

/// Adds `bytes` unless that would pass `cap`. Relaxed: the count orders no other memory.
bool add_below(std::atomic<size_t>& used, size_t bytes, size_t cap) {
  size_t seen = used.load(std::memory_order_relaxed);
  do {
    if (bytes > cap - seen) return false;
  } while (!used.compare_exchange_weak(seen, seen + bytes, std::memory_order_relaxed));
  return true;
}

void raise_to(std::atomic<size_t>& peak, size_t value) {
  size_t seen = peak.load(std::memory_order_relaxed);
  while (seen < value && !peak.compare_exchange_weak(seen, value, std::memory_order_relaxed)) {
  }
}

void subtract(std::atomic<size_t>& used, size_t bytes) {
  const size_t before = used.fetch_sub(bytes, std::memory_order_relaxed);
  CHECK(before >= bytes, "no more is given back to a budget than was taken from it");
}

}  // namespace

MemoryBudget::MemoryBudget(std::string name, size_t cap)
    : MemoryBudget(std::move(name), cap, nullptr) {}

MemoryBudget::MemoryBudget(std::string name, size_t cap, MemoryBudget* parent)
    : name_(std::move(name)), cap_(cap), parent_(parent) {}

MemoryBudget::~MemoryBudget() {
  CHECK(used() == 0, "a budget outlives everything that was reserved from it");
}

MemoryBudget& MemoryBudget::child(std::string name, size_t ceiling) {
  children_.emplace_back(new MemoryBudget(std::move(name), std::min(ceiling, cap_), this));
  return *children_.back();
}

Result<Reservation> MemoryBudget::reserve(size_t bytes) {
  if (!try_take(bytes)) return fail(Errc::out_of_memory);
  return Reservation(*this, bytes);
}

bool MemoryBudget::try_take(size_t bytes) {
  for (MemoryBudget* node = this; node != nullptr; node = node->parent_) {
    if (add_below(node->used_, bytes, node->cap_)) continue;
    node->refusals_.fetch_add(1, std::memory_order_relaxed);
    for (MemoryBudget* taken = this; taken != node; taken = taken->parent_) {
      subtract(taken->used_, bytes);
    }
    return false;
  }
  for (MemoryBudget* node = this; node != nullptr; node = node->parent_) {
    raise_to(node->peak_, node->used());
  }
  return true;
}

void MemoryBudget::give_back(size_t bytes) {
  // From the root down: nobody may see a child below its ceiling while the parent is still full.
  if (parent_ != nullptr) parent_->give_back(bytes);
  subtract(used_, bytes);
}

Reservation::Reservation(Reservation&& other) noexcept
    : from_(std::exchange(other.from_, nullptr)), size_(std::exchange(other.size_, 0)) {}

Reservation& Reservation::operator=(Reservation&& other) noexcept {
  if (this != &other) {
    release();
    from_ = std::exchange(other.from_, nullptr);
    size_ = std::exchange(other.size_, 0);
  }
  return *this;
}

Result<> Reservation::grow(size_t more) {
  CHECK(from_ != nullptr, "only a reservation on a budget can grow");
  if (!from_->try_take(more)) return fail(Errc::out_of_memory);
  size_ += more;
  return {};
}

void Reservation::shrink_to(size_t size) {
  CHECK(size <= size_, "a reservation shrinks to less than it holds");
  if (size == size_) return;
  from_->give_back(size_ - size);
  size_ = size;
}

void Reservation::release() {
  if (from_ != nullptr && size_ > 0) from_->give_back(size_);
  from_ = nullptr;
  size_ = 0;
}

}  // namespace sluice
