#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/check.h"
#include "base/memory_budget.h"
#include "broker/server/protocol.h"
#include "broker/service/cluster_ports.h"
#include "broker/service/services.h"

namespace sluice::broker {

/// Who answers: what a hello tells.
struct NativeIdentity {
  std::string cluster_id;
  NodeId node_id{-1};
  std::string broker_version;
};

/// What fetch sessions are charged to; the budgets outlive who has this. Those of other brokers are
/// not for clients to spend.
struct SessionMemory {
  SessionMemory(MemoryBudget& of_clients, MemoryBudget& of_brokers)
      : clients(of_clients), brokers(of_brokers) {}
  explicit(false) SessionMemory(MemoryBudget& of_all) : SessionMemory(of_all, of_all) {}
  MemoryBudget& clients;
  MemoryBudget& brokers;
};

/// The native protocol (proto/native/PROTOCOL.md) over the services.
class NativeFrontEnd final : public FrontEnd {
 public:
  /// The services outlive it.
  NativeFrontEnd(Services services, SessionMemory sessions, NativeIdentity identity)
      : sessions_(sessions), identity_(std::move(identity)) {
    serve(services);
  }
  /// Of a broker in a cluster, whose id is the membership's. Until serve() it answers only what
  /// brokers need to form a cluster and to agree; `cluster` outlives it.
  NativeFrontEnd(SessionMemory sessions, NativeIdentity identity, ClusterPorts& cluster)
      : sessions_(sessions), identity_(std::move(identity)), cluster_(&cluster) {}

  /// Once; from here on clients are served.
  void serve(Services services) {
    CHECK(!serves(), "a front end gets its services once");
    services_.emplace(services);
    serves_.store(true, std::memory_order_release);
  }

  bool recognises(std::span<const std::byte, kOpeningBytes> opening) const override;
  std::optional<Caller> who_calls(ByteView begin) const override;
  size_t preamble() const override { return kOpeningBytes; }
  std::unique_ptr<Protocol> open(ProtocolPorts ports) override;
  std::string_view name() const override { return "native"; }
  std::span<const std::string_view> apis() const override;

  bool serves() const { return serves_.load(std::memory_order_acquire); }
  /// While it serves.
  const Services& services() const { return *services_; }
  /// Null when the broker runs alone.
  ClusterPorts* cluster() const { return cluster_; }
  /// Empty while there is none.
  std::string cluster_id() const {
    return cluster_ == nullptr ? identity_.cluster_id : cluster_->membership.cluster_id();
  }
  const SessionMemory& sessions() const { return sessions_; }
  const NativeIdentity& identity() const { return identity_; }

 private:
  std::optional<Services> services_;
  std::atomic<bool> serves_{false};
  const SessionMemory sessions_;
  const NativeIdentity identity_;
  ClusterPorts* const cluster_ = nullptr;
};

}  // namespace sluice::broker
