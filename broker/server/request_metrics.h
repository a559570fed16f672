#pragma once

#include <array>
#include <cstddef>
#include <span>
#include <string_view>
#include <vector>

#include "base/metrics.h"
#include "broker/server/exchange.h"

namespace sluice::broker {

/// Requests of one protocol: how many by API, and where their time went by API and phase.
///   read: from the first byte of the frame to its last; queue: until its handler began; wait: a
///   fetch for records that were not written yet; disk: the rest until what was asked for was read
///   or written (for a produce: appended); replicas: until a produce had its acknowledgements, be
///   it of the flush or of others; send: until the system had all of the response.
class RequestMetrics {
 public:
  RequestMetrics(MetricsRegistry& metrics, std::string_view protocol,
                 std::span<const std::string_view> apis);

  /// A response that was sent; on the loop with that index.
  void record(size_t loop, const Exchange& exchange, TimePoint sent);

 private:
  static constexpr size_t kPhases = 6;
  struct Api {
    Counter* requests;
    Histogram* total;
    std::array<Histogram*, kPhases> phases;
  };
  std::vector<Api> apis_;
};

}  // namespace sluice::broker
