#include "tests/tidy/rules.h"

#include <gtest/gtest.h>

namespace sluice::tidy {
namespace {

using Rule = std::vector<std::string> (*)(const std::vector<SourceFile>&);

size_t violations(Rule rule, const char* path, std::string_view text) {
  return rule({parse_source(path, text)}).size();
}

TEST(Seams, NobodyOutsideIoCallsTheSystem) {
  for (const auto* line :
       {"auto t = std::chrono::steady_clock::now();", "std::random_device seed;",
        "std::jthread worker(run);", "thread_local int x;", "fdatasync(fd);", "x = ::open(p, 0);",
        "return ::open(p, 0);", "std::ifstream in(path);", "n = ::sendfile(a, b, c, d);",
        "asio::io_context io;", "auto* sqe = io_uring_get_sqe(&ring);",
        "std::this_thread::sleep_for(1ms);"}) {
    EXPECT_GE(violations(check_seams, "storage/x.cc", line), 1u) << line;
    EXPECT_EQ(violations(check_seams, "io/x.cc", line), 0u) << line;
  }
}

TEST(Seams, MembersCommentsAndTextsAreNotMeant) {
  for (const auto* line : {"co_await disk.open(path);", "// ::open( is for io/",
                           "log.info(\"fsync( failed\");", "Task<> File::open(std::string p);",
                           "co_await io::sleep_for(10ms);", "const auto fsyncs = 1;"}) {
    EXPECT_EQ(violations(check_seams, "storage/x.cc", line), 0u) << line;
  }
}

TEST(HeaderGuards, StandBeforeEverythingButComments) {
  EXPECT_EQ(violations(check_header_guards, "base/x.h", "// why\n#pragma once\n"), 0u);
  EXPECT_EQ(violations(check_header_guards, "base/x.h", "#include <a>\n#pragma once\n"), 1u);
  EXPECT_EQ(violations(check_header_guards, "base/x.h", ""), 1u);
  EXPECT_EQ(violations(check_header_guards, "base/x.cc", "int x;"), 0u);
}

TEST(Sizes, FilesAreReadInOneSitting) {
  const std::string lines(450, '\n');
  EXPECT_EQ(violations(check_sizes, "base/x.cc", lines), 0u);
  EXPECT_EQ(violations(check_sizes, "base/x_test.cc", lines), 1u);
  EXPECT_EQ(violations(check_sizes, "base/x.cc", lines + lines), 1u);
}

TEST(Names, SayWhatAThingDoes) {
  EXPECT_EQ(violations(check_names, "base/string_utils.h", ""), 1u);
  EXPECT_EQ(violations(check_names, "broker/common/x.h", ""), 1u);
  EXPECT_EQ(violations(check_names, "broker/ConnectionPool.h", ""), 1u);
  EXPECT_EQ(violations(check_names, "broker/utility_prices.h", ""), 0u);
}

TEST(LooseEnds, NothingIsLeftForLater) {
  EXPECT_EQ(violations(check_loose_ends, "base/x.cc",
                       "// TO"
                       "DO: later\n"),
            1u);
  EXPECT_EQ(violations(check_loose_ends, "base/x_test.cc",
                       "TEST(A, DISABLED"
                       "_B) {\n"),
            1u);
  EXPECT_EQ(violations(check_loose_ends, "base/x.cc", "int todo_list;\n"), 0u);
}

TEST(Includes, OursAreQuotedWithTheirFullPath) {
  EXPECT_EQ(violations(check_includes, "base/x.cc", "#include \"base/x.h\"\n"), 0u);
  EXPECT_EQ(violations(check_includes, "base/x.cc", "#include \"x.h\"\n"), 1u);
  EXPECT_EQ(violations(check_includes, "base/x.cc", "#include <base/x.h>\n"), 1u);
  EXPECT_EQ(violations(check_includes, "base/x.cc", "#include <vector>\n"), 0u);
}

}  // namespace
}  // namespace sluice::tidy
