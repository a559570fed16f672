#include "client/cli/memory_top.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sluice::cli {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

Json page() {
  return Json::parse(R"({
    "cap": 32000000, "used": 4000000,
    "process": {"resident_anonymous": 6000000, "resident_file": 11000000, "virtual": 608000000,
                "mapped": 61000000, "swapped": 0},
    "page_faults": {"major": 3, "minor": 1133},
    "allocator": {"in_use": 1300000, "free": 740000, "mapped": 0},
    "attributed": {"budget": 4000000, "coroutine_frames": 14000, "at_start": 1500000},
    "unattributed": 486000,
    "budget": {"name": "broker", "used": 4000000, "cap": 32000000, "peak": 5000000, "refusals": 7,
      "children": [
        {"name": "connections", "used": 1000, "cap": 32000000, "peak": 2000, "refusals": 0},
        {"name": "storage", "used": 3999000, "cap": 32000000, "peak": 4000000, "refusals": 2,
         "children": [{"name": "compaction", "used": 0, "cap": 32000000, "peak": 9, "refusals": 2}]}
      ]},
    "owners": {"connections": [{"address": "10.0.0.7", "connections": 2, "bytes": 65536}],
               "partitions": [{"topic": "orders", "partition": 3, "producers": 2, "bytes": 864}]}
  })");
}

std::string shown(const Json& page, OutputFormat format = OutputFormat::table) {
  const auto report = report_of_memory(page, "east-1:9644");
  EXPECT_TRUE(report) << report.error().message();
  return report ? render(*report, {.format = format}) : "";
}

TEST(MemoryTop, ShowsTheTreeWithTheLargestFirst) {
  const auto report = report_of_memory(page(), "east-1:9644");
  ASSERT_TRUE(report);
  EXPECT_THAT(report->names, ElementsAre("broker", "storage", "compaction", "connections"));
  EXPECT_THAT(report->tables[0].rows[1],
              ElementsAre("  storage", "4 MB", "12 %", "4 MB", "32 MB", "2"));
  EXPECT_EQ(report->tables[0].rows[2][0], "    compaction");
}

TEST(MemoryTop, IsOneScreenWithWhatNothingAccountsFor) {
  const std::string text = shown(page());
  for (const auto* part :
       {"memory of east-1:9644  used 4 MB of 32 MB (12 %)  peak 5 MB  refusals 7\n",
        "resident 6 MB anonymous, 11 MB file", "3 major, 1,133 minor",
        "unattributed  486 KB (1.5 % of the cap)", "10.0.0.7", "orders-3"}) {
    EXPECT_THAT(text, HasSubstr(part));
  }
}

TEST(MemoryTop, JsonIsThePageAndWhereItIsFrom) {
  const auto document = Json::parse(shown(page(), OutputFormat::json));
  EXPECT_EQ(document["admin"], "east-1:9644");
  EXPECT_EQ(document["unattributed"], 486000);
  EXPECT_EQ(document["budget"], page()["budget"]);
}

TEST(MemoryTop, WhatTheBrokersSystemDoesNotTellIsNoZero) {
  Json unknown = page();
  unknown["process"] = nullptr;
  unknown["unattributed"] = nullptr;
  const std::string text = shown(unknown);
  EXPECT_THAT(text, HasSubstr("the broker's system does not tell"));
  EXPECT_THAT(text, HasSubstr("unattributed  ? (? of the cap)"));
}

TEST(MemoryTop, APageOfSomethingElseIsRefusedAndOddOnesDoNoHarm) {
  for (const auto* text : {"[]", "7", "null", "{}", R"({"budget": 7})",
                           R"({"budget": {"name": "broker", "used": -1, "cap": 2}})"}) {
    EXPECT_FALSE(report_of_memory(Json::parse(text), "x:1")) << text;
  }
  EXPECT_TRUE(report_of_memory(
      Json::parse(R"({"budget": {"used": 1, "cap": 0, "children": [7, null, []]}, "owners": 7})"),
      "x:1"));
}

}  // namespace
}  // namespace sluice::cli
