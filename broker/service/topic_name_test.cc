#include "broker/service/topic_name.h"

#include <string>

#include <gtest/gtest.h>

namespace sluice::broker {
namespace {

std::string refusal_of(std::string_view name) {
  auto checked = check_topic_name(name);
  if (checked) return "";
  EXPECT_EQ(checked.error().code(), Errc::invalid_topic_name);
  return std::string(checked.error().message());
}

TEST(TopicName, TakesLettersDigitsDotsUnderscoresAndDashes) {
  for (const std::string& name : {std::string("a"), std::string("Az09._-"), std::string("..."),
                                  std::string("-"), std::string(249, 'x')}) {
    EXPECT_EQ(refusal_of(name), "") << name;
  }
}

TEST(TopicName, RefusesNoName) { EXPECT_NE(refusal_of(""), ""); }

TEST(TopicName, RefusesNamesOfDirectories) {
  EXPECT_NE(refusal_of("."), "");
  EXPECT_NE(refusal_of(".."), "");
}

TEST(TopicName, RefusesTooLongNamesWithTheLimit) {
  EXPECT_NE(refusal_of(std::string(250, 'x')).find("249"), std::string::npos);
}

TEST(TopicName, NamesTheCharacterThatIsNotAllowed) {
  EXPECT_NE(refusal_of("a/b").find("'/'"), std::string::npos);
  EXPECT_NE(refusal_of("a b").find("0x20"), std::string::npos);
  EXPECT_NE(refusal_of(std::string("a\0b", 3)).find("0x00"), std::string::npos);
  EXPECT_NE(refusal_of("\xc3\xa9").find("0xc3"), std::string::npos);
}

TEST(TopicName, NeverPutsControlCharactersIntoTheMessage) {
  EXPECT_EQ(refusal_of("a\x1b[31m\n").find('\x1b'), std::string::npos);
  EXPECT_EQ(refusal_of("a\n").find('\n'), std::string::npos);
}

}  // namespace
}  // namespace sluice::broker
