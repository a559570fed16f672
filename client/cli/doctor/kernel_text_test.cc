#include "client/cli/doctor/kernel_text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/bytes.h"

namespace sluice::cli::doctor {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(KernelText, AChoiceStandsInBrackets) {
  const auto choice = choice_of("always [madvise] never");
  ASSERT_TRUE(choice);
  EXPECT_EQ(choice->in_force, "madvise");
  EXPECT_THAT(choice->offered, ElementsAre("always", "madvise", "never"));
  EXPECT_EQ(choice_of("none")->in_force, "none");
  EXPECT_FALSE(choice_of("always never"));
  EXPECT_FALSE(choice_of(""));
}

TEST(KernelText, RangesAreCounted) {
  EXPECT_EQ(count_of_ranges("0"), 1u);
  EXPECT_EQ(count_of_ranges("0-3,8,10-11"), 7u);
  for (const char* wrong : {"", "a", "3-1", "1-2-3", "0,x"}) {
    EXPECT_EQ(count_of_ranges(wrong), std::nullopt) << wrong;
  }
}

TEST(KernelText, ANumberIsAllDigits) {
  EXPECT_EQ(number_of("65530"), 65'530u);
  for (const char* wrong : {"", "max", "12 ", "-1", "99999999999999999999999"}) {
    EXPECT_EQ(number_of(wrong), std::nullopt) << wrong;
  }
}

TEST(KernelText, KilobytesAreFoundByTheirName) {
  const char* text = "MemFree: 3 kB\nMemTotal:       24684084 kB\nSwapTotal:\n";
  EXPECT_EQ(kilobytes_of(text, "MemTotal:"), 24'684'084 * 1_KiB);
  EXPECT_EQ(kilobytes_of(text, "SwapTotal:"), std::nullopt);
  EXPECT_EQ(kilobytes_of(text, "Dirty:"), std::nullopt);
}

TEST(KernelText, LimitsHaveASoftAndAHardValue) {
  const char* text =
      "Limit                     Soft Limit           Hard Limit           Units\n"
      "Max open files            1024                 524288               files\n"
      "Max locked memory         8388608              unlimited            bytes\n";
  EXPECT_EQ(limit_of(text, "Max open files")->soft, 1'024u);
  EXPECT_EQ(limit_of(text, "Max open files")->hard, 524'288u);
  EXPECT_EQ(limit_of(text, "Max locked memory")->hard, ResourceLimit::kUnlimited);
  EXPECT_FALSE(limit_of(text, "Max nothing"));
}

TEST(KernelText, MountsAreReadWithTheirEscapes) {
  const auto mounts = mounts_of(
      "36 35 98:0 /a /mnt/my\\040disk rw,noatime master:1 - ext4 /dev/sdb1 rw,errors=continue\n"
      "cut off\n"
      "40 35 0:21 / /proc rw - proc proc rw\n");
  ASSERT_EQ(mounts.size(), 2u);
  EXPECT_EQ(mounts[0].device, "98:0");
  EXPECT_EQ(mounts[0].root, "/a");
  EXPECT_EQ(mounts[0].mount_point, "/mnt/my disk");
  EXPECT_EQ(mounts[0].type, "ext4");
  EXPECT_EQ(mounts[0].source, "/dev/sdb1");
  EXPECT_THAT(mounts[0].options, ElementsAre("rw", "noatime", "rw", "errors=continue"));
  EXPECT_EQ(mounts[1].mount_point, "/proc");
  EXPECT_THAT(mounts_of(""), IsEmpty());
}

TEST(KernelText, APathLiesBelowWholeFoldersOnly) {
  EXPECT_TRUE(lies_below("/data/x", "/data"));
  EXPECT_TRUE(lies_below("/data", "/data"));
  EXPECT_TRUE(lies_below("/data", "/"));
  EXPECT_FALSE(lies_below("/database", "/data"));
}

}  // namespace
}  // namespace sluice::cli::doctor
