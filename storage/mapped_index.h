#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "base/bytes.h"
#include "base/guarded.h"
#include "base/time.h"
#include "io/disk.h"
#include "storage/file_cache.h"
#include "storage/segment_file.h"

namespace sluice::storage {

/// An append-only file of entries of one size, the body of a segment's indexes. What is in the file
/// is read through a map, made on demand; new entries sit in a tail of at most 4 KiB in memory
/// until it is written. (Stores through a map would bypass the disk's errors and raise SIGBUS on a
/// full disk.) One writer; views from any loop.
class MappedIndex final : public Evictable {
 public:
  static constexpr size_t kTailBytes = 4_KiB;

  struct Options {
    size_t entry_size = 8;
    /// Largest size of the file in bytes: what an index that still grows maps at once.
    size_t max_bytes = 10_MiB;
    /// Entries that the file holds already.
    size_t entries = 0;
  };
  /// `maps` says how many of all indexes are mapped at once, and how much of them.
  MappedIndex(std::shared_ptr<SegmentFile> file, FileCache& maps, Options options);
  ~MappedIndex() override;
  MappedIndex(const MappedIndex&) = delete;
  MappedIndex& operator=(const MappedIndex&) = delete;

 private:
  struct Tail {
    explicit Tail(size_t bytes) : entries(new std::byte[bytes]), capacity(bytes) {}
    const std::unique_ptr<std::byte[]> entries;
    const size_t capacity;
    std::atomic<size_t> count{0};
  };

 public:
  /// The entries at one moment; valid for as long as it lives, whatever is appended or cut.
  class View {
   public:
    size_t size() const { return in_file_ + in_tail_; }
    const std::byte* operator[](size_t at) const {
      return at < in_file_ ? mapped_->bytes(at * entry_size_, entry_size_).data()
                           : tail_->entries.get() + (at - in_file_) * entry_size_;
    }
    /// The first entry for which `before` is false, all before it being true.
    template <class Before>
    size_t partition_point(Before before) const {
      size_t low = 0, high = size();
      while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (before((*this)[middle])) {
          low = middle + 1;
        } else {
          high = middle;
        }
      }
      return low;
    }

   private:
    friend class MappedIndex;
    size_t entry_size_ = 1, in_file_ = 0, in_tail_ = 0;
    std::shared_ptr<io::MappedFile> mapped_;
    std::shared_ptr<const Tail> tail_;
  };

  /// Ready at once unless the file has to be mapped, or has left the page cache: then it is read
  /// into it first, away from the caller's thread, which would wait for the device in each fault.
  io::Task<Result<View>> view();

  // The writer's side.

  size_t size() const { return in_file_ + in_tail_; }
  bool full() const { return (size() + 1) * options_.entry_size > options_.max_bytes; }
  /// Adds an entry of entry_size bytes; the tail must have room, see needs_flush().
  void append(ByteView entry);
  bool needs_flush() const { return (in_tail_ + 1) * options_.entry_size > kTailBytes; }
  /// Writes the tail to the file and starts an empty one. On an error the tail is kept.
  io::Task<Result<>> flush(io::Lane lane);
  /// Gives up the entries of the tail: lookups then scan a little further.
  void drop_tail();
  /// Keeps the first `entries`. The file is cut by seal(): views made before may still look at what
  /// lies behind.
  void truncate(size_t entries);
  /// Writes the tail, frees it and cuts the file to its entries.
  io::Task<Result<>> seal(io::Lane lane);

  const std::shared_ptr<SegmentFile>& file() const { return file_; }
  std::shared_ptr<const void> evict() override;

 private:
  struct State {
    std::shared_ptr<io::MappedFile> mapped;
    std::shared_ptr<Tail> tail;
    size_t in_file = 0;
    /// Until then the file is taken to be in the page cache.
    TimePoint warm_until = TimePoint::min();
  };
  void replace_tail(std::shared_ptr<Tail> tail, size_t in_file);
  io::Task<Result<View>> map();
  io::Task<Result<>> warm(io::File& file);
  bool ready(const State& state) const;
  View view_of(const State& state) const;
  bool mapped_enough(const State& state) const;
  size_t tail_limit() const { return kTailBytes / options_.entry_size * options_.entry_size; }

  const std::shared_ptr<SegmentFile> file_;
  FileCache& maps_;
  const Options options_;
  Guarded<State> state_;
  // What the writer knows without the lock.
  std::shared_ptr<Tail> tail_;
  size_t in_tail_ = 0;
  size_t in_file_ = 0;
  /// The map of before a truncation, alive while a view of then is.
  std::weak_ptr<io::MappedFile> outdated_;
};

}  // namespace sluice::storage
