#include "client/cli/admin_page.h"

#include <array>
#include <charconv>
#include <memory>
#include <utility>

#include "base/bytes.h"
#include "io/block_on.h"
#include "io/loop.h"

namespace sluice::cli {
namespace {

/// The largest answer that is believed.
constexpr size_t kLargest = 64_MiB;

/// Ends whatever waits on the socket.
struct Limit final : io::Timer {
  Limit(io::Socket& of, TimePoint at) : socket(of) { io::Loop::current()->arm(*this, at); }
  ~Limit() {
    if (armed()) io::Loop::current()->disarm(*this);
  }
  void fire() override {
    over = true;
    socket.close();
  }

  io::Socket& socket;
  bool over = false;
};

io::Task<Result<std::string>> read_all(io::Socket& socket) {
  std::string text;
  for (;;) {
    std::array<std::byte, 4096> part;
    auto count = socket.try_read(part);
    if (!count && count.error() == Errc::would_block) {
      CO_RETURN_IF_ERROR(co_await socket.readable());
      continue;
    }
    if (!count) co_return fail(std::move(count).error());
    if (*count == 0) co_return text;
    text += as_text(ByteView(part).first(*count));
    if (text.size() > kLargest) co_return fail(Errc::frame_too_large);
  }
}

io::Task<Result<std::string>> exchange(io::Network& network, io::Endpoint to, std::string request,
                                       Duration limit) {
  const TimePoint deadline = io::Loop::current()->now() + limit;
  auto connected = co_await network.connect(std::move(to), deadline);
  // As with brokers: who could not be connected to in time was not reached.
  if (!connected && connected.error() == Errc::timed_out) co_return fail(Errc::connection_failed);
  CO_ASSIGN_OR_RETURN(const auto socket, std::move(connected));
  Limit timer(*socket, deadline);
  const std::array<ByteView, 1> parts = {as_bytes(request)};
  auto sent = co_await io::write_all(*socket, parts);
  if (timer.over) co_return fail(Errc::timed_out);
  if (!sent) co_return fail(std::move(sent).error());
  auto text = co_await read_all(*socket);
  if (timer.over) co_return fail(Errc::timed_out);
  co_return text;
}

/// The number behind "\r\nContent-Length: ", which our brokers always send.
Result<size_t> length_of(std::string_view head) {
  constexpr std::string_view kField = "\r\nContent-Length: ";
  const size_t at = head.find(kField);
  size_t length = 0;
  if (at != std::string_view::npos) {
    const std::string_view digits = head.substr(at + kField.size());
    const auto parsed = std::from_chars(digits.data(), digits.data() + digits.size(), length);
    if (parsed.ec == std::errc()) return length;
  }
  return fail(Errc::malformed_frame, "the answer does not say how long it is");
}

}  // namespace

Result<io::Endpoint> parse_admin_address(std::string_view text) {
  const bool bare_v6 = text.starts_with('[') && text.ends_with(']');
  const bool has_port = !bare_v6 && text.find(':') != std::string_view::npos;
  return io::Endpoint::parse(has_port ? std::string(text)
                                      : std::string(text) + ":" + std::to_string(kAdminPort));
}

Result<Json> document_of_answer(std::string_view answer, std::string_view path) {
  const size_t end = answer.find("\r\n\r\n");
  if (!answer.starts_with("HTTP/1.") || answer.size() < 12 || end == std::string_view::npos) {
    return fail(Errc::malformed_frame,
                "what answers there speaks no HTTP; name the broker's admin port");
  }
  const std::string_view head = answer.substr(0, end + 2);
  const std::string_view body = answer.substr(end + 4);
  const std::string status(answer.substr(9, 3));
  if (status == "404") {
    return fail(Errc::not_found,
                "there is no " + std::string(path) + "; is it an admin port of this version?");
  }
  if (status != "200") {
    return fail(Errc::internal, std::string(path) + " was answered with status " + status);
  }
  ASSIGN_OR_RETURN(const size_t length, length_of(head));
  if (body.size() != length) {
    return fail(Errc::malformed_frame,
                std::string(path) + " was cut short: " + std::to_string(body.size()) + " of " +
                    std::to_string(length) + " bytes came; try again");
  }
  Json document = Json::parse(body, nullptr, false);
  if (document.is_discarded()) {
    return fail(Errc::malformed_frame, std::string(path) + " is no JSON; is it an admin port?");
  }
  return document;
}

Result<Json> AdminPages::get(std::string_view path, Duration limit) {
  const std::string request =
      "GET " + std::string(path) + " HTTP/1.0\r\nHost: " + at_.to_string() + "\r\n\r\n";
  io::Runtime& runtime = system_.runtime();
  auto answer =
      io::block_on(runtime.executor.worker(0), exchange(runtime.network, at_, request, limit));
  auto document =
      answer ? document_of_answer(*answer, path) : Result<Json>(fail(std::move(answer).error()));
  if (document) return document;
  const std::string address = at_.to_string();
  // The system's own words name the address already.
  if (document.error().message().find(address) != std::string_view::npos) return document;
  return fail(std::move(document).error().with_context("admin port " + address));
}

}  // namespace sluice::cli
