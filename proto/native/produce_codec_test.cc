#include "proto/native/produce_codec.h"

#include <string>

#include <gtest/gtest.h>

#include "base/random.h"
#include "proto/native/protocol.pb.h"

namespace sluice::native {
namespace {

int64_t random_number(Random& random) {
  const auto bits = random.below(65);
  return bits == 0 ? 0 : static_cast<int64_t>(random.next() >> (64 - bits));
}

RequestHeader random_request(Random& random) {
  RequestHeader header;
  header.set_correlation_id(static_cast<uint64_t>(random_number(random)));
  auto& produce = *header.mutable_produce();
  produce.set_acks(static_cast<int32_t>(random_number(random)));
  produce.set_timeout_ms(static_cast<uint32_t>(random_number(random)));
  for (uint64_t i = random.below(5); i > 0; --i) {
    auto& partition = *produce.add_partitions();
    partition.set_topic_id(std::string(random.below(20), 'i'));
    partition.set_partition(static_cast<int32_t>(random_number(random)));
    partition.set_size(static_cast<uint32_t>(random_number(random)));
    if (random.one_in(2)) partition.set_leader_epoch(static_cast<int32_t>(random_number(random)));
  }
  return header;
}

void expect_same(const ProduceHeader& decoded, const RequestHeader& expected) {
  EXPECT_EQ(decoded.correlation_id, expected.correlation_id());
  EXPECT_EQ(decoded.acks, expected.produce().acks());
  EXPECT_EQ(decoded.timeout_ms, expected.produce().timeout_ms());
  ASSERT_EQ(decoded.partitions.size(), static_cast<size_t>(expected.produce().partitions_size()));
  for (int i = 0; i < expected.produce().partitions_size(); ++i) {
    const auto& ours = decoded.partitions[static_cast<size_t>(i)];
    const auto& theirs = expected.produce().partitions(i);
    EXPECT_EQ(as_text(ours.topic_id), theirs.topic_id());
    EXPECT_EQ(ours.partition, theirs.partition());
    EXPECT_EQ(ours.size, theirs.size());
    EXPECT_EQ(ours.leader_epoch.has_value(), theirs.has_leader_epoch());
    EXPECT_EQ(ours.leader_epoch.value_or(0), theirs.leader_epoch());
  }
}

TEST(ProduceCodec, DecodesRequestsAsTheGeneratedCodeDoes) {
  SeededRandom random(1);
  for (int i = 0; i < 2000; ++i) {
    const auto request = random_request(random);
    const std::string bytes = request.SerializeAsString();
    ASSERT_TRUE(is_produce(as_bytes(bytes)));
    ProduceHeader decoded;
    ASSERT_TRUE(decode_produce(as_bytes(bytes), 10, decoded));
    expect_same(decoded, request);
  }
}

TEST(ProduceCodec, JudgesCutAndFlippedRequestsAsTheGeneratedCodeDoes) {
  SeededRandom random(2);
  for (int i = 0; i < 20000; ++i) {
    std::string bytes = random_request(random).SerializeAsString();
    if (random.one_in(2)) bytes.resize(random.below(bytes.size() + 1));
    if (!bytes.empty())
      bytes[random.below(bytes.size())] ^= static_cast<char>(1 + random.below(255));
    if (!is_produce(as_bytes(bytes))) continue;
    ProduceHeader decoded;
    RequestHeader expected;
    const bool ours = decode_produce(as_bytes(bytes), 10, decoded).has_value();
    if (!ours) continue;  // groups, which the generated code skips
    ASSERT_TRUE(expected.ParseFromString(bytes));
    expect_same(decoded, expected);
  }
}

TEST(ProduceCodec, LeavesOtherRequestsToTheGeneratedCode) {
  RequestHeader fetch;
  fetch.mutable_fetch()->set_max_bytes(1);
  EXPECT_FALSE(is_produce(as_bytes(fetch.SerializeAsString())));
  EXPECT_FALSE(is_produce({}));
  RequestHeader produce;
  produce.mutable_produce()->set_acks(1);
  const std::string twice = produce.SerializeAsString() + produce.SerializeAsString();
  EXPECT_FALSE(is_produce(as_bytes(twice))) << "Protobuf merges them";
  const std::string newer = produce.SerializeAsString() + std::string("\x9a\x06\x00", 3);
  EXPECT_FALSE(is_produce(as_bytes(newer))) << "field 99, a request of a later version, counts";
}

TEST(ProduceCodec, PassesOverFieldsOfLaterVersions) {
  RequestHeader request;
  request.set_correlation_id(7);
  request.mutable_produce()->set_acks(-1);
  const std::string later =
      "\xa2\x06\x03"
      "new" +
      request.SerializeAsString() + "\xa0\x06\x01";
  ASSERT_TRUE(is_produce(as_bytes(later)));
  ProduceHeader decoded;
  ASSERT_TRUE(decode_produce(as_bytes(later), 10, decoded));
  EXPECT_EQ(decoded.correlation_id, 7U);
  EXPECT_EQ(decoded.acks, -1);
}

TEST(ProduceCodec, RefusesTooManyPartitions) {
  RequestHeader request;
  for (int i = 0; i < 11; ++i) request.mutable_produce()->add_partitions();
  const std::string bytes = request.SerializeAsString();
  ProduceHeader decoded;
  const auto result = decode_produce(as_bytes(bytes), 10, decoded);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code(), Errc::malformed_frame);
}

ResponseHeader generated(const ProduceAnswer& answer) {
  ResponseHeader header;
  header.set_correlation_id(answer.correlation_id);
  header.set_throttle_ms(answer.throttle_ms);
  header.mutable_produce();
  for (const auto& from : answer.partitions) {
    auto& to = *header.mutable_produce()->add_partitions();
    if (from.error_code != 0) {
      to.mutable_error()->set_code(from.error_code);
      to.mutable_error()->set_message(std::string(from.error_message));
    }
    to.set_base_offset(from.base_offset);
    to.set_log_start(from.log_start);
    if (from.log_append_time) to.set_log_append_time(*from.log_append_time);
    to.mutable_receipt()->set_level(static_cast<Receipt::Level>(from.receipt_level));
    to.mutable_receipt()->set_replicas(from.receipt_replicas);
    to.mutable_receipt()->set_synced_replicas(from.receipt_synced_replicas);
    to.set_duplicate(from.duplicate);
    if (from.leader) to.set_leader(*from.leader);
    if (from.leader_epoch) to.set_leader_epoch(*from.leader_epoch);
  }
  return header;
}

ProduceAnswer::Partition random_outcome(Random& random) {
  const auto maybe = [&]() -> std::optional<int32_t> {
    if (random.one_in(2)) return std::nullopt;
    return static_cast<int32_t>(random_number(random));
  };
  return {.error_code = static_cast<uint32_t>(random.below(3)),
          .error_message = std::string_view("what went wrong").substr(random.below(16)),
          .base_offset = random_number(random),
          .log_start = random_number(random),
          .log_append_time = maybe(),
          .receipt_level = static_cast<uint32_t>(random.below(3)),
          .receipt_replicas = static_cast<uint32_t>(random.below(300)),
          .receipt_synced_replicas = static_cast<uint32_t>(random.below(3)),
          .duplicate = random.one_in(2),
          .leader = maybe(),
          .leader_epoch = maybe()};
}

TEST(ProduceCodec, EncodesAnswersAsTheGeneratedCodeDoes) {
  SeededRandom random(3);
  for (int i = 0; i < 2000; ++i) {
    std::vector<ProduceAnswer::Partition> partitions;
    for (uint64_t n = random.below(4); n > 0; --n) partitions.push_back(random_outcome(random));
    const ProduceAnswer answer{.correlation_id = static_cast<uint64_t>(random_number(random)),
                               .throttle_ms = static_cast<uint32_t>(random.below(2)),
                               .partitions = partitions};
    std::string bytes(encoded_size(answer), '\0');
    encode(answer, {reinterpret_cast<std::byte*>(bytes.data()), bytes.size()});
    ASSERT_EQ(bytes, generated(answer).SerializeAsString());
  }
}

}  // namespace
}  // namespace sluice::native
