#include "client/cli/record_format.h"

#include <string>

#include <gtest/gtest.h>

namespace sluice::cli {
namespace {

client::ConsumedRecord sample() {
  client::ConsumedRecord record;
  record.topic = "words";
  record.partition = PartitionId(3);
  record.offset = Offset(26102);
  record.timestamp = Timestamp(1763708400000);
  record.key = "k";
  record.value = "value";
  return record;
}

std::string printed(std::string_view format, const client::ConsumedRecord& record) {
  std::string out;
  RecordFormat::parse(format).value().append(out, record);
  return out;
}

TEST(RecordFormat, PrintsEveryField) {
  EXPECT_EQ(printed(R"(%t %p %o %T %k %s %K %S\n)", sample()),
            "words 3 26102 1763708400000 k value 1 5\n");
}

TEST(RecordFormat, KnowsEscapesAndThePercentSign) {
  EXPECT_EQ(printed(R"(a\tb\\c\x41%%\r)", sample()), "a\tb\\cA%\r");
  EXPECT_EQ(printed(R"(\0)", sample()), std::string(1, '\0'));
}

TEST(RecordFormat, MissingKeyAndValueAreEmptyOfSizeMinusOne) {
  auto record = sample();
  record.key.reset();
  record.value.reset();
  EXPECT_EQ(printed("[%k|%s|%K|%S]", record), "[||-1|-1]");
}

TEST(RecordFormat, NoHeadersPrintAsNothing) { EXPECT_EQ(printed("<%h>", sample()), "<>"); }

TEST(RecordFormat, JoinsNeighbouringLiterals) {
  const auto pieces = parse_format(R"(%k\t:%s\n)").value();
  ASSERT_EQ(pieces.size(), 4u);
  EXPECT_EQ(pieces[1].literal, "\t:");
}

TEST(RecordFormat, RefusesUnknownPiecesAndSaysTheKnownOnes) {
  for (const auto* format : {"%", "%z", "\\", "\\q", "\\x4", "\\xzz"}) {
    const auto parsed = RecordFormat::parse(format);
    ASSERT_FALSE(parsed) << format;
    EXPECT_EQ(parsed.error().code(), Errc::invalid_argument);
    EXPECT_NE(parsed.error().message().find("takes"), std::string_view::npos);
  }
}

}  // namespace
}  // namespace sluice::cli
