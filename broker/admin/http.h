#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "io/task.h"

namespace sluice::broker {

/// The little of HTTP/1.1 (RFC 9112) that scrapers, probes and browsers need: requests without a
/// body, answers with a length.
struct HttpRequest {
  std::string method;
  /// Without the query.
  std::string path;
  std::string query;
  bool keep_alive = true;
};

struct HttpResponse {
  uint16_t status = 200;
  std::string content_type = "text/plain; charset=utf-8";
  std::string body;
};

/// Bytes of a request line and its header fields together.
inline constexpr size_t kMaxHttpRequest = 8192;

/// The request at the start of `text`, and how many bytes it took; nothing while its end has not
/// come. invalid_request when it is none, frame_too_large when it is larger than kMaxHttpRequest.
struct ParsedHttp {
  HttpRequest request;
  size_t size = 0;
};
Result<std::optional<ParsedHttp>> parse_http(std::string_view text);

/// The bytes to send; `head` leaves the body out.
std::string render_http(const HttpResponse& response, bool keep_alive, bool head);

}  // namespace sluice::broker
