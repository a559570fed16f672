#include "storage/leader_epochs.h"

#include <string>

#include <gtest/gtest.h>

namespace sluice::storage {
namespace {

constexpr LeaderEpoch e(int32_t n) { return LeaderEpoch(n); }
constexpr Offset o(int64_t n) { return Offset(n); }
using End = std::pair<LeaderEpoch, Offset>;

LeaderEpochs three() {
  LeaderEpochs epochs;
  epochs.assign(e(1), o(0));
  epochs.assign(e(3), o(10));
  epochs.assign(e(4), o(20));
  return epochs;
}

TEST(LeaderEpochs, EndsAnEpochWhereTheNextBegins) {
  const auto epochs = three();
  EXPECT_EQ(epochs.end_of(e(1), o(30)), End(e(1), o(10)));
  EXPECT_EQ(epochs.end_of(e(2), o(30)), End(e(1), o(10)));
  EXPECT_EQ(epochs.end_of(e(4), o(30)), End(e(4), o(30)));
  EXPECT_EQ(epochs.end_of(e(0), o(30)), End(e(0), o(0)));
}

TEST(LeaderEpochs, KnowsNothingOfEpochsAboveItsLatest) {
  EXPECT_EQ(three().end_of(e(5), o(30)), End(e(-1), o(-1)));
  EXPECT_EQ(LeaderEpochs().end_of(e(0), o(0)), End(e(-1), o(-1)));
}

TEST(LeaderEpochs, KeepsTheFirstOffsetOfAnEpochThatIsAssignedAgain) {
  auto epochs = three();
  EXPECT_FALSE(epochs.assign(e(4), o(25)));
  EXPECT_EQ(epochs.entries().back().start, o(20));
}

TEST(LeaderEpochs, DropsEntriesThatANewOneContradicts) {
  auto epochs = three();
  EXPECT_TRUE(epochs.assign(e(5), o(10)));
  ASSERT_EQ(epochs.entries().size(), 2u);
  EXPECT_EQ(epochs.entries().back(), (LeaderEpochs::Entry{e(5), o(10)}));
}

TEST(LeaderEpochs, ForgetsEpochsBehindATruncation) {
  auto epochs = three();
  EXPECT_TRUE(epochs.truncate_end(o(20)));
  EXPECT_EQ(epochs.latest(), e(3));
  EXPECT_FALSE(epochs.truncate_end(o(15)));
}

TEST(LeaderEpochs, MovesTheCoveringEpochUpToTheLogStart) {
  auto epochs = three();
  EXPECT_TRUE(epochs.truncate_start(o(15)));
  EXPECT_EQ(epochs.entries(), (std::vector<LeaderEpochs::Entry>{{e(3), o(15)}, {e(4), o(20)}}));
  EXPECT_FALSE(epochs.truncate_start(o(15)));
  EXPECT_FALSE(epochs.epoch_at(o(14)).has_value());
  EXPECT_EQ(epochs.epoch_at(o(19)), e(3));
}

TEST(LeaderEpochs, WritesTheTextThatKafkaReads) {
  EXPECT_EQ(as_text(three().encode()), "0\n3\n1 0\n3 10\n4 20\n");
  const auto again = LeaderEpochs::parse(three().encode());
  ASSERT_TRUE(again.has_value());
  EXPECT_EQ(again->entries(), three().entries());
}

TEST(LeaderEpochs, RefusesTextThatIsNotACheckpoint) {
  for (const std::string text :
       {"", "1\n0\n", "0\n", "0\n2\n1 0\n", "0\n1\n1 0\n2 5\n", "0\n1\nx 0\n", "0\n1\n1\n",
        "0\n2\n2 0\n1 5\n", "0\n2\n1 5\n2 0\n", "0\n1\n-1 0\n", "0\n1\n1 99999999999999999999\n"}) {
    const auto parsed = LeaderEpochs::parse(as_bytes(text));
    ASSERT_FALSE(parsed.has_value()) << text;
    EXPECT_EQ(parsed.error(), Errc::corrupt_file);
  }
}

}  // namespace
}  // namespace sluice::storage
