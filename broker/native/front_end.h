#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/memory_budget.h"
#include "broker/server/protocol.h"
#include "broker/service/services.h"

namespace sluice::broker {

/// Who answers: what a hello tells.
struct NativeIdentity {
  std::string cluster_id;
  NodeId node_id{-1};
  std::string broker_version;
};

/// The native protocol (proto/native/PROTOCOL.md) over the services.
class NativeFrontEnd final : public FrontEnd {
 public:
  /// Fetch sessions are charged to `sessions`, which outlives it, as do the services.
  NativeFrontEnd(Services services, MemoryBudget& sessions, NativeIdentity identity)
      : services_(services), sessions_(sessions), identity_(std::move(identity)) {}

  bool recognises(std::span<const std::byte, kOpeningBytes> opening) const override;
  size_t preamble() const override { return kOpeningBytes; }
  std::unique_ptr<Protocol> open(ProtocolPorts ports) override;
  std::string_view name() const override { return "native"; }
  std::span<const std::string_view> apis() const override;

  const Services& services() const { return services_; }
  MemoryBudget& sessions() const { return sessions_; }
  const NativeIdentity& identity() const { return identity_; }

 private:
  const Services services_;
  MemoryBudget& sessions_;
  const NativeIdentity identity_;
};

}  // namespace sluice::broker
