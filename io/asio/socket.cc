#include "io/asio/socket.h"

#include <algorithm>
#include <cerrno>
#include <limits>
#include <utility>

#include <sys/sendfile.h>
#include <sys/socket.h>

#include <unistd.h>

#include "base/check.h"

namespace sluice::io {

AsioSocket::AsioSocket(int descriptor, Endpoint peer)
    : unattached_(descriptor), peer_(std::move(peer)) {}

AsioSocket::~AsioSocket() {
  if (unattached_ >= 0) ::close(unattached_);
}

void AsioSocket::attach(Loop& loop) {
  CHECK(!descriptor_, "a socket is attached to one loop at a time");
  descriptor_.emplace(static_cast<AsioLoop&>(loop), std::exchange(unattached_, -1));
}

void AsioSocket::detach() {
  CHECK(descriptor_, "a socket is attached before it is detached");
  unattached_ = descriptor_->release();
  descriptor_.reset();
}

std::unexpected<Error> AsioSocket::failed(std::string_view verb) const {
  const int error = errno;
  if (error == EAGAIN || error == EWOULDBLOCK) return fail(Errc::would_block);
  // EBADF: of a socket that we closed ourselves.
  return fail(error_from_errno(error == EBADF ? ENOTCONN : error,
                               std::string(verb) + " " + peer_.to_string()));
}

Result<size_t> AsioSocket::try_read(MutableBytes out) { return receive(out, 0); }
Result<size_t> AsioSocket::try_peek(MutableBytes out) { return receive(out, MSG_PEEK); }

Result<size_t> AsioSocket::receive(MutableBytes out, int flags) {
  while (true) {
    const ssize_t count = recv(descriptor_->get(), out.data(), out.size(), MSG_DONTWAIT | flags);
    if (count >= 0) return static_cast<size_t>(count);
    if (errno != EINTR) return failed("read from");
  }
}

Result<size_t> AsioSocket::try_write(std::span<const ByteView> parts, bool more) {
  std::array<iovec, 64> list;
  const size_t size = std::min(parts.size(), list.size());
  for (size_t i = 0; i < size; ++i) {
    list[i] = {const_cast<std::byte*>(parts[i].data()), parts[i].size()};
  }
  msghdr message{};
  message.msg_iov = list.data();
  message.msg_iovlen = size;
  const int flags = MSG_DONTWAIT | MSG_NOSIGNAL | (more || size < parts.size() ? MSG_MORE : 0);
  while (true) {
    const ssize_t count = sendmsg(descriptor_->get(), &message, flags);
    if (count >= 0) return static_cast<size_t>(count);
    if (errno != EINTR) return failed("write to");
  }
}

Result<size_t> AsioSocket::try_send_file(File& file, uint64_t position, size_t length, bool) {
  const auto source = file.descriptor();
  if (!source) {
    return fail(Errc::unsupported,
                file.path() + " has no descriptor to send from: read and write it");
  }
  auto offset = static_cast<off_t>(position);
  while (true) {
    // It has no MSG_MORE: the last packet of a range is never held back. SIGPIPE is blocked on
    // every thread of ours.
    const ssize_t count = sendfile(descriptor_->get(), *source, &offset, length);
    if (count >= 0) return static_cast<size_t>(count);
    if (errno == EIO) return fail(error_from_errno(EIO, "send " + file.path()));
    if (errno != EINTR) return failed("send a file to");
  }
}

Task<Result<>> AsioSocket::readable() { return wait(WaitingDescriptor::Event::readable); }
Task<Result<>> AsioSocket::writable() { return wait(WaitingDescriptor::Event::writable); }

Task<Result<>> AsioSocket::readable_by(TimePoint deadline) {
  return wait(WaitingDescriptor::Event::readable, deadline);
}

Task<Result<>> AsioSocket::wait(WaitingDescriptor::Event event, std::optional<TimePoint> deadline) {
  CHECK(descriptor_, "a socket is attached to a loop before it is used");
  return descriptor_->wait(event, deadline);
}

void AsioSocket::set_read_threshold(size_t bytes) {
  const int threshold =
      static_cast<int>(std::clamp<size_t>(bytes, 1, std::numeric_limits<int>::max()));
  if (std::exchange(read_threshold_, threshold) == threshold) return;
  // The kernel caps it at half of what the receive buffer may grow to, so it cannot wait for ever.
  setsockopt(descriptor_->get(), SOL_SOCKET, SO_RCVLOWAT, &threshold, sizeof threshold);
}

void AsioSocket::close() {
  if (descriptor_) {
    descriptor_->close();
  } else if (const int descriptor = std::exchange(unattached_, -1); descriptor >= 0) {
    ::close(descriptor);
  }
}

Task<Result<>> AsioSocket::connected(TimePoint deadline) {
  const auto waited = co_await descriptor_->wait(WaitingDescriptor::Event::writable, deadline);
  if (!waited) {
    co_return fail(Errc::timed_out, "connect to " + peer_.to_string() + " timed out");
  }
  int error = 0;
  socklen_t size = sizeof error;
  getsockopt(descriptor_->get(), SOL_SOCKET, SO_ERROR, &error, &size);
  if (error != 0) co_return fail(error_from_errno(error, "connect to " + peer_.to_string()));
  co_return Result<>{};
}

}  // namespace sluice::io
