#include "proto/native/framing.h"

#include <fstream>
#include <regex>
#include <set>
#include <string>

#include <gtest/gtest.h>

namespace sluice::native {
namespace {

Result<FramePrefix> decode(uint32_t size, uint32_t header) {
  std::array<std::byte, kPrefixSize> bytes;
  store_be<uint32_t>(bytes.data(), size);
  store_be<uint32_t>(bytes.data() + 4, header);
  return decode_prefix(bytes, 1000);
}

TEST(Framing, RoundTripsPrefixes) {
  for (const FramePrefix prefix : {FramePrefix{0, 0}, FramePrefix{1, 2}, FramePrefix{996, 0}}) {
    std::array<std::byte, kPrefixSize> bytes;
    encode_prefix(prefix, bytes);
    const auto decoded = decode_prefix(bytes, 1000);
    ASSERT_TRUE(decoded);
    EXPECT_EQ(decoded->header_size, prefix.header_size);
    EXPECT_EQ(decoded->payload_size, prefix.payload_size);
    EXPECT_EQ(decoded->frame_size(), kPrefixSize + prefix.header_size + prefix.payload_size);
  }
}

TEST(Framing, RefusesLyingLengths) {
  EXPECT_EQ(decode(3, 0).error().code(), Errc::malformed_frame);
  EXPECT_EQ(decode(0, 0).error().code(), Errc::malformed_frame);
  EXPECT_EQ(decode(10, 7).error().code(), Errc::malformed_frame);
  EXPECT_EQ(decode(10, 0xffffffff).error().code(), Errc::malformed_frame);
  EXPECT_TRUE(decode(10, 6));
}

TEST(Framing, RefusesWhatIsTooLarge) {
  EXPECT_EQ(decode(1001, 5).error().code(), Errc::frame_too_large);
  EXPECT_EQ(decode(0xffffffff, 5).error().code(), Errc::frame_too_large);
  std::array<std::byte, kPrefixSize> bytes;
  encode_prefix({static_cast<uint32_t>(kMaxHeaderBytes) + 1, 0}, bytes);
  EXPECT_EQ(decode_prefix(bytes, 1u << 30).error().code(), Errc::frame_too_large);
  EXPECT_TRUE(decode_prefix(bytes, 1u << 30, kMaxAnswerHeaderBytes)) << "an answer's may";
  encode_prefix({static_cast<uint32_t>(kMaxAnswerHeaderBytes) + 1, 0}, bytes);
  EXPECT_FALSE(decode_prefix(bytes, 1u << 30, kMaxAnswerHeaderBytes));
}

TEST(Protocol, DocumentsEveryErrorOfTheTable) {
  std::ifstream file(SLUICE_PROTOCOL_DOCUMENT);
  ASSERT_TRUE(file);
  std::set<std::string> documented;
  const std::regex row(R"(\| (\d+) \| `(\w+)` \| (yes)? ?\| .* \|)");
  for (std::string line; std::getline(file, line);) {
    if (std::smatch match; std::regex_match(line, match, row)) {
      documented.insert(match[1].str() + match[2].str() + (match[3].matched ? "retry" : ""));
    }
  }
  std::set<std::string> table;
#define SLUICE_ROW(name, code, retriable, text) \
  table.insert(std::to_string(code) + #name + ((retriable) ? "retry" : ""));
  SLUICE_ERRORS(SLUICE_ROW)
#undef SLUICE_ROW
  EXPECT_EQ(documented, table);
}

}  // namespace
}  // namespace sluice::native
