#include "broker/admin/http.h"

#include <algorithm>
#include <cctype>

namespace sluice::broker {
namespace {

std::string lower(std::string_view text) {
  std::string lowered(text);
  std::ranges::transform(lowered, lowered.begin(),
                         [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return lowered;
}

std::string_view trimmed(std::string_view text) {
  const auto space = [](char c) { return c == ' ' || c == '\t'; };
  while (!text.empty() && space(text.front())) text.remove_prefix(1);
  while (!text.empty() && space(text.back())) text.remove_suffix(1);
  return text;
}

std::string_view reason_of(uint16_t status) {
  switch (status) {
    case 200:
      return "OK";
    case 400:
      return "Bad Request";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 431:
      return "Request Header Fields Too Large";
    case 503:
      return "Service Unavailable";
    default:
      return "Status";
  }
}

Result<HttpRequest> parse_request_line(std::string_view line) {
  const size_t first = line.find(' ');
  const size_t last = line.rfind(' ');
  if (first == std::string_view::npos || first == last) return fail(Errc::invalid_request);
  const std::string_view target = line.substr(first + 1, last - first - 1);
  const std::string_view version = line.substr(last + 1);
  if (first == 0 || !target.starts_with('/') || !version.starts_with("HTTP/1.")) {
    return fail(Errc::invalid_request);
  }
  HttpRequest request{.method = std::string(line.substr(0, first))};
  const size_t mark = target.find('?');
  request.path = target.substr(0, mark);
  if (mark != std::string_view::npos) request.query = target.substr(mark + 1);
  request.keep_alive = version != "HTTP/1.0";
  return request;
}

Result<> read_field(std::string_view line, HttpRequest& request) {
  const size_t colon = line.find(':');
  if (colon == std::string_view::npos || colon == 0) return fail(Errc::invalid_request);
  const std::string name = lower(line.substr(0, colon));
  const std::string value = lower(trimmed(line.substr(colon + 1)));
  if (name == "connection") {
    if (value == "close") request.keep_alive = false;
    if (value == "keep-alive") request.keep_alive = true;
  }
  // A body would be taken for the next request.
  if (name == "transfer-encoding" || (name == "content-length" && value != "0")) {
    return fail(Errc::invalid_request);
  }
  return {};
}

}  // namespace

Result<std::optional<ParsedHttp>> parse_http(std::string_view text) {
  const size_t end = text.substr(0, kMaxHttpRequest).find("\r\n\r\n");
  if (end == std::string_view::npos) {
    if (text.size() >= kMaxHttpRequest) return fail(Errc::frame_too_large);
    return std::optional<ParsedHttp>{};
  }
  std::string_view head = text.substr(0, end);
  const size_t line_end = std::min(head.find("\r\n"), head.size());
  ASSIGN_OR_RETURN(HttpRequest request, parse_request_line(head.substr(0, line_end)));
  head.remove_prefix(line_end);
  while (!head.empty()) {
    head.remove_prefix(2);
    const size_t field_end = std::min(head.find("\r\n"), head.size());
    RETURN_IF_ERROR(read_field(head.substr(0, field_end), request));
    head.remove_prefix(field_end);
  }
  return ParsedHttp{std::move(request), end + 4};
}

std::string render_http(const HttpResponse& response, bool keep_alive, bool head) {
  std::string text = "HTTP/1.1 " + std::to_string(response.status) + " ";
  text += reason_of(response.status);
  text += "\r\nContent-Type: " + response.content_type;
  text += "\r\nContent-Length: " + std::to_string(response.body.size());
  text += keep_alive ? "\r\nConnection: keep-alive" : "\r\nConnection: close";
  if (response.status == 405) text += "\r\nAllow: GET, HEAD";
  text += "\r\n\r\n";
  if (!head) text += response.body;
  return text;
}

}  // namespace sluice::broker
