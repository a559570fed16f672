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
  // Under the cache's lock: the place in its ring, and what it holds.
  size_t slot_ = kNotHeld;
  size_t bytes_ = 0;
};

/// Keeps at most `limit` of its members open, and of those that hold bytes at most `most_bytes`,
/// second chance first out (the clock algorithm), so that a use costs one store. What is in use
/// stays open for its users and is only no longer cached. Thread-safe; outlives its members.
class FileCache {
 public:
  static constexpr size_t kAnyBytes = static_cast<size_t>(-1);

  explicit FileCache(size_t limit, size_t most_bytes = kAnyBytes)
      : limit_(limit), most_bytes_(most_bytes) {}
  FileCache(const FileCache&) = delete;
  FileCache& operator=(const FileCache&) = delete;

  /// `member` is open now, and holds so many bytes. Closes others when there are more than the
  /// limits. To be called without the member's own lock.
  void opened(Evictable& member, size_t bytes = 0);
  /// It holds so many bytes by now, if it is open; closes nothing.
  void grew(Evictable& member, size_t bytes);
  /// Closes members that are not in use until at most so many are open, or none is left that can
  /// be; how many it closed.
  size_t shrink_to(size_t open);
  /// Before a member dies.
  void forget(Evictable& member);

  size_t open() const;
  size_t limit() const { return limit_; }
  /// Held by all that are open.
  size_t bytes() const;
  size_t most_bytes() const { return most_bytes_; }

 private:
  using Closing = std::vector<std::shared_ptr<const void>>;
  /// Under the lock. `keep` stays; null: none needs to.
  void close_down_to(size_t open, const Evictable* keep, Closing& closing);
  void remove(size_t slot);

  const size_t limit_;
  const size_t most_bytes_;
  mutable std::mutex mutex_;
  std::vector<Evictable*> ring_;
  size_t bytes_ = 0;
  size_t hand_ = 0;
};

}  // namespace sluice::storage
