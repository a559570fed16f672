#include "client/cli/doctor/report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "client/cli/doctor/made_up_machine.h"

namespace sluice::cli::doctor {
namespace {

using ::testing::ElementsAre;

const std::vector<Finding>& findings() {
  static const std::vector<Finding> kFindings = {
      {.check = "swap", .found = "none", .wanted = "none"},
      {.check = "clock_source",
       .verdict = Verdict::warn,
       .found = "hpet",
       .wanted = "tsc",
       .way_out = "echo tsc"},
      {.check = "memory", .verdict = Verdict::fail, .found = "a", .wanted = "b", .way_out = "c"}};
  return kFindings;
}

TEST(Report, EachFindingIsALineWithVerdictValuesAndWayOut) {
  EXPECT_THAT(report_of(well_kept_machine(), {}, findings(), false).lines,
              ElementsAre("ok    swap          none  (wanted: none)",
                          "warn  clock_source  hpet  (wanted: tsc)  -> echo tsc",
                          "fail  memory        a  (wanted: b)  -> c", "1 ok, 1 warn, 1 fail"));
}

TEST(Report, QuietShowsWhatIsNotOk) {
  const Report report = report_of(well_kept_machine(), {}, findings(), true);
  EXPECT_EQ(report.lines.size(), 2u);
  EXPECT_THAT(report.names, ElementsAre("clock_source", "memory"));
}

TEST(Report, TheDocumentHasAllOfIt) {
  const MemoryShares shares{.broker = 1, .system = 2, .page_cache = 3};
  const Json document = report_of(well_kept_machine(), shares, findings(), true).document;
  EXPECT_EQ(document["well"], false);
  EXPECT_EQ(document["counts"], (Json{{"ok", 1}, {"warn", 1}, {"fail", 1}}));
  EXPECT_EQ(document["machine"]["memory_bytes"], 16_GiB);
  EXPECT_EQ(document["machine"]["page_cache_bytes"], 3);
  ASSERT_EQ(document["findings"].size(), 3u);
  EXPECT_EQ(document["findings"][1], (Json{{"check", "clock_source"},
                                           {"verdict", "warn"},
                                           {"found", "hpet"},
                                           {"wanted", "tsc"},
                                           {"way_out", "echo tsc"}}));
  EXPECT_EQ(report_of({}, {}, {}, false).document["machine"]["memory_bytes"], nullptr);
  EXPECT_EQ(report_of({}, {}, {}, false).document["well"], true);
}

TEST(Report, APlanSaysHowItCameToEachValue) {
  const Plan plan{.profile = "production-small",
                  .profile_because = "it fits",
                  .rows = {{"disk_bytes", "disk", 5, "5 B", "five"}},
                  .keys = {"max.partitions = 5000"}};
  const Report report = report_of(plan);
  ASSERT_EQ(report.tables.size(), 1u);
  EXPECT_THAT(report.tables[0].rows,
              ElementsAre(ElementsAre("profile", "production-small", "it fits"),
                          ElementsAre("disk", "5 B", "five"),
                          ElementsAre("key", "max.partitions = 5000", "beyond the profile")));
  EXPECT_EQ(report.document["values"]["disk_bytes"]["value"], 5);
  EXPECT_EQ(report.document["values"]["disk_bytes"]["because"], "five");
}

TEST(Finding, SizesAreInTheUnitsOfKeys) {
  EXPECT_EQ(size_text(512_MiB), "512 MiB");
  EXPECT_EQ(size_text(23_GiB + 512_MiB), "23.5 GiB");
  EXPECT_EQ(size_text(2048_GiB), "2 TiB");
  EXPECT_EQ(size_text(160_KiB), "0.2 MiB");
}

}  // namespace
}  // namespace sluice::cli::doctor
