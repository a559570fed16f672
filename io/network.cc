#include "io/network.h"

#include <charconv>
#include <vector>

namespace sluice::io {
namespace {

std::unexpected<Error> bad_endpoint(std::string_view text, std::string_view why) {
  return fail(Errc::invalid_argument, "address '" + std::string(text) + "': " + std::string(why) +
                                          "; write host:port or [IPv6]:port");
}

size_t total_size(std::span<const ByteView> parts) {
  size_t total = 0;
  for (const auto& part : parts) total += part.size();
  return total;
}

/// What is left of `parts` behind the first `count` bytes.
void drop_front(std::span<ByteView>& parts, size_t count) {
  while (!parts.empty() && count >= parts.front().size()) {
    count -= parts.front().size();
    parts = parts.subspan(1);
  }
  if (!parts.empty()) parts.front() = parts.front().subspan(count);
}

Task<Result<>> write_rest(Socket& socket, std::span<const ByteView> parts, size_t written) {
  std::vector<ByteView> copy(parts.begin(), parts.end());
  std::span<ByteView> rest(copy);
  drop_front(rest, written);
  while (!rest.empty()) {
    auto count = socket.try_write(rest, false);
    if (count) {
      drop_front(rest, *count);
    } else if (count.error() == Errc::would_block) {
      CO_RETURN_IF_ERROR(co_await socket.writable());
    } else {
      co_return fail(std::move(count).error());
    }
  }
  co_return Result<>{};
}

}  // namespace

Result<Endpoint> Endpoint::parse(std::string_view text) {
  const size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return bad_endpoint(text, "the port is missing");
  std::string_view host = text.substr(0, colon);
  const std::string_view port = text.substr(colon + 1);
  if (host.starts_with('[')) {
    if (!host.ends_with(']')) return bad_endpoint(text, "the closing bracket is missing");
    host = host.substr(1, host.size() - 2);
    if (host.find(':') == std::string_view::npos) {
      return bad_endpoint(text, "brackets are for IPv6 addresses");
    }
  } else if (host.find(':') != std::string_view::npos) {
    return bad_endpoint(text, "an IPv6 address needs brackets around it");
  }
  if (host.empty()) return bad_endpoint(text, "the host is missing");
  Endpoint endpoint{std::string(host)};
  const char* const end = port.data() + port.size();
  const auto [rest, error] = std::from_chars(port.data(), end, endpoint.port);
  if (error != std::errc{} || rest != end) {
    return bad_endpoint(text, "the port is not a number from 0 to 65535");
  }
  return endpoint;
}

std::string Endpoint::to_string() const {
  const bool v6 = host.find(':') != std::string::npos;
  return (v6 ? "[" + host + "]" : host) + ":" + std::to_string(port);
}

Task<Result<>> write_all(Socket& socket, std::span<const ByteView> parts) {
  auto count = socket.try_write(parts, false);
  if (!count && !(count.error() == Errc::would_block)) {
    return Task<Result<>>::ready(fail(std::move(count).error()));
  }
  const size_t written = count.value_or(0);
  if (written == total_size(parts)) return Task<Result<>>::ready();
  return write_rest(socket, parts, written);
}

Task<Result<>> read_exactly(Socket& socket, MutableBytes out) {
  while (!out.empty()) {
    auto count = socket.try_read(out);
    if (count) {
      if (*count == 0) {
        co_return fail(Errc::connection_closed, socket.peer().to_string() + ": the stream ended " +
                                                    std::to_string(out.size()) + " bytes early");
      }
      out = out.subspan(*count);
    } else if (count.error() == Errc::would_block) {
      CO_RETURN_IF_ERROR(co_await socket.readable());
    } else {
      co_return fail(std::move(count).error());
    }
  }
  co_return Result<>{};
}

}  // namespace sluice::io
