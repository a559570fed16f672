#include "io/process_memory.h"

#include <algorithm>
#include <optional>
#include <string>

#include <sys/mman.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "io/block_on.h"
#include "io/system.h"

namespace sluice::io {
namespace {

using testing::HasSubstr;

constexpr std::string_view kStatus =
    "Name:\tsluiced\nVmPeak:\t 600000 kB\nVmSize:\t  528808 kB\nVmSwap:\t      12 kB\n"
    "RssAnon:\t    1304 kB\nRssFile:\t    8100 kB\nRssShmem:\t       4 kB\n"
    "VmData:\t   59224 kB\nVmStk:\t     132 kB\nThreads:\t7\n";

TEST(ProcessMemory, IsReadFromWhatTheKernelWrites) {
  const auto memory = parse_process_status(kStatus);
  ASSERT_TRUE(memory);
  EXPECT_EQ(memory->resident_anonymous, 1304_KiB);
  EXPECT_EQ(memory->resident_file, 8104_KiB);
  EXPECT_EQ(memory->address_space, 528808_KiB);
  EXPECT_EQ(memory->mapped, 59356_KiB);
  EXPECT_EQ(memory->swapped, 12_KiB);
}

TEST(ProcessMemory, ALineThatIsMissingIsNamed) {
  std::string text(kStatus);
  text.erase(text.find("RssAnon"), std::string_view("RssAnon:\t    1304 kB\n").size());
  const auto memory = parse_process_status(text);
  ASSERT_FALSE(memory);
  EXPECT_EQ(memory.error(), Errc::unsupported);
  EXPECT_THAT(std::string(memory.error().message()), HasSubstr("RssAnon"));
}

TEST(ProcessMemory, ATextThatIsCutIsNeverTakenForZero) {
  for (size_t length = 0; length < kStatus.find("VmStk:\t     132 kB"); ++length) {
    EXPECT_FALSE(parse_process_status(kStatus.substr(0, length))) << length;
  }
}

TEST(ProcessMemory, GrowsByWhatIsTouched) {
  System system({.workers = 1, .pool_threads = 1});
  const auto look = [&] {
    return block_on(system.runtime().executor.worker(0), process_memory(system.runtime().disk));
  };
  const auto before = look();
  if (!before && before.error() == Errc::file_not_found) GTEST_SKIP() << "there is no /proc";
  ASSERT_TRUE(before) << before.error().message();
  const PageFaults faults = page_faults();
  constexpr size_t kSize = 64_MiB;
  void* const at =
      ::mmap(nullptr, kSize, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  ASSERT_NE(at, MAP_FAILED);
  const auto mapped = look();
  ASSERT_TRUE(mapped);
  EXPECT_GE(mapped->mapped, before->mapped + kSize);
  EXPECT_LT(mapped->resident_anonymous, before->resident_anonymous + kSize / 2);
  std::fill_n(static_cast<char*>(at), kSize, 'x');
  const auto touched = look();
  ASSERT_TRUE(touched);
  EXPECT_GE(touched->resident_anonymous, before->resident_anonymous + kSize * 9 / 10);
  EXPECT_GT(page_faults().minor, faults.minor);
  ::munmap(at, kSize);
}

}  // namespace
}  // namespace sluice::io
