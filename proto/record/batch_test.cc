#include "proto/record/batch.h"

#include <algorithm>
#include <vector>

#include <gtest/gtest.h>

#include "tests/support/random_batch.h"

namespace sluice::record {
namespace {

using sluice::testing::random_records;
using sluice::testing::sample_batch;

std::vector<std::byte> batch_of(size_t records, uint64_t seed = 1) {
  SeededRandom random(seed);
  return sample_batch(random_records(random, records));
}

BatchHeader full_header() {
  return {.base_offset = Offset(77),
          .batch_length = 49,
          .leader_epoch = LeaderEpoch(5),
          .crc = 0xdeadbeef,
          .attributes = static_cast<int16_t>(kTransactionalBit | 3),
          .last_offset_delta = 9,
          .base_timestamp = Timestamp(1000),
          .max_timestamp = Timestamp(2000),
          .producer_id = ProducerId(42),
          .producer_epoch = ProducerEpoch(3),
          .base_sequence = 2147483640,
          .record_count = 10};
}

TEST(BatchHeader, RoundTripsEveryField) {
  std::vector<std::byte> bytes(kHeaderSize);
  encode_header(full_header(), bytes);
  const auto decoded = decode_header(bytes);
  ASSERT_TRUE(decoded.has_value());
  EXPECT_EQ(*decoded, full_header());
}

TEST(BatchHeader, TellsWhatItsFieldsMean) {
  const BatchHeader header = full_header();
  EXPECT_EQ(header.last_offset(), Offset(86));
  EXPECT_EQ(header.next_offset(), Offset(87));
  EXPECT_EQ(header.size_in_bytes(), kHeaderSize);
  EXPECT_EQ(header.codec(), Codec::lz4);
  EXPECT_TRUE(header.is_transactional());
  EXPECT_FALSE(header.is_control());
  EXPECT_EQ(header.timestamp_type(), TimestampType::create_time);
  EXPECT_EQ(header.delete_horizon(), std::nullopt);
}

TEST(BatchHeader, WrapsTheLastSequenceToZero) { EXPECT_EQ(full_header().last_sequence(), 1); }

template <class Change>
Error error_after(Change change) {
  BatchHeader header = full_header();
  change(header);
  std::vector<std::byte> bytes(kHeaderSize);
  encode_header(header, bytes);
  auto decoded = decode_header(bytes);
  return decoded ? Error(Errc::internal, "it was accepted") : std::move(decoded).error();
}

TEST(BatchHeader, RefusesWhatNoBatchCanSay) {
  EXPECT_EQ(error_after([](auto& h) { h.batch_length = 48; }), Errc::corrupt_batch);
  EXPECT_EQ(error_after([](auto& h) { h.batch_length = -1; }), Errc::corrupt_batch);
  EXPECT_EQ(error_after([](auto& h) { h.batch_length = 2147483647; }), Errc::corrupt_batch);
  EXPECT_EQ(error_after([](auto& h) { h.magic = 0; }), Errc::invalid_record);
  EXPECT_EQ(error_after([](auto& h) { h.magic = 1; }), Errc::invalid_record);
  EXPECT_EQ(error_after([](auto& h) { h.magic = 3; }), Errc::corrupt_batch);
  EXPECT_EQ(error_after([](auto& h) { h.base_offset = Offset(-1); }), Errc::corrupt_batch);
  EXPECT_EQ(error_after([](auto& h) { h.base_offset = Offset(INT64_MAX - 9); }),
            Errc::corrupt_batch);
  EXPECT_EQ(error_after([](auto& h) { h.last_offset_delta = -1; }), Errc::corrupt_batch);
  EXPECT_EQ(error_after([](auto& h) { h.record_count = -1; }), Errc::corrupt_batch);
  EXPECT_EQ(error_after([](auto& h) { h.record_count = 11; }), Errc::corrupt_batch);
}

TEST(BatchHeader, RefusesFewerBytesThanAHeader) {
  std::vector<std::byte> bytes(kHeaderSize);
  encode_header(full_header(), bytes);
  for (size_t size = 0; size < kHeaderSize; ++size) {
    EXPECT_EQ(decode_header(ByteView(bytes).first(size)).error(), Errc::corrupt_batch) << size;
  }
}

TEST(Batch, KeepsItsChecksumWhenOffsetAndEpochAreStamped) {
  auto bytes = batch_of(5);
  stamp(bytes, Offset(1'000'000), LeaderEpoch(12));
  const auto batch = BatchView::parse(bytes);
  ASSERT_TRUE(batch.has_value());
  EXPECT_EQ(batch->header().base_offset, Offset(1'000'000));
  EXPECT_EQ(batch->header().leader_epoch, LeaderEpoch(12));
  EXPECT_TRUE(batch->crc_matches());
}

TEST(Batch, GetsAValidChecksumWithTheAppendTime) {
  auto bytes = batch_of(5);
  const BatchHeader before = load_header(bytes.data());
  stamp_log_append_time(bytes, Timestamp(123));
  const auto batch = BatchView::parse(bytes);
  ASSERT_TRUE(batch.has_value());
  EXPECT_TRUE(batch->crc_matches());
  EXPECT_EQ(batch->header().timestamp_type(), TimestampType::log_append_time);
  EXPECT_EQ(batch->header().max_timestamp, Timestamp(123));
  EXPECT_EQ(batch->header().base_timestamp, before.base_timestamp);
}

TEST(Batch, GetsAValidChecksumWithTheProducer) {
  auto bytes = batch_of(5);
  stamp_producer(bytes, ProducerId(9), ProducerEpoch(1), 70);
  const auto batch = BatchView::parse(bytes);
  ASSERT_TRUE(batch.has_value());
  EXPECT_TRUE(batch->crc_matches());
  EXPECT_EQ(batch->header().producer_id, ProducerId(9));
  EXPECT_EQ(batch->header().producer_epoch, ProducerEpoch(1));
  EXPECT_EQ(batch->header().base_sequence, 70);
}

struct Row {
  std::vector<std::byte> bytes;
  std::vector<size_t> ends;  // of each batch
};

Row three_batches() {
  Row row;
  for (uint64_t seed = 1; seed <= 3; ++seed) {
    const auto batch = batch_of(2, seed);
    row.bytes.insert(row.bytes.end(), batch.begin(), batch.end());
    row.ends.push_back(row.bytes.size());
  }
  return row;
}

TEST(BatchCursor, StopsCleanlyAtEveryCut) {
  const Row row = three_batches();
  for (size_t cut = 0; cut <= row.bytes.size(); ++cut) {
    BatchCursor cursor(ByteView(row.bytes).first(cut));
    size_t whole = 0;
    while (true) {
      const auto batch = cursor.next();
      ASSERT_TRUE(batch.has_value()) << cut;
      if (!*batch) break;
      ASSERT_TRUE((*batch)->crc_matches());
      ++whole;
    }
    ASSERT_EQ(whole, static_cast<size_t>(
                         std::ranges::count_if(row.ends, [&](size_t end) { return end <= cut; })));
    ASSERT_EQ(cursor.position(), whole == 0 ? 0 : row.ends[whole - 1]);
    ASSERT_EQ(cursor.rest().size(), cut - cursor.position());
  }
}

TEST(BatchCursor, StaysAtABadBatch) {
  Row row = three_batches();
  row.bytes[row.ends[0] + kMagicAt] = std::byte{9};
  BatchCursor cursor(row.bytes);
  ASSERT_TRUE(cursor.next().has_value());
  EXPECT_EQ(cursor.next().error(), Errc::corrupt_batch);
  EXPECT_EQ(cursor.next().error(), Errc::corrupt_batch);
  EXPECT_EQ(cursor.position(), row.ends[0]);
}

TEST(BatchCursor, DoesNotTakeZeroesForACutBatch) {
  const std::vector<std::byte> zeroes(kLogOverhead);
  EXPECT_EQ(BatchCursor(zeroes).next().error(), Errc::corrupt_batch);
}

}  // namespace
}  // namespace sluice::record
