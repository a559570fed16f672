#pragma once

#include "base/metrics.h"
#include "broker/metadata/controller.h"
#include "broker/metadata/image.h"

namespace sluice::broker {

/// What records do to partitions, by number.
struct ChangeCounts {
  /// Another broker leads than before, or one where nobody led.
  uint64_t elections = 0;
  /// Of those: one that may lack what is committed.
  uint64_t unclean_elections = 0;
  uint64_t shrinks = 0;
  uint64_t expands = 0;
  bool operator==(const ChangeCounts&) const = default;
};

/// `before` is what the records were decided on.
ChangeCounts count_changes(const MetadataImage& before, const MetadataRecords& records);

/// What a broker has decided while it was the controller.
class ControllerMetrics {
 public:
  explicit ControllerMetrics(MetricsRegistry& registry);
  void add(size_t worker, const ChangeCounts& counts);

 private:
  Counter& elections_;
  Counter& unclean_elections_;
  Counter& shrinks_;
  Counter& expands_;
};

}  // namespace sluice::broker
