#pragma once

#include "base/memory_budget.h"
#include "broker/metadata/forming.h"
#include "broker/metadata/membership.h"
#include "broker/metadata/peer_connection.h"
#include "io/runtime.h"

namespace sluice::broker {

/// What a broker asks at an address, whoever answers there: each over a connection of its own,
/// which says of which cluster it is, if any.
class Introductions {
 public:
  Introductions(io::Runtime& runtime, Membership& membership, MemoryBudget& memory,
                PeerConnectionOptions options = {})
      : runtime_(runtime), membership_(membership), memory_(memory), options_(options) {}

  /// Within the connect_timeout of the options.
  io::Task<Result<DiscoverAnswer>> discover(io::Endpoint at);
  /// Presents this broker where it is now. connection_ errors and wrong_cluster when nobody of its
  /// cluster is there come as connection_failed: a refusal is the word of a member.
  io::Task<Result<native::JoinClusterResponse>> join(io::Endpoint at, bool returning,
                                                     Duration timeout);

 private:
  io::Task<Result<native::ResponseHeader>> exchange(io::Endpoint at, native::RequestHeader request,
                                                    Duration timeout);

  io::Runtime& runtime_;
  Membership& membership_;
  MemoryBudget& memory_;
  const PeerConnectionOptions options_;
};

}  // namespace sluice::broker
