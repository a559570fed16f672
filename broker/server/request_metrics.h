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
///   read: from the first byte of the frame to its last; queue: until its handler began; disk:
///   until the next request could begin (for a produce: the append); replicas: until the response
///   was ready (for a produce the acknowledgements, for a fetch the wait for data); send: until the
///   system had all of it.
class RequestMetrics {
 public:
  RequestMetrics(MetricsRegistry& metrics, std::string_view protocol,
                 std::span<const std::string_view> apis);

  /// A response that was sent; on the loop with that index.
  void record(size_t loop, const Exchange& exchange, TimePoint sent);

 private:
  static constexpr size_t kPhases = 5;
  struct Api {
    Counter* requests;
    Histogram* total;
    std::array<Histogram*, kPhases> phases;
  };
  std::vector<Api> apis_;
};

}  // namespace sluice::broker
