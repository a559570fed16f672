#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/time.h"
#include "client/cli/output.h"
#include "io/network.h"
#include "io/system.h"

namespace sluice::cli {

/// Where brokers have their admin port unless they are told otherwise.
inline constexpr uint16_t kAdminPort = 9644;

/// HOST:PORT, or HOST alone for the usual port.
Result<io::Endpoint> parse_admin_address(std::string_view text);

/// What a broker's answer over HTTP holds; malformed_frame when it is none or was cut short,
/// not_found when there is no such page, else `internal` with the status.
Result<Json> document_of_answer(std::string_view answer, std::string_view path);

/// Pages of one broker's admin port. Blocks the calling thread, which must be no loop.
class AdminPages {
 public:
  explicit AdminPages(io::Endpoint at) : at_(std::move(at)) {}

  const io::Endpoint& address() const { return at_; }
  /// A JSON page, over a connection of its own. Errors name the address; timed_out when it takes
  /// longer than `limit`.
  Result<Json> get(std::string_view path, Duration limit = std::chrono::seconds(5));

 private:
  const io::Endpoint at_;
  io::System system_{
      {.workers = 1, .pool_threads = 1, .disk_backend = io::SystemOptions::DiskBackend::threads}};
};

}  // namespace sluice::cli
