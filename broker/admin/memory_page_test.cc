#include "broker/admin/memory_page.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace sluice::broker {
namespace {

using Json = nlohmann::json;

MemorySight sight_of(size_t resident) {
  MemorySight sight{.frames = 10_KiB, .at_start = 1_MiB};
  sight.budget = {.name = "broker", .used = 4_MiB, .cap = 32_MiB, .peak = 5_MiB, .refusals = 3};
  sight.budget.children = {{.name = "storage", .cap = 32_MiB, .children = {{.name = "compaction"}}},
                           {.name = "connections", .used = 4_MiB, .cap = 32_MiB}};
  sight.process = {.resident_anonymous = resident,
                   .resident_file = 8_MiB,
                   .address_space = 500_MiB,
                   .mapped = 60_MiB,
                   .swapped = 4_KiB};
  sight.faults = {.major = 2, .minor = 700};
  sight.allocator = {.in_use = 3_MiB, .free = 1_MiB, .mapped = 64_KiB};
  sight.addresses = {{.host = "10.0.0.7", .connections = 2, .bytes = 65536}};
  sight.partitions = {{.topic = "orders", .partition = 3, .producers = 2, .bytes = 864}};
  return sight;
}

Json document_of(const MemorySight& sight) { return Json::parse(memory_page(sight).body); }

TEST(MemoryPage, UnattributedIsWhatTreeFramesAndTheStartDoNotExplain) {
  EXPECT_EQ(unattributed(sight_of(5_MiB + 10_KiB + 123)), 123u);
  EXPECT_EQ(document_of(sight_of(5_MiB + 10_KiB + 123))["unattributed"], 123);
}

TEST(MemoryPage, WhatIsReservedAndNotTouchedLeavesNothingUnattributed) {
  EXPECT_EQ(unattributed(sight_of(2_MiB)), 0u);
}

TEST(MemoryPage, WithoutWordFromTheSystemNothingIsClaimed) {
  MemorySight sight = sight_of(6_MiB);
  sight.process.reset();
  EXPECT_FALSE(unattributed(sight));
  const Json page = document_of(sight);
  EXPECT_TRUE(page["process"].is_null());
  EXPECT_TRUE(page["unattributed"].is_null());
  EXPECT_EQ(page["used"], 4_MiB);
}

TEST(MemoryPage, ShowsProcessAllocatorFaultsAndOwners) {
  const Json page = document_of(sight_of(6_MiB));
  EXPECT_EQ(page["cap"], 32_MiB);
  EXPECT_EQ(page["process"], Json({{"resident_anonymous", 6_MiB},
                                   {"resident_file", 8_MiB},
                                   {"virtual", 500_MiB},
                                   {"mapped", 60_MiB},
                                   {"swapped", 4_KiB}}));
  EXPECT_EQ(page["page_faults"], Json({{"major", 2}, {"minor", 700}}));
  EXPECT_EQ(page["allocator"], Json({{"in_use", 3_MiB}, {"free", 1_MiB}, {"mapped", 64_KiB}}));
  EXPECT_EQ(page["attributed"],
            Json({{"budget", 4_MiB}, {"coroutine_frames", 10_KiB}, {"at_start", 1_MiB}}));
  EXPECT_EQ(page["owners"]["connections"],
            Json::parse(R"([{"address": "10.0.0.7", "connections": 2, "bytes": 65536}])"));
  EXPECT_EQ(page["owners"]["partitions"],
            Json::parse(R"([{"topic": "orders", "partition": 3, "producers": 2, "bytes": 864}])"));
}

TEST(MemoryPage, ShowsTheTreeAsItStands) {
  MemoryBudget root("broker", 8_MiB);
  MemoryBudget& storage = root.child("storage", 1_MiB);
  MemoryBudget& compaction = storage.child("compaction", 1_MiB);
  ASSERT_TRUE(compaction.try_take(64_KiB));
  ASSERT_FALSE(compaction.try_take(2_MiB));
  compaction.give_back(16_KiB);
  MemorySight sight;
  sight.budget = part_of(root);
  const Json page = document_of(sight);
  const Json& leaf = page["budget"]["children"][0]["children"][0];
  EXPECT_EQ(leaf, Json({{"name", "compaction"},
                        {"used", 48_KiB},
                        {"cap", 1_MiB},
                        {"peak", 64_KiB},
                        {"refusals", 1}}));
  compaction.give_back(48_KiB);
}

TEST(MemoryPage, NodesAreNamedByTheirPathBelowTheRoot) {
  std::vector<std::string> paths;
  for_each_part(sight_of(0).budget,
                [&](const std::string& path, const auto&) { paths.push_back(path); });
  EXPECT_EQ(paths,
            (std::vector<std::string>{"broker", "storage", "storage/compaction", "connections"}));
}

}  // namespace
}  // namespace sluice::broker
