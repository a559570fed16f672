#include "io/uring/uring_io.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "io/page_cache.h"

namespace sluice::io {

UringIo::UringIo(AsioExecutor& executor, AsyncIo& threads)
    : executor_(executor), threads_(threads), slots_(executor.loops()) {}

Ring* UringIo::ring() {
  Loop* const loop = Loop::current();
  CHECK(loop != nullptr, "file operations are asked for on a loop");
  auto& slot = slots_[loop->index()];
  if (!std::exchange(slot.tried, true)) {
    if (auto made = Ring::make(executor_.loop(loop->index()))) slot.ring = std::move(*made);
  }
  return slot.ring.get();
}

Task<int64_t> UringIo::fdatasync(int descriptor) {
  Ring* const ring = this->ring();
  if (ring == nullptr) return threads_.fdatasync(descriptor);
  return ring->run(
      [=](io_uring_sqe* entry) { io_uring_prep_fsync(entry, descriptor, IORING_FSYNC_DATASYNC); });
}

Task<int64_t> UringIo::preadv(int descriptor, std::span<const iovec> parts, uint64_t position) {
  Ring* const ring = this->ring();
  if (ring == nullptr) return threads_.preadv(descriptor, parts, position);
  return ring->run([=](io_uring_sqe* entry) {
    io_uring_prep_readv(entry, descriptor, parts.data(), static_cast<unsigned>(parts.size()),
                        position);
  });
}

Task<int64_t> UringIo::pwritev(int descriptor, std::span<const iovec> parts, uint64_t position) {
  Ring* const ring = this->ring();
  if (ring == nullptr) return threads_.pwritev(descriptor, parts, position);
  return ring->run([=](io_uring_sqe* entry) {
    io_uring_prep_writev(entry, descriptor, parts.data(), static_cast<unsigned>(parts.size()),
                         position);
    // Else the copy into the page cache, or a wait for its lock, would happen on our thread.
    io_uring_sqe_set_flags(entry, IOSQE_ASYNC);
  });
}

Task<int64_t> UringIo::read_ahead(int descriptor, uint64_t position, uint64_t length) {
  Ring* const ring = this->ring();
  if (ring == nullptr) co_return co_await threads_.read_ahead(descriptor, position, length);
  const MutableBytes scratch = ring->scratch();
  const uint64_t end = position + length;
  while (position < end) {
    const auto size = static_cast<unsigned>(std::min<uint64_t>(scratch.size(), end - position));
    const int64_t count = co_await ring->run([=](io_uring_sqe* entry) {
      io_uring_prep_read(entry, descriptor, scratch.data(), size, position);
      io_uring_sqe_set_flags(entry, IOSQE_ASYNC);  // else the copy would happen on our thread
    });
    if (count == -EINTR) continue;
    if (count < 0) co_return count;
    if (count == 0) break;
    position += static_cast<uint64_t>(count);
  }
  co_return 0;
}

Task<int64_t> UringIo::read_through(int descriptor, uint64_t position, MutableBytes out) {
  Ring* const ring = this->ring();
  if (ring != nullptr && !page_cache::keeps_what_it_reads()) {
    const int64_t count = co_await ring->run([=](io_uring_sqe* entry) {
      io_uring_prep_read(entry, descriptor, out.data(), static_cast<unsigned>(out.size()),
                         position);
      entry->rw_flags = page_cache::kDontCache;
      io_uring_sqe_set_flags(entry, IOSQE_ASYNC);  // else the copy would happen on our thread
    });
    // Where the kernel or the file system cannot, the threads find another way.
    if (count != -EOPNOTSUPP && count != -EINVAL) co_return count;
  }
  co_return co_await threads_.read_through(descriptor, position, out);
}

Task<int64_t> UringIo::run(std::move_only_function<int64_t()> work) {
  return threads_.run(std::move(work));
}

}  // namespace sluice::io
