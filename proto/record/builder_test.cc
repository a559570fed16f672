#include "proto/record/builder.h"

#include <array>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "proto/record/validate.h"
#include "tests/support/random_batch.h"

namespace sluice::record {
namespace {

using sluice::testing::append_sample;
using sluice::testing::random_records;

constexpr Timestamp kNow{1'700'000'000'000};

TEST(BatchBuilder, LeavesAFullBufferAsItWas) {
  std::vector<std::byte> buffer(1_KiB);
  BatchBuilder builder{MutableBytes(buffer)};
  const std::string value(100, 'v');
  int32_t count = 0;
  while (builder.append(std::nullopt, as_bytes(value), {}, kNow)) ++count;
  EXPECT_EQ(builder.record_count(), count);
  EXPECT_FALSE(builder.append(std::nullopt, as_bytes(value), {}, kNow));
  // What is left is smaller than another such record, yet takes a small one.
  EXPECT_LT(buffer.size() - builder.size_in_bytes(), 110u);
  EXPECT_TRUE(builder.append(std::nullopt, std::nullopt, {}, kNow));
  const auto facts = validate(builder.finish({}), {});
  ASSERT_TRUE(facts.has_value()) << facts.error().message();
  EXPECT_EQ(facts->header.record_count, count + 1);
}

TEST(BatchBuilder, FillsABufferToTheLastByte) {
  for (size_t size = kHeaderSize; size < 400; ++size) {
    std::vector<std::byte> buffer(size);
    BatchBuilder builder{MutableBytes(buffer)};
    while (builder.append(std::nullopt, std::nullopt, {}, kNow)) continue;
    EXPECT_LT(buffer.size() - builder.size_in_bytes(), 8u);
    EXPECT_LE(builder.finish({}).size(), size);
  }
}

TEST(BatchBuilder, NeverRefusesWhatTheUpperBoundCovers) {
  SeededRandom random(3);
  for (const auto& record : random_records(random, 500)) {
    std::vector<HeaderView> headers;
    for (const auto& [key, value] : record.headers) {
      headers.push_back({key, testing::view_of(value)});
    }
    std::vector<std::byte> buffer(max_batch_size(record.key ? record.key->size() : 0,
                                                 record.value ? record.value->size() : 0, headers));
    BatchBuilder builder{MutableBytes(buffer)};
    builder.start_at(Timestamp(0));
    ASSERT_TRUE(append_sample(builder, record));
  }
}

TEST(BatchBuilder, StartsOverAfterReset) {
  std::vector<std::byte> buffer(1_KiB);
  BatchBuilder builder{MutableBytes(buffer)};
  ASSERT_TRUE(builder.append(as_bytes("a"), std::nullopt, {}, Timestamp(1)));
  const MutableBytes finished = builder.finish({});
  const std::vector<std::byte> first(finished.begin(), finished.end());
  builder.reset();
  EXPECT_TRUE(builder.empty());
  ASSERT_TRUE(builder.append(as_bytes("a"), std::nullopt, {}, Timestamp(1)));
  EXPECT_TRUE(std::ranges::equal(builder.finish({}), first));
}

TEST(BatchBuilder, WritesBehindWhatTheVectorHolds) {
  std::vector<std::byte> bytes;
  for (int i = 0; i < 3; ++i) {
    BatchBuilder builder(Growing{bytes});
    ASSERT_TRUE(builder.append(as_bytes(std::string(1000, 'k')), std::nullopt, {}, kNow));
    builder.finish({.base_offset = Offset(i)});
  }
  BatchCursor cursor(bytes);
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(cursor.next().value()->header().base_offset, Offset(i));
  }
  EXPECT_TRUE(cursor.rest().empty());
}

TEST(BatchBuilder, WritesEveryFieldOfTheSpec) {
  std::vector<std::byte> bytes;
  BatchBuilder builder(Growing{bytes});
  builder.start_at(Timestamp(50));
  ASSERT_TRUE(builder.append_at(4, as_bytes("k"), std::nullopt, {}, kNow));
  builder.finish({.base_offset = Offset(10),
                  .leader_epoch = LeaderEpoch(2),
                  .producer_id = ProducerId(3),
                  .producer_epoch = ProducerEpoch(4),
                  .base_sequence = 5,
                  .transactional = true,
                  .control = true,
                  .has_delete_horizon = true,
                  .timestamp_type = TimestampType::log_append_time,
                  .last_offset_delta = 9,
                  .max_timestamp = Timestamp(60)});
  const auto header = decode_header(bytes).value();
  EXPECT_EQ(header.attributes, 0x78);
  EXPECT_EQ(header.delete_horizon(), Timestamp(50));
  EXPECT_EQ(header.max_timestamp, Timestamp(60));
  EXPECT_EQ(header.last_offset(), Offset(19));
  EXPECT_EQ(header.leader_epoch, LeaderEpoch(2));
  EXPECT_EQ(header.last_sequence(), 14);
  EXPECT_EQ(header.record_count, 1);
  EXPECT_TRUE(BatchView::parse(bytes)->crc_matches());
}

TEST(BatchBuilder, KeepsOffsetsThatHaveGaps) {
  std::vector<std::byte> bytes;
  BatchBuilder builder(Growing{bytes});
  for (int32_t delta : {3, 7, 300}) {
    ASSERT_TRUE(builder.append_at(delta, std::nullopt, std::nullopt, {}, kNow));
  }
  builder.finish({.base_offset = Offset(1000)});
  const auto batch = BatchView::parse(bytes).value();
  RecordReader reader(batch.header(), batch.payload());
  RecordView view;
  for (int64_t offset : {1003, 1007, 1300}) {
    ASSERT_TRUE(reader.next(view).value());
    EXPECT_EQ(view.offset, Offset(offset));
  }
}

TEST(BatchBuilder, MakesABatchWithoutRecordsThatKeepsItsOffsets) {
  std::vector<std::byte> bytes;
  BatchBuilder(Growing{bytes}).finish({.base_offset = Offset(5), .last_offset_delta = 9});
  const auto batch = BatchView::parse(bytes).value();
  EXPECT_EQ(batch.header().next_offset(), Offset(15));
  RecordReader reader(batch.header(), batch.payload());
  RecordView view;
  EXPECT_FALSE(reader.next(view).value());
}

TEST(BatchBuilder, LeavesUncompressedWhatWouldNotShrink) {
  std::vector<std::byte> buffer(max_batch_size(0, 3));
  BatchBuilder builder{MutableBytes(buffer)};
  ASSERT_TRUE(builder.append(std::nullopt, as_bytes("xyz"), {}, kNow));
  Compressor compressor;
  std::vector<std::byte> scratch;
  const auto batch = builder.finish({.codec = Codec::gzip}, compressor, scratch);
  ASSERT_TRUE(batch.has_value());
  EXPECT_EQ(load_header(batch->data()).codec(), Codec::none);
  EXPECT_TRUE(validate(*batch, {}).has_value());
}

TEST(BatchBuilder, ReportsTimestampsThatGoBack) {
  std::vector<std::byte> bytes;
  BatchBuilder builder(Growing{bytes});
  for (int64_t timestamp : {100, 300, 50}) {
    ASSERT_TRUE(builder.append(std::nullopt, std::nullopt, {}, Timestamp(timestamp)));
  }
  const BatchHeader header = load_header(builder.finish({}).data());
  EXPECT_EQ(header.base_timestamp, Timestamp(100));
  EXPECT_EQ(header.max_timestamp, Timestamp(300));
}

}  // namespace
}  // namespace sluice::record
