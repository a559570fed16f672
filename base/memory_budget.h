#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace sluice {

class MemoryBudget;

/// Bytes taken from a budget; gives them back when it dies. Move only.
class [[nodiscard]] Reservation {
 public:
  Reservation() = default;
  Reservation(Reservation&& other) noexcept;
  Reservation& operator=(Reservation&& other) noexcept;
  ~Reservation() { release(); }

  size_t size() const { return size_; }
  /// Takes `more` bytes on top; on failure nothing changed.
  Result<> grow(size_t more);
  /// Gives back down to `size` bytes.
  void shrink_to(size_t size);
  void release();

 private:
  friend class MemoryBudget;
  Reservation(MemoryBudget& from, size_t size) : from_(&from), size_(size) {}
  MemoryBudget* from_ = nullptr;
  size_t size_ = 0;
};

/// A node of the memory tree. The root is the broker's cap; every child draws from its parent, up
/// to a ceiling of its own. Taking is lock-free and fails as a whole: never a part. Thread-safe.
/// A node outlives its children and all reservations made on it.
class MemoryBudget {
 public:
  /// The root, with the cap in bytes.
  MemoryBudget(std::string name, size_t cap);
  ~MemoryBudget();
  MemoryBudget(const MemoryBudget&) = delete;
  MemoryBudget& operator=(const MemoryBudget&) = delete;

  /// A part of this budget; `ceiling` in bytes is cut to this node's cap. Made at start-up, before
  /// other threads look at the tree.
  MemoryBudget& child(std::string name, size_t ceiling);

  /// out_of_memory, without detail, when this node or one above it is spent.
  Result<Reservation> reserve(size_t bytes);
  /// As reserve, without an object to give it back: for pools that keep their own count.
  bool try_take(size_t bytes);
  void give_back(size_t bytes);

  std::string_view name() const { return name_; }
  size_t cap() const { return cap_; }
  size_t used() const { return used_.load(std::memory_order_relaxed); }
  size_t peak() const { return peak_.load(std::memory_order_relaxed); }
  uint64_t refusals() const { return refusals_.load(std::memory_order_relaxed); }
  const std::vector<std::unique_ptr<MemoryBudget>>& children() const { return children_; }

 private:
  MemoryBudget(std::string name, size_t cap, MemoryBudget* parent);

  const std::string name_;
  const size_t cap_;
  MemoryBudget* const parent_;
  std::atomic<size_t> used_{0};
  std::atomic<size_t> peak_{0};
  std::atomic<uint64_t> refusals_{0};
  std::vector<std::unique_ptr<MemoryBudget>> children_;
};

}  // namespace sluice
