#pragma once

#include <map>
#include <memory>

#include "base/guarded.h"
#include "base/log.h"
#include "base/memory_budget.h"
#include "broker/metadata/membership.h"
#include "broker/metadata/peers.h"
#include "broker/replication/leader_link.h"
#include "io/runtime.h"

namespace sluice::broker {

/// What links are made of; all outlive them.
struct PeerLinksPorts {
  io::Runtime& runtime;
  const Membership& membership;
  /// For what was fetched and is not appended yet.
  MemoryBudget& memory;
  Logger log;
};

/// Links to leaders over the brokers' connections, with peers of its own on each loop that fetches.
class PeerLinks final : public LeaderLinks {
 public:
  explicit PeerLinks(PeerLinksPorts ports) : ports_(ports) {}

  /// The link dies before stop().
  std::unique_ptr<LeaderLink> link_to(NodeId leader, FetchLane lane, io::Loop& loop) override;
  /// Closes all connections, each on its loop.
  io::Task<void> stop();

 private:
  const PeerLinksPorts ports_;
  struct OnLoop {
    io::Loop* loop = nullptr;
    std::unique_ptr<Peers> peers;
  };
  /// By the loop's index: a simulated run must not depend on addresses.
  Guarded<std::map<size_t, OnLoop>> peers_;
};

}  // namespace sluice::broker
