#include "tests/tidy/source_tree.h"

#include <gtest/gtest.h>

namespace sluice::tidy {
namespace {

std::string code_of(std::string_view text) { return parse_source("base/x.cc", text).code.at(0); }

TEST(SourceFile, BlanksCommentsAndLiteralsInPlace) {
  EXPECT_EQ(code_of("a(); // open(\n"), "a();         ");
  EXPECT_EQ(code_of("a(/* open( */ b);"), "a(            b);");
  EXPECT_EQ(code_of(R"(a("open(\"x", 'q');)"), R"(a("        ", ' ');)");
}

TEST(SourceFile, KnowsRawTextsAndDigitSeparators) {
  EXPECT_EQ(code_of("a(R\"(open(\")\", b);"), "a(           , b);");
  EXPECT_EQ(code_of("a(1'000, open('x'));"), "a(1'000, open(' '));");
}

TEST(SourceFile, KeepsLineNumbersThroughLongComments) {
  const auto file = parse_source("base/x.cc", "a\n/* b\nc */ d\n");
  ASSERT_EQ(file.code.size(), 3u);
  EXPECT_EQ(file.code[2], "     d");
}

TEST(SourceFile, ListsIncludesButNotThoseInComments) {
  const auto file =
      parse_source("base/x.cc", "#include <span>\n// #include <x>\n#include \"base/a.h\"\n");
  ASSERT_EQ(file.includes.size(), 2u);
  EXPECT_EQ(file.includes[0].path, "span");
  EXPECT_FALSE(file.includes[0].quoted);
  EXPECT_EQ(file.includes[1].path, "base/a.h");
  EXPECT_EQ(file.includes[1].line, 3u);
}

TEST(SourceFile, LiesInFoldersByWholeNames) {
  const auto file = parse_source("broker/server/a.h", "");
  EXPECT_TRUE(file.is_in("broker"));
  EXPECT_TRUE(file.is_in("broker/server"));
  EXPECT_FALSE(file.is_in("broker/serve"));
}

}  // namespace
}  // namespace sluice::tidy
