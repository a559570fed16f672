#include "broker/memory_metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sluice::broker {
namespace {

using testing::HasSubstr;
using testing::Not;

MemorySight small_sight() {
  MemorySight sight;
  sight.budget = {.name = "broker", .used = 5, .cap = 90, .peak = 7, .refusals = 2};
  sight.budget.children = {{.name = "storage",
                            .used = 4,
                            .cap = 80,
                            .peak = 6,
                            .refusals = 1,
                            .children = {{.name = "compaction", .used = 3}}}};
  sight.process = {.resident_anonymous = 105,
                   .resident_file = 200,
                   .address_space = 999,
                   .mapped = 300,
                   .swapped = 1};
  sight.faults = {.major = 8, .minor = 70};
  sight.pools = {.in_use = {1, 2, 3}, .idle = {4, 5, 6}, .hits = 11, .misses = 12};
  return sight;
}

std::string scrape(const MemorySight& sight) {
  MetricsRegistry registry(1);
  registry.collect([&] { return memory_metrics(sight); });
  return registry.prometheus();
}

TEST(MemoryMetrics, EveryNodeOfTheTreeHasItsSeries) {
  const std::string text = scrape(small_sight());
  for (const auto* line : {"sluice_memory_budget_bytes{node=\"broker\"} 5\n",
                           "sluice_memory_budget_bytes{node=\"storage/compaction\"} 3\n",
                           "sluice_memory_budget_peak_bytes{node=\"storage\"} 6\n",
                           "sluice_memory_budget_limit_bytes{node=\"storage\"} 80\n",
                           "# TYPE sluice_memory_refusals_total counter\n",
                           "sluice_memory_refusals_total{node=\"storage\"} 1\n"}) {
    EXPECT_THAT(text, HasSubstr(line));
  }
}

TEST(MemoryMetrics, ProcessAndPoolsHaveTheirSeries) {
  const std::string text = scrape(small_sight());
  for (const auto* line :
       {"sluice_memory_unattributed_bytes 100\n",
        "sluice_memory_resident_bytes{kind=\"anonymous\"} 105\n",
        "sluice_memory_resident_bytes{kind=\"file\"} 200\n", "sluice_memory_virtual_bytes 999\n",
        "sluice_memory_mapped_bytes 300\n", "sluice_memory_swapped_bytes 1\n",
        "# TYPE sluice_page_faults_total counter\n", "sluice_page_faults_total{kind=\"major\"} 8\n",
        "sluice_page_faults_total{kind=\"minor\"} 70\n",
        "sluice_buffer_pool_in_use{tier=\"64KiB\"} 2\n",
        "sluice_buffer_pool_idle{tier=\"1MiB\"} 6\n",
        "# TYPE sluice_buffer_pool_hits_total counter\n", "sluice_buffer_pool_hits_total 11\n",
        "sluice_buffer_pool_misses_total 12\n"}) {
    EXPECT_THAT(text, HasSubstr(line));
  }
}

TEST(MemoryMetrics, WhatTheSystemDoesNotTellHasNoSeries) {
  MemorySight sight = small_sight();
  sight.process.reset();
  const std::string text = scrape(sight);
  EXPECT_THAT(text, Not(HasSubstr("\nsluice_memory_unattributed_bytes ")));
  EXPECT_THAT(text, Not(HasSubstr("\nsluice_memory_resident_bytes{")));
  EXPECT_THAT(text, HasSubstr("sluice_memory_budget_bytes{node=\"broker\"} 5\n"));
}

}  // namespace
}  // namespace sluice::broker
