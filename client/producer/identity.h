#pragma once

#include "base/result.h"
#include "base/strong.h"
#include "client/cluster.h"
#include "io/sync.h"

namespace sluice::client {

struct ProducerIdentity {
  ProducerId id = kNoProducerId;
  ProducerEpoch epoch{-1};
};

/// The producer id that the partitions of a producer share, asked for when first needed.
class Identity {
 public:
  explicit Identity(Cluster& cluster) : cluster_(cluster) {}

  io::Task<Result<ProducerIdentity>> get();
  /// A new one, for a partition whose sequence has a gap.
  io::Task<Result<ProducerIdentity>> fresh();

 private:
  Cluster& cluster_;
  io::AsyncMutex asking_;
  ProducerIdentity identity_;
};

}  // namespace sluice::client
