#include "client/cli/latencies.h"

#include <gtest/gtest.h>

namespace sluice::cli {
namespace {

TEST(Latencies, QuantilesAreAtMostOneBucketTooHigh) {
  Latencies latencies;
  for (int i = 1; i <= 10'000; ++i) latencies.add(std::chrono::microseconds(i));
  for (const double share : {0.5, 0.9, 0.99, 0.999}) {
    const double exact = share * 10'000 * 1000;
    const auto found = static_cast<double>(latencies.quantile(share).count());
    EXPECT_GE(found, exact);
    EXPECT_LE(found, exact * (1 + 1.0 / 64));
  }
}

TEST(Latencies, SmallValuesAreExact) {
  Latencies latencies;
  for (int i = 0; i < 64; ++i) latencies.add(Duration(i));
  EXPECT_EQ(latencies.quantile(0.5), Duration(31));
  EXPECT_EQ(latencies.quantile(1), Duration(63));
}

TEST(Latencies, KeepsTheLargestAsItIs) {
  Latencies latencies;
  latencies.add(123'456'789ns);
  EXPECT_EQ(latencies.max(), 123'456'789ns);
  EXPECT_EQ(latencies.quantile(0.999), 123'456'789ns);
}

TEST(Latencies, CountsWhatIsOutOfRangeAtItsEnds) {
  Latencies latencies;
  latencies.add(-5ns);
  latencies.add(1h);
  EXPECT_EQ(latencies.count(), 2u);
  EXPECT_EQ(latencies.quantile(0.5), 0ns);
  EXPECT_GE(latencies.quantile(1), 60s);
}

TEST(Latencies, AddsUpThreads) {
  Latencies some;
  Latencies more;
  some.add(1ms);
  more.add(2ms);
  some.add(more);
  EXPECT_EQ(some.count(), 2u);
  EXPECT_EQ(some.max(), 2ms);
}

TEST(Latencies, NoneIsZero) { EXPECT_EQ(Latencies().quantile(0.5), 0ns); }

}  // namespace
}  // namespace sluice::cli
