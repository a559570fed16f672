#include "io/posix/async_io.h"

#include <cerrno>
#include <utility>

#include <unistd.h>

#include "io/page_cache.h"

namespace sluice::io {
namespace {

int64_t or_errno(ssize_t result) { return result < 0 ? -errno : result; }

}  // namespace

Task<int64_t> ThreadIo::fdatasync(int descriptor) {
  return run([=] { return or_errno(::fdatasync(descriptor)); });
}

Task<int64_t> ThreadIo::preadv(int descriptor, std::span<const iovec> parts, uint64_t position) {
  return run([=] {
    return or_errno(::preadv(descriptor, parts.data(), static_cast<int>(parts.size()),
                             static_cast<off_t>(position)));
  });
}

Task<int64_t> ThreadIo::pwritev(int descriptor, std::span<const iovec> parts, uint64_t position) {
  return run([=] {
    return or_errno(::pwritev(descriptor, parts.data(), static_cast<int>(parts.size()),
                              static_cast<off_t>(position)));
  });
}

Task<int64_t> ThreadIo::read_ahead(int descriptor, uint64_t position, uint64_t length) {
  return run([=] { return page_cache::read_ahead(descriptor, position, length); });
}

Task<int64_t> ThreadIo::read_through(int descriptor, uint64_t position, MutableBytes out) {
  return run([=] { return page_cache::read_through(descriptor, position, out); });
}

Task<int64_t> ThreadIo::run(std::move_only_function<int64_t()> work) {
  return executor_.offload(std::move(work));
}

}  // namespace sluice::io
