#include "storage/append_check.h"

#include <string>

#include <gtest/gtest.h>

#include "proto/record/builder.h"
#include "proto/record/records.h"
#include "storage/log_fixture.h"

namespace sluice::storage {
namespace {

std::vector<std::byte> compressed_batch(record::Codec codec, bool with_key = true) {
  std::vector<std::byte> bytes, scratch;
  record::BatchBuilder builder(record::Growing{bytes});
  const std::string value(3000, 'v');
  for (int i = 0; i < 10; ++i) {
    std::optional<ByteView> key;
    if (with_key) key = as_bytes("key");
    EXPECT_TRUE(builder.append(key, as_bytes(value), {}, Timestamp(1000 + i)));
  }
  record::Compressor compressor;
  EXPECT_TRUE(builder.finish({.codec = codec}, compressor, scratch));
  return bytes;
}

class AppendCheckTest : public testing::Test {
 protected:
  Result<> check(std::vector<std::byte>& batch, AppendOrigin origin = AppendOrigin::client) {
    append_.emplace(AppendRequest{.batch = batch, .origin = origin, .now = Timestamp(5000)});
    RETURN_IF_ERROR(check_append(*append_, options_, memory_));
    return recompress(*append_, options_, memory_, recompressed_);
  }
  int records_in(ByteView bytes) {
    const auto batch = record::BatchView::parse(bytes);
    EXPECT_TRUE(batch && batch->crc_matches());
    record::Decompressor decompressor;
    std::vector<std::byte> scratch;
    record::RecordReader reader(batch->header(),
                                *record::records_of(*batch, decompressor, 1_MiB, scratch));
    record::RecordView record;
    int count = 0;
    while (reader.next(record).value_or(false)) ++count;
    return count;
  }

  LogOptions options_;
  MemoryBudget memory_{"test", 1_MiB};
  std::optional<PendingAppend> append_;
  std::vector<std::byte> recompressed_;
};

TEST_F(AppendCheckTest, RefusalsNameTheValueAndTheWayOut) {
  auto broken = make_batch({.records = 3});
  broken.back() ^= std::byte{1};
  for (const auto origin :
       {AppendOrigin::client, AppendOrigin::coordinator, AppendOrigin::replica}) {
    const Error error = check(broken, origin).error();
    EXPECT_EQ(error.code(), Errc::corrupt_batch);
    EXPECT_NE(error.message().find("the checksum is "), std::string_view::npos) << error.message();
    EXPECT_NE(error.message().find("; it changed on its way"), std::string_view::npos);
  }
  options_.segment_bytes = 50;
  auto large = make_batch({.records = 3});
  const Error error = check(large).error();
  EXPECT_EQ(error.code(), Errc::batch_too_large);
  EXPECT_EQ(error.message(), "the batch has " + std::to_string(large.size()) +
                                 " bytes, a segment of the topic takes segment.bytes = 50; send "
                                 "smaller batches or raise that");
}

TEST_F(AppendCheckTest, KeepsTheProducersCompressionByDefault) {
  auto batch = compressed_batch(record::Codec::lz4);
  ASSERT_TRUE(check(batch));
  EXPECT_EQ(append_->request.batch.data(), batch.data());
}

TEST_F(AppendCheckTest, PutsTheLargestTimestampRight) {
  for (const int64_t claimed : {int64_t{-1}, int64_t{9'000'000'000'000}}) {
    auto batch = make_batch({.records = 3, .timestamp = Timestamp(1000)});
    auto header = record::load_header(batch.data());
    header.max_timestamp = Timestamp(claimed);
    record::encode_header(header, batch);
    header.crc = record::compute_crc(batch);
    record::encode_header(header, batch);
    ASSERT_TRUE(check(batch));
    EXPECT_EQ(append_->header.max_timestamp, Timestamp(1002));
    const auto stored = record::BatchView::parse(batch);
    EXPECT_EQ(stored->header().max_timestamp, Timestamp(1002));
    EXPECT_TRUE(stored->crc_matches());
  }
}

TEST_F(AppendCheckTest, PacksBatchesAsTheTopicWants) {
  for (const auto wanted : {TopicCompression::none, TopicCompression::gzip,
                            TopicCompression::snappy, TopicCompression::zstd}) {
    options_.compression = wanted;
    auto batch = compressed_batch(record::Codec::lz4);
    ASSERT_TRUE(check(batch));
    EXPECT_EQ(append_->header.codec(), static_cast<record::Codec>(wanted));
    EXPECT_EQ(records_in(append_->request.batch), 10);
    EXPECT_EQ(record::load_header(append_->request.batch.data()), append_->header);
  }
  EXPECT_EQ(memory_.used(), 0u);
}

TEST_F(AppendCheckTest, RefusesABatchThatGrowsBeyondTheLimitUnpacked) {
  options_.compression = TopicCompression::none;
  options_.max_message_bytes = 8_KiB;
  auto batch = compressed_batch(record::Codec::zstd);
  EXPECT_EQ(check(batch).error().code(), Errc::batch_too_large);
}

TEST_F(AppendCheckTest, LooksForKeysInsideOfCompressedBatchesOfACompactedTopic) {
  options_.cleanup_compact = true;
  auto keyed = compressed_batch(record::Codec::gzip);
  EXPECT_TRUE(check(keyed));
  auto keyless = compressed_batch(record::Codec::gzip, false);
  EXPECT_EQ(check(keyless).error().code(), Errc::invalid_record);
}

TEST_F(AppendCheckTest, RefusesToInflateWithoutMemory) {
  MemoryBudget spent("spent", 1_KiB);
  options_.cleanup_compact = true;
  auto batch = compressed_batch(record::Codec::gzip);
  PendingAppend append({.batch = batch, .now = Timestamp(5000)});
  EXPECT_EQ(check_append(append, options_, spent).error().code(), Errc::out_of_memory);
}

TEST_F(AppendCheckTest, RefusesTimestampsFarFromNow) {
  options_.timestamp_after_max_ms = 1000;
  auto late = make_batch({.timestamp = Timestamp(6001)});
  EXPECT_EQ(check(late).error().code(), Errc::invalid_timestamp);
  options_.timestamp_before_max_ms = 1000;
  auto early = make_batch({.timestamp = Timestamp(3999)});
  EXPECT_EQ(check(early).error().code(), Errc::invalid_timestamp);
  auto right = make_batch({.timestamp = Timestamp(4500)});
  EXPECT_TRUE(check(right));
}

TEST_F(AppendCheckTest, ReplicasBatchesMustBeWholeSoundAndInOrder) {
  auto batches = make_batch({.base = Offset(5)});
  const auto second = make_batch({.base = Offset(6)});
  batches.insert(batches.end(), second.begin(), second.end());
  EXPECT_TRUE(check(batches, AppendOrigin::replica));
  batches.pop_back();
  EXPECT_EQ(check(batches, AppendOrigin::replica).error().code(), Errc::corrupt_batch);
  auto backwards = make_batch({.base = Offset(6)});
  backwards.insert(backwards.end(), second.begin(), second.end());
  EXPECT_EQ(check(backwards, AppendOrigin::replica).error().code(), Errc::invalid_record);
}

}  // namespace
}  // namespace sluice::storage
