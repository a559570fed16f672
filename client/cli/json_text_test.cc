#include "client/cli/json_text.h"

#include <gtest/gtest.h>

namespace sluice::cli {
namespace {

std::string quoted(std::string_view text) {
  std::string out;
  append_json_string(out, text);
  return out;
}

TEST(JsonText, EscapesWhatJsonMayNotHold) {
  EXPECT_EQ(quoted("a\"b\\c\nd\te\x01\x7f"), R"("a\"b\\c\nd\te\u0001\u007f")");
  EXPECT_EQ(quoted("études"), "\"études\"");
}

TEST(JsonText, TellsUtf8FromOtherBytes) {
  EXPECT_TRUE(is_utf8(""));
  EXPECT_TRUE(is_utf8("a é € 😀"));
  for (const auto* text : {"\x80", "\xC0\x80", "\xE0\x80\x80", "\xED\xA0\x80", "\xF0\x80\x80\x80",
                           "\xF4\x90\x80\x80", "\xE2\x82", "\xFF", "a\xC3"}) {
    EXPECT_FALSE(is_utf8(text));
  }
}

TEST(JsonText, NamesABinaryMemberSo) {
  std::string out;
  append_json_member(out, "value", "\xFF\xFE");
  EXPECT_EQ(out, R"("value_base64":"//4=")");
}

TEST(JsonText, EncodesBase64LikeRfc4648) {
  EXPECT_EQ(to_base64(""), "");
  EXPECT_EQ(to_base64("f"), "Zg==");
  EXPECT_EQ(to_base64("fo"), "Zm8=");
  EXPECT_EQ(to_base64("foo"), "Zm9v");
  EXPECT_EQ(to_base64("foobar"), "Zm9vYmFy");
}

TEST(JsonText, DecodesWhatItEncoded) {
  for (const std::string_view bytes : {"", "f", "fo", "foo", "\xFF\xFE\x01", "\x01\x02\x03\x04"}) {
    EXPECT_EQ(from_base64(to_base64(bytes)), bytes);
  }
}

TEST(JsonText, RefusesWhatIsNoBase64) {
  for (const auto* text : {"Z", "Zg", "Zg=", "Zh==", "Zm9=", "Z===", "Zm9v=", "Z g="}) {
    EXPECT_EQ(from_base64(text), std::nullopt) << text;
  }
}

}  // namespace
}  // namespace sluice::cli
