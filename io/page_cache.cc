#include "io/page_cache.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstddef>

#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>

#include <fcntl.h>
#include <unistd.h>

namespace sluice::io::page_cache {
namespace {

// Neither glibc 2.36 nor its kernel headers know cachestat (Linux 6.5), see cachestat(2).
constexpr long kCachestatCall = 451;
struct CachestatRange {
  uint64_t position, length;
};
struct Cachestat {
  uint64_t cached, dirty, in_write_back, evicted, recently_evicted;
};

constexpr uint64_t kPage = 4096;
constexpr uint64_t kProbeStep = 64 << 10;

/// Pages of the range in memory, or -errno.
int64_t cached_pages(int descriptor, uint64_t position, uint64_t length) {
  const CachestatRange range{position, length};
  Cachestat result{};
  if (syscall(kCachestatCall, descriptor, &range, &result, 0) != 0) return -errno;
  return static_cast<int64_t>(result.cached);
}

uint64_t pages_between(uint64_t position, uint64_t end) {
  return (end + kPage - 1) / kPage - position / kPage;
}

/// The longest resident prefix by bisection: the count over a prefix is its page count exactly when
/// all of it is there.
int64_t resident_by_cachestat(int descriptor, uint64_t position, uint64_t length) {
  const uint64_t total = pages_between(position, position + length);
  int64_t cached = cached_pages(descriptor, position, length);
  if (cached < 0) return cached;
  uint64_t whole = 0;
  uint64_t least_missing = std::min(static_cast<uint64_t>(cached) + 1, total);
  if (static_cast<uint64_t>(cached) >= total) return static_cast<int64_t>(length);
  // Pages [0, whole) are there; of the first least_missing one is not, or it is the first after.
  while (whole + 1 < least_missing) {
    const uint64_t middle = whole + (least_missing - whole) / 2;
    const uint64_t end = (position / kPage + middle) * kPage;
    cached = cached_pages(descriptor, position, end - position);
    if (cached < 0) return cached;
    (static_cast<uint64_t>(cached) >= middle ? whole : least_missing) = middle;
  }
  const uint64_t end = (position / kPage + whole) * kPage;
  return static_cast<int64_t>(end > position ? std::min(end - position, length) : 0);
}

/// A page that is not there, or whose read is under way, says so: what lies behind the last that
/// did not is not counted.
int64_t resident_by_probes(int descriptor, uint64_t position, uint64_t length) {
  const uint64_t end = position + length;
  uint64_t sure = position;
  for (uint64_t at = position; at < end;) {
    std::byte byte{};
    const iovec part{&byte, 1};
    const ssize_t count = preadv2(descriptor, &part, 1, static_cast<off_t>(at), RWF_NOWAIT);
    if (count < 0 && errno != EAGAIN) return -errno;
    if (count <= 0) return static_cast<int64_t>(sure - position);
    sure = std::min((at / kPage + 1) * kPage, end);
    if (at == end - 1) break;
    at = std::min((at / kProbeStep + 1) * kProbeStep, end - 1);
  }
  return static_cast<int64_t>(length);
}

/// The prefix of pages that hold what they should, by mincore(2): exact, but of files that this
/// process neither owns nor may write the system says nothing but yes.
int64_t valid_by_mincore(int descriptor, uint64_t position, uint64_t length) {
  constexpr size_t kPagesAtOnce = 1024;
  const uint64_t begin = position / kPage * kPage;
  const uint64_t end = position + length;
  void* const map =
      mmap(nullptr, end - begin, PROT_READ, MAP_SHARED, descriptor, static_cast<off_t>(begin));
  if (map == MAP_FAILED) return -errno;
  int64_t error = 0;
  uint64_t valid = begin;
  for (bool whole = true; whole && error == 0 && valid < end;) {
    std::array<unsigned char, kPagesAtOnce> states{};
    const size_t pages = std::min<uint64_t>(pages_between(valid, end), kPagesAtOnce);
    if (mincore(static_cast<std::byte*>(map) + (valid - begin), pages * kPage, states.data()) !=
        0) {
      error = -errno;
    }
    size_t count = 0;
    while (error == 0 && count < pages && (states[count] & 1) != 0) ++count;
    valid += count * kPage;
    whole = count == pages;
  }
  munmap(map, end - begin);
  if (error != 0) return error;
  return static_cast<int64_t>(std::min(std::max(valid, position), end) - position);
}

std::atomic<bool> cachestat_refused{false};
std::atomic<bool> dont_cache_refused{false};

}  // namespace

int64_t resident(int descriptor, uint64_t position, uint64_t length) {
  struct stat status{};
  if (fstat(descriptor, &status) != 0) return -errno;
  const auto size = static_cast<uint64_t>(status.st_size);
  if (position >= size || length == 0) return 0;
  length = std::min(length, size - position);
  if (!cachestat_refused.load(std::memory_order_relaxed)) {
    const int64_t bytes = resident_by_cachestat(descriptor, position, length);
    if (bytes == 0) return 0;
    // It counts pages too that are still being read, for which a sendfile would wait.
    if (bytes > 0) length = static_cast<uint64_t>(bytes);
    if (bytes == -ENOSYS) cachestat_refused.store(true, std::memory_order_relaxed);
  }
  const uid_t self = geteuid();
  if (self == 0 || self == status.st_uid) return valid_by_mincore(descriptor, position, length);
  return resident_by_probes(descriptor, position, length);
}

int64_t read_ahead(int descriptor, uint64_t position, uint64_t length) {
  constexpr uint64_t kStretch = 1 << 20;
  // Reading is the only way to know that the pages came: readahead(2) returns before they do.
  std::array<std::byte, 64 << 10> scratch;
  const uint64_t end = position + length;
  uint64_t asked = position;
  for (uint64_t at = position; at < end;) {
    while (asked < end && asked < at + 2 * kStretch) {
      ::readahead(descriptor, static_cast<off_t>(asked), std::min(kStretch, end - asked));
      asked += kStretch;
    }
    const size_t want = std::min<uint64_t>(scratch.size(), end - at);
    const ssize_t count = pread(descriptor, scratch.data(), want, static_cast<off_t>(at));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return -errno;
    if (count == 0) break;
    at += static_cast<uint64_t>(count);
  }
  return 0;
}

bool keeps_what_it_reads() { return dont_cache_refused.load(std::memory_order_relaxed); }

int64_t read_through(int descriptor, uint64_t position, MutableBytes out) {
  const iovec part{out.data(), out.size()};
  const auto offset = static_cast<off_t>(position);
  if (!keeps_what_it_reads()) {
    const ssize_t count = preadv2(descriptor, &part, 1, offset, kDontCache);
    if (count >= 0) return count;
    if (errno != EOPNOTSUPP && errno != EINVAL && errno != ENOSYS) return -errno;
    dont_cache_refused.store(true, std::memory_order_relaxed);
  }
  const int64_t there = resident(descriptor, position, out.size());
  const ssize_t count = preadv(descriptor, &part, 1, offset);
  if (count < 0) return -errno;
  if (there < count) posix_fadvise(descriptor, offset, count, POSIX_FADV_DONTNEED);
  return count;
}

}  // namespace sluice::io::page_cache
