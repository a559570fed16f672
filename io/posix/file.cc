#include "io/posix/file.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include <sys/mman.h>
#include <sys/stat.h>

#include <fcntl.h>
#include <limits.h>
#include <unistd.h>

#include "base/check.h"
#include "io/page_cache.h"

namespace sluice::io {
namespace {

iovec to_iovec(ByteView part) { return {const_cast<std::byte*>(part.data()), part.size()}; }

class PosixMap final : public MappedFile {
 public:
  PosixMap(void* start, size_t length) : start_(start), length_(length) {}
  ~PosixMap() override { munmap(start_, length_); }
  PosixMap(const PosixMap&) = delete;
  PosixMap& operator=(const PosixMap&) = delete;

  ByteView bytes(uint64_t position, size_t length) const override {
    CHECK(position <= length_ && length <= length_ - position, "the range lies within the map");
    return {static_cast<const std::byte*>(start_) + position, length};
  }
  size_t mapped_length() const override { return length_; }

 private:
  void* const start_;
  const size_t length_;
};

/// Parts of a write one behind the other; what a system call took is dropped from the front.
class Unwritten {
 public:
  explicit Unwritten(std::span<iovec> parts) : parts_(parts) { drop(0); }
  bool empty() const { return parts_.empty(); }
  std::span<const iovec> next() const {
    return parts_.first(std::min<size_t>(parts_.size(), IOV_MAX));
  }
  void drop(size_t count) {
    while (!parts_.empty() && count >= parts_.front().iov_len) {
      count -= parts_.front().iov_len;
      parts_ = parts_.subspan(1);
    }
    if (!parts_.empty()) {
      parts_.front().iov_base = static_cast<std::byte*>(parts_.front().iov_base) + count;
      parts_.front().iov_len -= count;
    }
  }

 private:
  std::span<iovec> parts_;
};

}  // namespace

Error file_error(int64_t number, std::string_view verb, const std::string& path) {
  return error_from_errno(static_cast<int>(number < 0 ? -number : number),
                          std::string(verb) + " " + path);
}

OwnedDescriptor::~OwnedDescriptor() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

PosixFile::PosixFile(int descriptor, std::string path, AsyncIo& async)
    : descriptor_(descriptor), path_(std::move(path)), async_(async) {}

Task<Result<size_t>> PosixFile::read_at(uint64_t position, MutableBytes out, Lane lane) {
  size_t done = 0;
  if (lane == Lane::hot || lane == Lane::commit) {
    while (done < out.size()) {
      const iovec part = to_iovec(out.subspan(done));
      const ssize_t count =
          preadv2(descriptor_.get(), &part, 1, static_cast<off_t>(position + done), RWF_NOWAIT);
      if (count == 0) return Task<Result<size_t>>::ready(done);
      if (count > 0) {
        done += static_cast<size_t>(count);
      } else if (errno != EINTR) {
        break;  // not in memory, not supported, or an error that the full read will tell
      }
    }
  }
  if (done == out.size()) return Task<Result<size_t>>::ready(done);
  return read_rest(position, out, done);
}

Task<Result<size_t>> PosixFile::read_rest(uint64_t position, MutableBytes out, size_t done) {
  while (done < out.size()) {
    const iovec part = to_iovec(out.subspan(done));
    const int64_t count = co_await async_.preadv(descriptor_.get(), {&part, 1}, position + done);
    if (count == -EINTR) continue;
    if (count < 0) co_return fail(file_error(count, "read", path_));
    if (count == 0) break;
    done += static_cast<size_t>(count);
  }
  co_return done;
}

Task<Result<>> PosixFile::write_at(uint64_t position, std::span<const ByteView> parts, Lane lane) {
  if (lane == Lane::hot || lane == Lane::commit) {
    return Task<Result<>>::ready(write_here(position, parts));
  }
  std::vector<iovec> list;
  list.reserve(parts.size());
  for (const auto& part : parts) list.push_back(to_iovec(part));
  return write_elsewhere(position, std::move(list));
}

Result<> PosixFile::write_here(uint64_t position, std::span<const ByteView> parts) const {
  std::array<iovec, 64> batch;
  while (!parts.empty()) {
    const size_t size = std::min(parts.size(), batch.size());
    std::ranges::transform(parts.first(size), batch.begin(), to_iovec);
    parts = parts.subspan(size);
    for (Unwritten rest({batch.data(), size}); !rest.empty();) {
      const auto next = rest.next();
      const ssize_t count = pwritev(descriptor_.get(), next.data(), static_cast<int>(next.size()),
                                    static_cast<off_t>(position));
      if (count < 0 && errno == EINTR) continue;
      if (count < 0) return fail(file_error(errno, "write", path_));
      position += static_cast<uint64_t>(count);
      rest.drop(static_cast<size_t>(count));
    }
  }
  return {};
}

Task<Result<>> PosixFile::write_elsewhere(uint64_t position, std::vector<iovec> parts) {
  for (Unwritten rest(parts); !rest.empty();) {
    const int64_t count = co_await async_.pwritev(descriptor_.get(), rest.next(), position);
    if (count == -EINTR) continue;
    if (count < 0) co_return fail(file_error(count, "write", path_));
    position += static_cast<uint64_t>(count);
    rest.drop(static_cast<size_t>(count));
  }
  co_return Result<>{};
}

Task<Result<>> PosixFile::sync(Lane) {
  const int64_t result = co_await async_.fdatasync(descriptor_.get());
  if (result < 0) co_return fail(file_error(result, "sync", path_));
  co_return Result<>{};
}

Task<Result<>> PosixFile::run(std::string_view verb, std::move_only_function<int64_t()> work) {
  const int64_t result = co_await async_.run(std::move(work));
  if (result < 0) co_return fail(file_error(result, verb, path_));
  co_return Result<>{};
}

Task<Result<>> PosixFile::start_write_back(uint64_t position, uint64_t length) {
  // It only hands the pages to the device's queue, but waits when that is full.
  return run("write back", [=, fd = descriptor_.get()]() -> int64_t {
    const int result = sync_file_range(fd, static_cast<off_t>(position), static_cast<off_t>(length),
                                       SYNC_FILE_RANGE_WRITE);
    return result < 0 && errno != ENOSYS && errno != ESPIPE ? -errno : 0;
  });
}

Task<Result<>> PosixFile::allocate(uint64_t position, uint64_t length) {
  return run("allocate", [=, fd = descriptor_.get()]() -> int64_t {
    if (length == 0) return 0;
    int result;
    do {
      result = fallocate(fd, FALLOC_FL_KEEP_SIZE, static_cast<off_t>(position),
                         static_cast<off_t>(length));
    } while (result < 0 && errno == EINTR);
    return result < 0 && errno != EOPNOTSUPP && errno != ENOSYS ? -errno : 0;
  });
}

Task<Result<>> PosixFile::truncate(uint64_t size) {
  return run("truncate", [=, fd = descriptor_.get()]() -> int64_t {
    return ftruncate(fd, static_cast<off_t>(size)) < 0 ? -errno : 0;
  });
}

Result<uint64_t> PosixFile::size() const {
  struct stat status{};
  if (fstat(descriptor_.get(), &status) != 0) return fail(file_error(errno, "stat", path_));
  return static_cast<uint64_t>(status.st_size);
}

Result<std::unique_ptr<MappedFile>> PosixFile::map(size_t length) {
  CHECK(length > 0, "a map has a length");
  void* const start = mmap(nullptr, length, PROT_READ, MAP_SHARED, descriptor_.get(), 0);
  if (start == MAP_FAILED) return fail(file_error(errno, "map", path_));
  return std::make_unique<PosixMap>(start, length);
}

Result<uint64_t> PosixFile::resident(uint64_t position, uint64_t length) const {
  const int64_t count = page_cache::resident(descriptor_.get(), position, length);
  if (count < 0) return fail(file_error(count, "look up the page cache for", path_));
  return static_cast<uint64_t>(count);
}

Task<Result<>> PosixFile::read_ahead(uint64_t position, uint64_t length) {
  const int64_t result = co_await async_.read_ahead(descriptor_.get(), position, length);
  if (result < 0) co_return fail(file_error(result, "read ahead", path_));
  co_return Result<>{};
}

Task<Result<size_t>> PosixFile::read_through(uint64_t position, MutableBytes out) {
  size_t done = 0;
  while (done < out.size()) {
    const int64_t count =
        co_await async_.read_through(descriptor_.get(), position + done, out.subspan(done));
    if (count == -EINTR) continue;
    if (count < 0) co_return fail(file_error(count, "read", path_));
    if (count == 0) break;
    done += static_cast<size_t>(count);
  }
  co_return done;
}

void PosixFile::drop_cache(uint64_t position, uint64_t length) {
  posix_fadvise(descriptor_.get(), static_cast<off_t>(position), static_cast<off_t>(length),
                POSIX_FADV_DONTNEED);
}

}  // namespace sluice::io
