#include "proto/record/records.h"

#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "proto/record/validate.h"
#include "tests/support/random_batch.h"

namespace sluice::record {
namespace {

using sluice::testing::random_records;
using sluice::testing::sample_batch;
using sluice::testing::sample_of;
using sluice::testing::SampleRecord;

std::vector<std::byte> from_hex(std::string_view hex) {
  std::string digits;
  for (char c : hex) {
    if (c != ' ') digits += c;
  }
  std::vector<std::byte> bytes;
  for (size_t i = 0; i + 1 < digits.size(); i += 2) {
    bytes.push_back(static_cast<std::byte>(std::stoi(digits.substr(i, 2), nullptr, 16)));
  }
  return bytes;
}

/// Two records, written out by hand from the layout; the CRC comes from a bitwise implementation.
constexpr std::string_view kByHand =
    "0000000000000000 00000048 ffffffff 02 24412ce0 0000 00000001 0000018bcfe56800 0000018bcfe56805"
    "ffffffffffffffff ffff ffffffff 00000002"
    "1e 00 00 00 02 6b 0a 68656c6c6f 02 02 68 01"
    "0c 00 0a 02 01 01 00";

/// As Apache Kafka 4.3.1 answered and as a Java 3.7 client sent them.
constexpr std::string_view kAbortMarker =
    "000000000000095a 00000042 00000000 02 a34ac1d0 0030 00000000 000001a1fd17723d 000001a1fd17723d"
    "000000000000001b 0000 ffffffff 00000001"
    "20 00 00 00 08 00000000 0c 000000000000 00";
constexpr std::string_view kFromJava =
    "0000000000000000 0000003a 00000000 02 6a27dd57 0000 00000000 000001a1fd17fdaa 000001a1fd17fdaa"
    "0000000000000022 0000 00000000 00000001"
    "10 00 00 00 01 04 7630 00";

Result<std::vector<SampleRecord>> read_all(const BatchHeader& header, ByteView payload) {
  std::vector<SampleRecord> records;
  RecordReader reader(header, payload);
  RecordView view;
  while (true) {
    ASSIGN_OR_RETURN(const bool more, reader.next(view));
    if (!more) return records;
    records.push_back(sample_of(view));
  }
}

std::vector<SampleRecord> records_by_hand() {
  return {{.key = "k",
           .value = "hello",
           .headers = {{"h", std::nullopt}},
           .timestamp = Timestamp(1'700'000'000'000)},
          {.key = std::nullopt,
           .value = std::nullopt,
           .headers = {},
           .timestamp = Timestamp(1'700'000'000'005)}};
}

TEST(Records, ReadsBytesWrittenByHand) {
  const auto bytes = from_hex(kByHand);
  const auto batch = BatchView::parse(bytes);
  ASSERT_TRUE(batch.has_value());
  EXPECT_TRUE(batch->crc_matches());
  EXPECT_TRUE(validate(bytes, {}).has_value());
  EXPECT_EQ(read_all(batch->header(), batch->payload()), records_by_hand());
}

TEST(Records, BuildsTheBytesWrittenByHand) {
  EXPECT_EQ(sample_batch(records_by_hand()), from_hex(kByHand));
}

TEST(Records, ReadsWhatAJavaClientSent) {
  const auto bytes = from_hex(kFromJava);
  const auto facts = validate(bytes, {});
  ASSERT_TRUE(facts.has_value()) << facts.error().message();
  EXPECT_EQ(facts->header.producer_id, ProducerId(0x22));
  const auto records = read_all(facts->header, ByteView(bytes).subspan(kHeaderSize));
  ASSERT_TRUE(records.has_value());
  EXPECT_EQ(records->at(0).key, std::nullopt);
  EXPECT_EQ(records->at(0).value, "v0");
}

TEST(Records, ReadsABrokersAbortMarker) {
  const auto bytes = from_hex(kAbortMarker);
  const auto batch = BatchView::parse(bytes);
  ASSERT_TRUE(batch.has_value());
  EXPECT_TRUE(batch->crc_matches());
  EXPECT_TRUE(batch->header().is_control());
  EXPECT_TRUE(batch->header().is_transactional());
  const auto records = read_all(batch->header(), batch->payload());
  ASSERT_TRUE(records.has_value()) << records.error().message();
  EXPECT_EQ(records->at(0).key, std::string(4, '\0'));
}

TEST(Records, RoundTripsRandomBatches) {
  SeededRandom random(7);
  for (int round = 0; round < 300; ++round) {
    const auto records = random_records(random, 1 + random.below(40));
    const auto bytes = sample_batch(records, {.base_offset = Offset(500)});
    const auto batch = BatchView::parse(bytes);
    ASSERT_TRUE(batch.has_value());
    ASSERT_EQ(batch->bytes().size(), bytes.size());
    ASSERT_TRUE(batch->crc_matches());
    ASSERT_EQ(read_all(batch->header(), batch->payload()), records);
  }
}

TEST(Records, CountsOffsetsFromTheBase) {
  SeededRandom random(8);
  const auto bytes = sample_batch(random_records(random, 3), {.base_offset = Offset(500)});
  const auto batch = BatchView::parse(bytes);
  RecordReader reader(batch->header(), batch->payload());
  RecordView view;
  for (int64_t offset = 500; offset < 503; ++offset) {
    ASSERT_TRUE(reader.next(view).value());
    EXPECT_EQ(view.offset, Offset(offset));
  }
  EXPECT_FALSE(reader.next(view).value());
  EXPECT_FALSE(reader.next(view).value());
}

TEST(Records, CarryTheAppendTimeWhereTheBrokerSetIt) {
  SeededRandom random(9);
  auto bytes = sample_batch(random_records(random, 3));
  stamp_log_append_time(bytes, Timestamp(99));
  const auto batch = BatchView::parse(bytes);
  const auto records = read_all(batch->header(), batch->payload());
  ASSERT_TRUE(records.has_value());
  for (const SampleRecord& record : *records) EXPECT_EQ(record.timestamp, Timestamp(99));
}

TEST(Records, GiveAnErrorAtEveryCut) {
  SeededRandom random(10);
  const auto bytes = sample_batch(random_records(random, 12));
  const auto batch = BatchView::parse(bytes);
  for (size_t cut = 0; cut < batch->payload().size(); ++cut) {
    ASSERT_EQ(read_all(batch->header(), batch->payload().first(cut)).error(), Errc::invalid_record)
        << cut;
  }
}

TEST(Records, GiveAnErrorForBytesBehindTheLast) {
  SeededRandom random(11);
  auto bytes = sample_batch(random_records(random, 3));
  const BatchHeader header = load_header(bytes.data());
  bytes.push_back(std::byte{0});
  EXPECT_EQ(read_all(header, ByteView(bytes).subspan(kHeaderSize)).error(), Errc::invalid_record);
}

TEST(Records, GiveAnErrorForOffsetsOutsideOfTheBatch) {
  const auto bytes = from_hex(kByHand);
  BatchHeader header = load_header(bytes.data());
  header.last_offset_delta = 0;
  EXPECT_EQ(read_all(header, ByteView(bytes).subspan(kHeaderSize)).error(), Errc::invalid_record);
}

TEST(Records, GiveAnErrorForLengthsThatLie) {
  // Each is a first record behind the header of a batch of one.
  const BatchHeader header{.record_count = 1};
  for (std::string_view lie : {
           "00",                                // shorter than any record
           "01",                                // a negative length
           "0e 00 00 00 01 01 00",              // longer than what is there
           "ff ff ff ff 1f 00 00 00 01 01 00",  // more than 32 bits
           "0c 00 00 00 7e 01 00",              // the key reaches beyond the record
           "0c 00 00 00 03 01 00",              // a key length of -2
           "0c 00 00 00 01 7e 00",              // the value reaches beyond the record
           "0c 00 00 00 01 01 02",              // a header that is not there
           "0c 00 00 00 01 01 01",              // a negative header count
           "16 00 00 00 01 01 fe ff ff ff 0f",  // two thousand million headers
           "10 00 00 00 01 01 02 01 01",        // a header whose key is null
           "0e 00 00 00 01 01 00 00",           // a byte behind the last header
           "0c 00 00 01 01 01 00",              // an offset delta of -1
       }) {
    EXPECT_EQ(read_all(header, from_hex(lie)).error(), Errc::invalid_record) << lie;
  }
}

}  // namespace
}  // namespace sluice::record
