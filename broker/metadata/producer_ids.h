#pragma once

#include "base/result.h"
#include "base/strong.h"
#include "broker/metadata/store.h"
#include "io/sync.h"
#include "io/task.h"

namespace sluice::broker {

/// Gives out producer ids from blocks that are durably this broker's: an id is never given twice,
/// whatever crashes; what is left of a block then is lost. From any loop.
class ProducerIds {
 public:
  ProducerIds(MetadataStore& store, NodeId self) : store_(store), self_(self) {}

  /// Errors: those of MetadataStore::commit.
  io::Task<Result<ProducerId>> next();

 private:
  io::Task<Result<>> take_block();

  MetadataStore& store_;
  const NodeId self_;
  io::AsyncMutex mutex_;
  int64_t next_ = 0;
  int64_t end_ = 0;
};

}  // namespace sluice::broker
