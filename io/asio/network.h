#pragma once

#include "io/asio/executor.h"
#include "io/network.h"

namespace sluice::io {

/// TCP over IPv4 and IPv6 on the loops of an AsioExecutor.
class AsioNetwork final : public Network {
 public:
  explicit AsioNetwork(AsioExecutor& executor) : executor_(executor) {}

  /// SO_REUSEADDR, but never SO_REUSEPORT: a second broker on the port gets address_in_use. "::"
  /// takes IPv4 too.
  Task<Result<std::unique_ptr<Listener>>> listen(Endpoint at) override;
  /// Tries the host's addresses one after the other until one connects or the time is up.
  Task<Result<std::unique_ptr<Socket>>> connect(Endpoint to, TimePoint deadline) override;

 private:
  AsioExecutor& executor_;
};

}  // namespace sluice::io
