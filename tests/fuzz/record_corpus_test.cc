#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "proto/record/validate.h"

namespace sluice::record {
namespace {

std::vector<std::byte> content_of(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  const ByteView bytes = as_bytes(text);
  return {bytes.begin(), bytes.end()};
}

/// Files called captured_* are batches as Kafka clients sent them, one of each codec.
TEST(RecordCorpus, AcceptsWhatKafkaClientsSent) {
  Decompressor decompressor;
  std::vector<std::byte> scratch;
  const Inflate inflate{decompressor, scratch, 1_MiB};
  int files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(SLUICE_RECORD_CORPUS)) {
    if (!entry.path().filename().string().starts_with("captured_")) continue;
    const auto facts = validate(content_of(entry.path()), {}, &inflate);
    ASSERT_TRUE(facts.has_value()) << entry.path() << ": " << facts.error().message();
    EXPECT_TRUE(facts->walked);
    ++files;
  }
  EXPECT_GE(files, 5);
}

TEST(RecordCorpus, WalksTransactionMarkersAndDataInARow) {
  const auto bytes = content_of(std::filesystem::path(SLUICE_RECORD_CORPUS) / "markers_and_data");
  BatchCursor cursor(bytes);
  for (bool is_control : {true, false, true}) {
    const auto batch = cursor.next();
    ASSERT_TRUE(batch.has_value() && batch->has_value());
    EXPECT_TRUE((*batch)->crc_matches());
    EXPECT_EQ((*batch)->header().is_control(), is_control);
    EXPECT_TRUE((*batch)->header().is_transactional());
  }
  EXPECT_TRUE(cursor.rest().empty());
}

}  // namespace
}  // namespace sluice::record
