#include "proto/record/validate.h"

#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "tests/support/random_batch.h"

namespace sluice::record {
namespace {

using sluice::testing::random_records;
using sluice::testing::sample_batch;
using sluice::testing::SampleRecord;

std::vector<std::byte> good_batch(const BatchSpec& spec = {}, size_t records = 6) {
  SeededRandom random(21);
  return sample_batch(random_records(random, records), spec);
}

/// Changes header fields of a good batch and makes its CRC right again.
template <class Change>
Error error_after(Change change, const BatchSpec& spec = {}) {
  std::vector<std::byte> bytes = good_batch(spec);
  BatchHeader header = load_header(bytes.data());
  change(header);
  encode_header(header, bytes);
  store_be(bytes.data() + kCrcAt, compute_crc(bytes));
  auto facts = validate(bytes, {});
  return facts ? Error(Errc::internal, "it was accepted") : std::move(facts).error();
}

TEST(Validate, TellsTheTimestampsOfTheRecords) {
  std::vector<SampleRecord> records(3);
  records[0].timestamp = Timestamp(100);
  records[1].timestamp = Timestamp(300);
  records[2].timestamp = Timestamp(50);
  const auto facts = validate(sample_batch(records), {});
  ASSERT_TRUE(facts.has_value());
  EXPECT_TRUE(facts->walked);
  EXPECT_EQ(facts->min_timestamp, Timestamp(50));
  EXPECT_EQ(facts->max_timestamp, Timestamp(300));
  EXPECT_EQ(facts->max_timestamp_delta, 1);
}

// Bytes 12 to 15 are the leader epoch: the CRC leaves it out, and a producer's value means nothing
// since the broker overwrites it. The base offset is not in the CRC either, but must be 0.
TEST(Validate, DetectsEveryFlippedByte) {
  const auto good = good_batch();
  ASSERT_TRUE(validate(good, {}).has_value());
  for (size_t at = 0; at < good.size(); ++at) {
    if (at >= kLeaderEpochAt && at < kMagicAt) continue;
    for (int mask : {0x01, 0x80, 0xff}) {
      auto bad = good;
      bad[at] ^= static_cast<std::byte>(mask);
      EXPECT_FALSE(validate(bad, {}).has_value()) << "byte " << at;
    }
  }
}

TEST(Validate, IgnoresTheProducersLeaderEpoch) {
  auto bytes = good_batch();
  stamp(bytes, Offset(0), LeaderEpoch(1234));
  EXPECT_TRUE(validate(bytes, {}).has_value());
}

TEST(Validate, RefusesABatchCutAtAnyLength) {
  const auto good = good_batch();
  EXPECT_EQ(validate({}, {}).error(), Errc::invalid_record);
  for (size_t size = 1; size < good.size(); ++size) {
    EXPECT_EQ(validate(ByteView(good).first(size), {}).error(), Errc::corrupt_batch) << size;
  }
}

TEST(Validate, RefusesMoreThanOneBatch) {
  auto two = good_batch();
  const auto second = good_batch();
  two.insert(two.end(), second.begin(), second.end());
  EXPECT_EQ(validate(two, {}).error(), Errc::invalid_record);
}

TEST(Validate, RefusesWhatIsNotAProducersToSay) {
  EXPECT_EQ(error_after([](auto& h) { h.base_offset = Offset(1); }), Errc::invalid_record);
  EXPECT_EQ(error_after([](auto& h) { h.attributes |= kControlBit; }), Errc::invalid_record);
  EXPECT_EQ(error_after([](auto& h) { h.attributes |= kDeleteHorizonBit; }), Errc::invalid_record);
  EXPECT_EQ(error_after([](auto& h) { h.attributes |= kLogAppendTimeBit; }),
            Errc::invalid_timestamp);
  EXPECT_EQ(error_after([](auto& h) { h.attributes |= 7; }), Errc::unsupported_compression);
  EXPECT_EQ(error_after([](auto& h) { h.producer_id = ProducerId(1); }), Errc::invalid_record);
}

TEST(Validate, RefusesCountsThatDoNotAgree) {
  EXPECT_EQ(error_after([](auto& h) { h.record_count = 5; }), Errc::invalid_record);
  EXPECT_EQ(error_after([](auto& h) { h.last_offset_delta = 4; }), Errc::invalid_record);
  EXPECT_EQ(error_after([](auto& h) { h.record_count = 5, h.last_offset_delta = 4; }),
            Errc::invalid_record);
  EXPECT_EQ(error_after([](auto& h) { h.record_count = 7, h.last_offset_delta = 6; }),
            Errc::invalid_record);
  EXPECT_EQ(error_after([](auto& h) { h.record_count = 0, h.last_offset_delta = -1; }),
            Errc::invalid_record);
  EXPECT_EQ(error_after([](auto& h) { h.record_count = -1, h.last_offset_delta = -2; }),
            Errc::invalid_record);
  EXPECT_EQ(
      error_after([](auto& h) { h.record_count = INT32_MIN, h.last_offset_delta = INT32_MAX; }),
      Errc::invalid_record);
}

TEST(Validate, RefusesOldAndUnknownFormats) {
  EXPECT_EQ(error_after([](auto& h) { h.magic = 0; }), Errc::invalid_record);
  EXPECT_EQ(error_after([](auto& h) { h.magic = 1; }), Errc::invalid_record);
  EXPECT_EQ(error_after([](auto& h) { h.magic = 3; }), Errc::corrupt_batch);
}

TEST(Validate, RefusesOffsetsThatAreNotDense) {
  std::vector<std::byte> bytes;
  BatchBuilder builder(Growing{bytes});
  ASSERT_TRUE(builder.append_at(1, std::nullopt, std::nullopt, {}, Timestamp(1)));
  ASSERT_TRUE(builder.append_at(2, std::nullopt, std::nullopt, {}, Timestamp(1)));
  builder.finish({.last_offset_delta = 2});
  EXPECT_EQ(validate(bytes, {}).error(), Errc::invalid_record);
}

TEST(Validate, RefusesABatchAboveTheTopicsLimit) {
  const auto bytes = good_batch();
  EXPECT_TRUE(validate(bytes, {.max_batch_size = bytes.size()}).has_value());
  const auto refused = validate(bytes, {.max_batch_size = bytes.size() - 1});
  EXPECT_EQ(refused.error(), Errc::batch_too_large);
  EXPECT_EQ(refused.error().message(), "the batch has " + std::to_string(bytes.size()) +
                                           " bytes, the topic's max.message.bytes is " +
                                           std::to_string(bytes.size() - 1) +
                                           "; send smaller batches or raise that");
}

TEST(Validate, RefusesANullKeyWhereKeysAreRequired) {
  std::vector<SampleRecord> records(3, {.key = "k"});
  EXPECT_TRUE(validate(sample_batch(records), {.require_keys = true}).has_value());
  records[1].key = std::nullopt;
  const Error error = validate(sample_batch(records), {.require_keys = true}).error();
  EXPECT_EQ(error, Errc::invalid_record);
  EXPECT_EQ(error.message(), "record 1: a compacted topic needs a key");
}

TEST(Validate, BelievesTheHeaderOfACompressedBatch) {
  const auto facts = validate(good_batch({.codec = Codec::zstd}, 60), {});
  ASSERT_TRUE(facts.has_value());
  EXPECT_FALSE(facts->walked);
  EXPECT_EQ(facts->max_timestamp, facts->header.max_timestamp);
  EXPECT_EQ(facts->max_timestamp_delta, 59);
}

TEST(Validate, WalksACompressedBatchWhenItMayInflate) {
  Decompressor decompressor;
  std::vector<std::byte> scratch;
  const Inflate inflate{decompressor, scratch, 1_MiB};
  const auto plain = validate(good_batch({}, 60), {});
  for (Codec codec : {Codec::gzip, Codec::snappy, Codec::lz4, Codec::zstd}) {
    const auto bytes = good_batch({.codec = codec}, 60);
    ASSERT_EQ(load_header(bytes.data()).codec(), codec);
    const auto facts = validate(bytes, {}, &inflate);
    ASSERT_TRUE(facts.has_value()) << facts.error().message();
    EXPECT_TRUE(facts->walked);
    EXPECT_EQ(facts->max_timestamp, plain->max_timestamp);
    EXPECT_EQ(facts->max_timestamp_delta, plain->max_timestamp_delta);
  }
}

TEST(Validate, RefusesACompressedBatchThatInflatesTooFar) {
  Decompressor decompressor;
  std::vector<std::byte> scratch;
  const Inflate inflate{decompressor, scratch, 1_KiB};
  EXPECT_EQ(validate(good_batch({.codec = Codec::lz4}, 60), {}, &inflate).error(),
            Errc::batch_too_large);
}

}  // namespace
}  // namespace sluice::record
