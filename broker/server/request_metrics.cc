#include "broker/server/request_metrics.h"

#include <string>

#include "base/check.h"

namespace sluice::broker {

RequestMetrics::RequestMetrics(MetricsRegistry& metrics, std::string_view protocol,
                               std::span<const std::string_view> apis) {
  static constexpr std::array<std::string_view, kPhases> kNames = {"read", "queue",    "wait",
                                                                   "disk", "replicas", "send"};
  for (const auto api : apis) {
    const MetricLabels labels = {{"protocol", std::string(protocol)}, {"api", std::string(api)}};
    Api entry{
        .requests = &metrics.counter("requests_total", "Requests answered.", labels),
        .total = &metrics.histogram("request_seconds",
                                    "From the first byte of a request to the last of its response.",
                                    labels),
    };
    for (size_t phase = 0; phase < kPhases; ++phase) {
      auto with_phase = labels;
      with_phase.emplace_back("phase", std::string(kNames[phase]));
      entry.phases[phase] = &metrics.histogram("request_phase_seconds",
                                               "Where the time of requests went.", with_phase);
    }
    apis_.push_back(entry);
  }
}

void RequestMetrics::record(size_t loop, const Exchange& exchange, TimePoint sent) {
  CHECK(exchange.api < apis_.size(), "a request has an API of its front end");
  const Api& api = apis_[exchange.api];
  const auto& times = exchange.times;
  api.requests->add(loop);
  api.total->record(loop, sent - times.begun);
  // A phase that took no time is told by the total; most requests have only one or two that did.
  const auto phase = [&](size_t index, Duration took) {
    if (took > Duration{0}) api.phases[index]->record(loop, took);
  };
  const TimePoint stored = times.stored == TimePoint{} ? times.answered : times.stored;
  phase(0, times.complete - times.begun);
  phase(1, times.started - times.complete);
  phase(2, times.waited);
  phase(3, stored - times.started - times.waited);
  phase(4, times.answered - stored);
  phase(5, sent - times.answered);
}

}  // namespace sluice::broker
