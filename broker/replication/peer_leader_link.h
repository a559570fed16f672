#pragma once

#include <memory>

#include "base/memory_budget.h"
#include "broker/metadata/membership.h"
#include "broker/metadata/peer_connection.h"
#include "broker/replication/leader_link.h"
#include "io/runtime.h"

namespace sluice::broker {

/// Links over the native protocol, each with a connection of its own: a fetch session lives on one.
class PeerLeaderLinks final : public LeaderLinks {
 public:
  /// Answers are charged to `memory`. All outlive it.
  PeerLeaderLinks(io::Runtime& runtime, const Membership& membership, MemoryBudget& memory)
      : runtime_(runtime), membership_(membership), memory_(memory) {}

  std::unique_ptr<LeaderLink> link_to(NodeId leader, FetchLane lane, io::Loop& loop) override;
  /// Done when the connections of all links, which are gone by now, have ended.
  io::Task<void> stop() { return closing_.join(); }

 private:
  class Link;

  io::Runtime& runtime_;
  const Membership& membership_;
  MemoryBudget& memory_;
  io::Scope closing_;
};

}  // namespace sluice::broker
