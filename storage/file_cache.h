#pragma once

#include <atomic>
#include <cstddef>
#include <memory>
#include <mutex>
#include <vector>

namespace sluice::storage {

/// Something open that can be closed and opened again when it is next used: a descriptor, a map.
class Evictable {
 public:
  virtual ~Evictable() = default;
  /// Lets go of the resource: what was held, for the caller to destroy outside of any lock. Null
  /// when there is nothing or it must stay. Called with the cache's lock held.
  virtual std::shared_ptr<const void> evict() = 0;

 protected:
  /// Cheap enough for every use: a mark that the cache's hand clears.
  void mark_used() { used_.store(true, std::memory_order_relaxed); }

 private:
  friend class FileCache;
  static constexpr size_t kNotHeld = static_cast<size_t>(-1);
  std::atomic<bool> used_{false};
  size_t slot_ = kNotHeld;  // place in the cache's ring, under its lock
};

/// Keeps at most `limit` of its members open, second chance first out (the clock algorithm), so
/// that a use costs one store. What is in use stays open for its users and is only no longer
/// cached. Thread-safe; outlives its members.
class FileCache {
 public:
  explicit FileCache(size_t limit) : limit_(limit) {}
  FileCache(const FileCache&) = delete;
  FileCache& operator=(const FileCache&) = delete;

  /// `member` is open now. Closes others when there are more than the limit. To be called without
  /// the member's own lock.
  void opened(Evictable& member);
  /// Closes members that are not in use until at most so many are open, or none is left that can
  /// be; how many it closed.
  size_t shrink_to(size_t open);
  /// Before a member dies.
  void forget(Evictable& member);

  size_t open() const;
  size_t limit() const { return limit_; }

 private:
  using Closing = std::vector<std::shared_ptr<const void>>;
  /// Under the lock. `keep` stays; null: none needs to.
  void close_down_to(size_t open, const Evictable* keep, Closing& closing);
  void remove(size_t slot);

  const size_t limit_;
  mutable std::mutex mutex_;
  std::vector<Evictable*> ring_;
  size_t hand_ = 0;
};

}  // namespace sluice::storage
