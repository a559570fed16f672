#include "io/console.h"

#include <cerrno>
#include <utility>

#include <sys/ioctl.h>
#include <sys/stat.h>

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

namespace sluice::io {
namespace {

int descriptor_of(StandardStream stream) { return static_cast<int>(stream); }

std::string_view name_of(StandardStream stream) {
  switch (stream) {
    case StandardStream::in:
      return "standard input";
    case StandardStream::out:
      return "standard output";
    case StandardStream::err:
      return "standard error";
  }
  std::unreachable();
}

}  // namespace

bool is_terminal(StandardStream stream) { return ::isatty(descriptor_of(stream)) == 1; }

size_t terminal_columns(StandardStream stream) {
  winsize size{};
  if (::ioctl(descriptor_of(stream), TIOCGWINSZ, &size) != 0) return 0;
  return size.ws_col;
}

bool reader_is_gone(StandardStream stream) {
  pollfd entry{.fd = descriptor_of(stream), .events = 0, .revents = 0};
  return ::poll(&entry, 1, 0) == 1 && (entry.revents & (POLLERR | POLLHUP)) != 0;
}

Result<> write_all(StandardStream stream, std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = ::write(descriptor_of(stream), text.data(), text.size());
    if (written >= 0) {
      text.remove_prefix(static_cast<size_t>(written));
    } else if (errno == EPIPE) {
      return fail(Errc::connection_closed);
    } else if (errno != EINTR) {
      return fail(error_from_errno(errno, std::string("write ") + std::string(name_of(stream))));
    }
  }
  return {};
}

InputStream::InputStream(int descriptor, std::string name)
    : descriptor_(descriptor), name_(std::move(name)) {}
InputStream::InputStream(InputStream&& other) noexcept
    : descriptor_(std::exchange(other.descriptor_, -1)), name_(std::move(other.name_)) {}
InputStream::~InputStream() {
  if (descriptor_ > STDERR_FILENO) ::close(descriptor_);
}

InputStream InputStream::standard_input() {
  return InputStream(STDIN_FILENO, std::string(name_of(StandardStream::in)));
}

Result<InputStream> InputStream::open(const std::string& path) {
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) return fail(error_from_errno(errno, path));
  InputStream stream(descriptor, path);
  struct stat status{};
  if (::fstat(descriptor, &status) == 0 && S_ISDIR(status.st_mode)) {
    return fail(Errc::invalid_argument, path + " is a directory; name a file");
  }
  // Advice only: without it the file is read all the same.
  static_cast<void>(::posix_fadvise(descriptor, 0, 0, POSIX_FADV_SEQUENTIAL));
  return stream;
}

Result<size_t> InputStream::read(MutableBytes out) {
  const ssize_t got = ::read(descriptor_, out.data(), out.size());
  if (got >= 0) return static_cast<size_t>(got);
  if (errno == EINTR) return fail(Errc::cancelled, name_ + ": interrupted");
  return fail(error_from_errno(errno, "read " + name_));
}

Result<std::string> read_text_file(const std::string& path, size_t limit) {
  ASSIGN_OR_RETURN(auto stream, InputStream::open(path));
  std::string text(limit + 1, '\0');
  size_t filled = 0;
  while (filled < text.size()) {
    const std::span<char> rest(text.data() + filled, text.size() - filled);
    ASSIGN_OR_RETURN(const size_t got, stream.read(std::as_writable_bytes(rest)));
    if (got == 0) break;
    filled += got;
  }
  if (filled > limit) {
    return fail(Errc::invalid_argument,
                path + " is larger than " + std::to_string(limit) + " bytes");
  }
  text.resize(filled);
  return text;
}

}  // namespace sluice::io
