#include "client/cli/line_reader.h"

#include <algorithm>
#include <cstring>

#include <gtest/gtest.h>

namespace sluice::cli {
namespace {

/// Hands out `text` in pieces of `step` bytes.
LineReader::Source in_pieces(std::string text, size_t step) {
  return
      [text = std::move(text), step, at = size_t{0}](MutableBytes out) mutable -> Result<size_t> {
        const size_t size = std::min({step, text.size() - at, out.size()});
        std::memcpy(out.data(), text.data() + at, size);
        at += size;
        return size;
      };
}

std::vector<std::string> lines_of(std::string text, size_t step, std::string delimiter = "\n") {
  LineReader reader(in_pieces(std::move(text), step), std::move(delimiter));
  std::vector<std::string> lines;
  while (const auto line = reader.next().value()) lines.emplace_back(*line);
  return lines;
}

using Lines = std::vector<std::string>;

TEST(LineReader, CutsAtEveryDelimiterHoweverTheInputArrives) {
  for (const size_t step : {1, 2, 3, 100}) {
    EXPECT_EQ(lines_of("one\n\nthree\n", step), (Lines{"one", "", "three"}));
  }
}

TEST(LineReader, TheLastLineNeedsNoDelimiter) {
  EXPECT_EQ(lines_of("one\ntwo", 1), (Lines{"one", "two"}));
  EXPECT_EQ(lines_of("", 1), Lines{});
}

TEST(LineReader, FindsLongDelimitersAcrossReads) {
  for (const size_t step : {1, 2, 3, 100}) {
    EXPECT_EQ(lines_of("a==b=c===d", step, "=="), (Lines{"a", "b=c", "=d"}));
  }
}

TEST(LineReader, GrowsForLinesLongerThanItsBuffer) {
  const std::string line(3_MiB + 17, 'x');
  EXPECT_EQ(lines_of(line + "\nend\n", 100'000), (Lines{line, "end"}));
}

TEST(LineReader, CountsLines) {
  LineReader reader(in_pieces("a\nb\n", 4));
  ASSERT_TRUE(reader.next().value());
  ASSERT_TRUE(reader.next().value());
  EXPECT_EQ(reader.line_number(), 2u);
}

TEST(LineReader, PassesTheErrorOfItsSourceOn) {
  LineReader reader([](MutableBytes) -> Result<size_t> { return fail(Errc::disk_failed); });
  EXPECT_EQ(reader.next().error().code(), Errc::disk_failed);
}

}  // namespace
}  // namespace sluice::cli
