#include "base/metrics.h"

#include <limits>
#include <string>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sluice {
namespace {

using testing::HasSubstr;
using testing::Not;

TEST(Counter, SumsTheCellsOfAllWorkers) {
  Counter counter(3);
  counter.add(0);
  counter.add(1, 10);
  counter.add(2, 100);
  EXPECT_EQ(counter.value(), 111U);
}

TEST(Counter, LosesNothingWhenWorkersCountAtOnce) {
  Counter counter(4);
  std::vector<std::thread> workers;
  for (size_t worker = 0; worker < 4; ++worker) {
    workers.emplace_back([&counter, worker] {
      for (int i = 0; i < 10'000; ++i) counter.add(worker);
    });
  }
  while (counter.value() < 40'000) std::this_thread::yield();
  for (auto& worker : workers) worker.join();
  EXPECT_EQ(counter.value(), 40'000U);
}

TEST(Histogram, BoundsGrowByAFourthRootOfTwoFrom1MicrosecondTo67Seconds) {
  EXPECT_EQ(Histogram::upper_bound(0), 1us);
  EXPECT_EQ(Histogram::upper_bound(4), 2us);
  EXPECT_EQ(Histogram::upper_bound(104), (1 << 26) * 1us);
  EXPECT_EQ(Histogram::upper_bound(105), Duration::max());
  for (size_t i = 1; i < 105; ++i) {
    const double ratio = static_cast<double>(Histogram::upper_bound(i).count()) /
                         static_cast<double>(Histogram::upper_bound(i - 1).count());
    EXPECT_NEAR(ratio, 1.1892, 0.002) << i;
  }
}

TEST(Histogram, PutsEachDurationIntoTheFirstBucketThatHoldsIt) {
  for (size_t bucket = 0; bucket + 1 < Histogram::kBuckets; ++bucket) {
    Histogram histogram(1);
    histogram.record(0, Histogram::upper_bound(bucket));
    histogram.record(0, Histogram::upper_bound(bucket) + 1ns);
    const auto snapshot = histogram.snapshot();
    ASSERT_EQ(snapshot.counts[bucket], 1U) << bucket;
    ASSERT_EQ(snapshot.counts[bucket + 1], 1U) << bucket;
  }
}

TEST(Histogram, TakesDurationsBelowZeroAsZero) {
  Histogram histogram(1);
  histogram.record(0, -5s);
  EXPECT_EQ(histogram.snapshot().counts[0], 1U);
  EXPECT_EQ(histogram.snapshot().sum, Duration{});
}

TEST(Histogram, GivesTheBoundOfTheBucketOfAQuantile) {
  Histogram histogram(2);
  for (int i = 0; i < 99; ++i) histogram.record(i % 2, 1ms);
  histogram.record(1, 1s);
  const auto snapshot = histogram.snapshot();
  EXPECT_EQ(snapshot.count, 100U);
  EXPECT_EQ(snapshot.sum, 1s + 99ms);
  for (double q : {0.0, 0.5, 0.99}) {
    EXPECT_GE(snapshot.quantile(q), 1ms);
    EXPECT_LT(snapshot.quantile(q), 1.2ms);
  }
  EXPECT_GE(snapshot.quantile(1.0), 1s);
  EXPECT_LT(snapshot.quantile(1.0), 1.2s);
}

TEST(Histogram, HasNoQuantileButZeroWhenEmpty) {
  EXPECT_EQ(Histogram(1).snapshot().quantile(0.5), Duration{});
}

TEST(MetricsRegistry, WritesCountersAndGaugesAsPrometheusText) {
  MetricsRegistry registry(2);
  registry.counter("produce_bytes_total", "Bytes produced.").add(1, 7);
  registry.gauge("memory_used_bytes", "Bytes in use.", {{"part", "tls"}}, [] { return 1.5; });
  EXPECT_EQ(registry.prometheus(),
            "# HELP sluice_memory_used_bytes Bytes in use.\n"
            "# TYPE sluice_memory_used_bytes gauge\n"
            "sluice_memory_used_bytes{part=\"tls\"} 1.5\n"
            "# HELP sluice_produce_bytes_total Bytes produced.\n"
            "# TYPE sluice_produce_bytes_total counter\n"
            "sluice_produce_bytes_total 7\n");
}

TEST(MetricsRegistry, WritesAFamilysHeaderOnceForAllItsSeries) {
  MetricsRegistry registry(1);
  registry.counter("requests_total", "Requests.", {{"api", "fetch"}}).add(0, 2);
  registry.counter("requests_total", "Requests.", {{"api", "produce"}}).add(0, 3);
  EXPECT_EQ(registry.prometheus(),
            "# HELP sluice_requests_total Requests.\n"
            "# TYPE sluice_requests_total counter\n"
            "sluice_requests_total{api=\"fetch\"} 2\n"
            "sluice_requests_total{api=\"produce\"} 3\n");
}

TEST(MetricsRegistry, EscapesHelpAndLabelValues) {
  MetricsRegistry registry(1);
  registry.counter("a_total", "one \\ two\nthree \"four\"", {{"path", "C:\\x\n\"y\""}});
  const std::string text = registry.prometheus();
  EXPECT_THAT(text, HasSubstr("# HELP sluice_a_total one \\\\ two\\nthree \"four\"\n"));
  EXPECT_THAT(text, HasSubstr("sluice_a_total{path=\"C:\\\\x\\n\\\"y\\\"\"} 0\n"));
}

TEST(MetricsRegistry, WritesCumulativeHistogramBucketsInSeconds) {
  MetricsRegistry registry(1);
  Histogram& histogram = registry.histogram("fsync_seconds", "Fsyncs.", {{"dir", "/data"}});
  histogram.record(0, 1us);
  histogram.record(0, 3us);
  histogram.record(0, 100s);
  const std::string text = registry.prometheus();
  EXPECT_THAT(text, HasSubstr("# TYPE sluice_fsync_seconds histogram\n"));
  EXPECT_THAT(text, HasSubstr("sluice_fsync_seconds_bucket{dir=\"/data\",le=\"1e-06\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("sluice_fsync_seconds_bucket{dir=\"/data\",le=\"2e-06\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("sluice_fsync_seconds_bucket{dir=\"/data\",le=\"4e-06\"} 2\n"));
  EXPECT_THAT(text, HasSubstr("le=\"67.108864\"} 2\n"));
  EXPECT_THAT(text, HasSubstr("sluice_fsync_seconds_bucket{dir=\"/data\",le=\"+Inf\"} 3\n"));
  EXPECT_THAT(text, HasSubstr("sluice_fsync_seconds_sum{dir=\"/data\"} 100.000004\n"));
  EXPECT_THAT(text, HasSubstr("sluice_fsync_seconds_count{dir=\"/data\"} 3\n"));
}

TEST(MetricsRegistry, GivesTheSameSeriesForTheSameNameAndLabels) {
  MetricsRegistry registry(1);
  Counter& first = registry.counter("a_total", "A.", {{"k", "1"}});
  EXPECT_EQ(&registry.counter("a_total", "A.", {{"k", "1"}}), &first);
  EXPECT_NE(&registry.counter("a_total", "A.", {{"k", "2"}}), &first);
}

TEST(MetricsRegistry, WritesInfinityAndNotANumberAsPrometheusReadsThem) {
  MetricsRegistry registry(1);
  registry.gauge("a", "A.", {}, [] { return std::numeric_limits<double>::infinity(); });
  registry.gauge("b", "B.", {}, [] { return std::numeric_limits<double>::quiet_NaN(); });
  EXPECT_THAT(registry.prometheus(), HasSubstr("sluice_a +Inf\n"));
  EXPECT_THAT(registry.prometheus(), HasSubstr("sluice_b NaN\n"));
}

TEST(MetricsRegistry, ForgetsDroppedGauges) {
  MetricsRegistry registry(1);
  registry.gauge("log_end", "End.", {{"partition", "0"}}, [] { return 1.0; });
  registry.gauge("log_end", "End.", {{"partition", "1"}}, [] { return 2.0; });
  registry.drop_gauge("log_end", {{"partition", "0"}});
  EXPECT_THAT(registry.prometheus(), Not(HasSubstr("partition=\"0\"")));
  EXPECT_THAT(registry.prometheus(), HasSubstr("partition=\"1\""));
  registry.drop_gauge("log_end", {{"partition", "1"}});
  registry.drop_gauge("log_end", {{"partition", "1"}});
  EXPECT_EQ(registry.prometheus(), "");
}

TEST(MetricsRegistryDeathTest, DiesOnNamesThatPrometheusRefusesAndOnTwoTypes) {
  MetricsRegistry registry(1);
  EXPECT_DEATH(registry.counter("a-b", ""), "Prometheus name");
  EXPECT_DEATH(registry.counter("a", "", {{"0k", "v"}}), "Prometheus name");
  EXPECT_DEATH(registry.histogram("latency", ""), "in seconds");
  registry.counter("a", "");
  EXPECT_DEATH(registry.gauge("a", "", {}, [] { return 0.0; }), "one type");
}

TEST(MetricsRegistry, AsksForFamiliesWhoseSeriesComeAndGo) {
  MetricsRegistry registry(1);
  std::vector<MetricFamily> families = {
      {.name = "lag_records", .help = "Lag.", .samples = {{{{"topic", "a\"b"}}, 7}}},
      {.name = "quiet", .help = "None."},
      {.name = "seen_total", .help = "Seen.", .samples = {{{}, 3}}, .counts = true}};
  registry.collect([&families] { return families; });
  EXPECT_EQ(registry.prometheus(),
            "# HELP sluice_lag_records Lag.\n# TYPE sluice_lag_records gauge\n"
            "sluice_lag_records{topic=\"a\\\"b\"} 7\n"
            "# HELP sluice_quiet None.\n# TYPE sluice_quiet gauge\n"
            "# HELP sluice_seen_total Seen.\n# TYPE sluice_seen_total counter\n"
            "sluice_seen_total 3\n");
  families.front().samples.clear();
  EXPECT_THAT(registry.prometheus(), Not(HasSubstr("topic")));
}

}  // namespace
}  // namespace sluice
