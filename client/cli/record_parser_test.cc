#include "client/cli/record_parser.h"

#include <gtest/gtest.h>

#include "client/cli/record_json.h"

namespace sluice::cli {
namespace {

ParsedRecord parsed(RecordParser& parser, std::string_view line) {
  ParsedRecord record;
  const auto done = parser.parse(line, record);
  EXPECT_TRUE(done) << done.error().message();
  return record;
}

std::string refusal(RecordParser& parser, std::string_view line) {
  ParsedRecord record;
  const auto done = parser.parse(line, record);
  return done ? "" : std::string(done.error().message());
}

TEST(LineParser, TakesTheLineAsValue) {
  const auto parser = line_parser("");
  const auto record = parsed(*parser, "a:b");
  EXPECT_EQ(record.key, std::nullopt);
  EXPECT_EQ(record.value, "a:b");
}

TEST(LineParser, SplitsAtTheFirstSeparatorAndLeavesLinesWithoutItKeyless) {
  const auto parser = line_parser("::");
  const auto split = parsed(*parser, "a:b::c::d");
  EXPECT_EQ(split.key, "a:b");
  EXPECT_EQ(split.value, "c::d");
  EXPECT_EQ(parsed(*parser, "plain").key, std::nullopt);
}

TEST(FormatParser, ReadsFieldsBetweenLiterals) {
  const auto parser = format_parser(R"(%p;%T;[%k] %s\r\n)").value();
  EXPECT_EQ(parser->delimiter(), "\r\n");
  const auto record = parsed(*parser, "3;1763708400000;[key] a value; with all");
  EXPECT_EQ(record.partition, PartitionId(3));
  EXPECT_EQ(record.timestamp, Timestamp(1763708400000));
  EXPECT_EQ(record.key, "key");
  EXPECT_EQ(record.value, "a value; with all");
}

TEST(FormatParser, ReadsHeaders) {
  const auto parser = format_parser("%h %s").value();
  const auto record = parsed(*parser, "a=1,b= v");
  ASSERT_EQ(record.headers.size(), 2u);
  EXPECT_EQ(record.headers[0].key, "a");
  EXPECT_EQ(record.headers[0].value, "1");
  EXPECT_EQ(record.headers[1].value, "");
  EXPECT_EQ(record.value, "v");
}

TEST(FormatParser, SaysWhatIsWrongWithALine) {
  const auto parser = format_parser("%p:%s").value();
  EXPECT_EQ(refusal(*parser, "1"), "':' is missing");
  EXPECT_EQ(refusal(*parser, "x:1"), "'x' is no partition");
  EXPECT_EQ(refusal(*format_parser("%s]\n").value(), "a"), "");
}

TEST(FormatParser, RefusesFormatsItCannotRead) {
  for (const auto* format : {"", "\\n", "%k%s", "%t %s", "%o %s", "%S", "%q"}) {
    EXPECT_FALSE(format_parser(format)) << format;
  }
}

TEST(JsonParser, ReadsWhatConsumeWrites) {
  client::ConsumedRecord written;
  written.topic = "words";
  written.partition = PartitionId(2);
  written.timestamp = Timestamp(7);
  written.key = "k\n\"";
  written.value = "\xFF\x01";
  std::string line;
  append_record_json(line, written);
  const auto parser = json_parser();
  const auto record = parsed(*parser, line);
  EXPECT_EQ(record.key, written.key);
  EXPECT_EQ(record.value, written.value);
  EXPECT_EQ(record.partition, written.partition);
  EXPECT_EQ(record.timestamp, written.timestamp);
}

TEST(JsonParser, MissingAndNullAreNoValue) {
  const auto parser = json_parser();
  EXPECT_EQ(parsed(*parser, R"({"key":"k","value":null})").value, std::nullopt);
  EXPECT_EQ(parsed(*parser, "{}").key, std::nullopt);
}

TEST(JsonParser, ReadsHeaders) {
  const auto parser = json_parser();
  const auto record =
      parsed(*parser, R"({"headers":[{"key":"a","value_base64":"//4="},{"key":"b"}]})");
  ASSERT_EQ(record.headers.size(), 2u);
  EXPECT_EQ(record.headers[0].value, "\xFF\xFE");
  EXPECT_EQ(record.headers[1].value, std::nullopt);
}

TEST(JsonParser, SaysWhatIsWrongWithALine) {
  const auto parser = json_parser();
  for (const auto* line : {"", "[]", "{", R"({"key":1})", R"({"value_base64":"Z"})",
                           R"({"partition":-1})", R"({"timestamp":"x"})", R"({"headers":[1]})"}) {
    EXPECT_NE(refusal(*parser, line), "") << line;
  }
}

}  // namespace
}  // namespace sluice::cli
