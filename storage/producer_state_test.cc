#include "storage/producer_state.h"

#include <limits>

#include <gtest/gtest.h>

#include "base/crc32c.h"

namespace sluice::storage {
namespace {

using namespace std::chrono_literals;
constexpr int32_t kMaxSequence = std::numeric_limits<int32_t>::max();

class ProducerStateTest : public testing::Test {
 protected:
  record::BatchHeader batch(int64_t producer, int32_t sequence, int32_t records,
                            int16_t epoch = 0) {
    record::BatchHeader header;
    header.producer_id = ProducerId(producer);
    header.producer_epoch = ProducerEpoch(epoch);
    header.base_sequence = sequence;
    header.last_offset_delta = records - 1;
    header.record_count = records;
    header.max_timestamp = Timestamp(1000);
    return header;
  }
  ProducerState::Undo append(record::BatchHeader header) {
    const auto checked = state_.check(header);
    EXPECT_TRUE(checked.has_value() && !checked->has_value());
    header.base_offset = end_;
    end_ = header.next_offset();
    auto undo = state_.apply(header);
    EXPECT_TRUE(undo.has_value());
    return undo.value_or(ProducerState::Undo{});
  }
  Errc refusal(const record::BatchHeader& header) {
    const auto checked = state_.check(header);
    return checked ? Errc::internal : checked.error().code();
  }

  /// As found in the log, whatever came before.
  void find(record::BatchHeader header) {
    header.base_offset = end_;
    end_ = header.next_offset();
    state_.replay(header);
  }

  MemoryBudget budget_{"producers", 8 * ProducerState::kBytesPerProducer};
  ProducerState state_{budget_};
  Offset end_{100};
};

TEST_F(ProducerStateTest, LetsAnUnknownProducerBeginOnlyAtZero) {
  EXPECT_EQ(refusal(batch(1, 17, 3)), Errc::unknown_producer);
  append(batch(1, 0, 17));
  append(batch(1, 17, 3));
}

TEST_F(ProducerStateTest, KeepsABatchFromPassingTheFirstOneThatWasRefused) {
  const auto first = append(batch(1, 0, 3));
  state_.undo(first);
  EXPECT_EQ(refusal(batch(1, 3, 3)), Errc::unknown_producer);
  append(batch(1, 0, 3));
  append(batch(1, 3, 3));
}

TEST_F(ProducerStateTest, IgnoresBatchesWithoutAProducer) {
  append(batch(-1, -1, 3));
  EXPECT_EQ(state_.size(), 0u);
}

TEST_F(ProducerStateTest, AnswersEachOfTheLastFiveBatchesWithItsFirstOffset) {
  for (int32_t i = 0; i < 6; ++i) append(batch(1, 3 * i, 3));
  for (int32_t i = 1; i < 6; ++i) {
    const auto repeat = state_.check(batch(1, 3 * i, 3));
    ASSERT_TRUE(repeat.has_value() && repeat->has_value()) << i;
    EXPECT_EQ((*repeat)->base_offset(), Offset(100 + 3 * i));
    EXPECT_EQ((*repeat)->last_offset, Offset(102 + 3 * i));
  }
  EXPECT_EQ(refusal(batch(1, 0, 3)), Errc::out_of_order_sequence);
}

TEST_F(ProducerStateTest, RefusesGapsAndPartialRepeats) {
  append(batch(1, 0, 3));
  EXPECT_EQ(refusal(batch(1, 4, 1)), Errc::out_of_order_sequence);
  EXPECT_EQ(refusal(batch(1, 0, 2)), Errc::out_of_order_sequence);
  EXPECT_EQ(refusal(batch(1, 1, 2)), Errc::out_of_order_sequence);
}

TEST_F(ProducerStateTest, RefusesAProducerWithoutASequence) {
  EXPECT_EQ(refusal(batch(1, -1, 1)), Errc::invalid_record);
}

TEST_F(ProducerStateTest, GoesOnAtZeroAfterTheLargestSequence) {
  find(batch(1, kMaxSequence - 1, 2));
  EXPECT_EQ(refusal(batch(1, 1, 1)), Errc::out_of_order_sequence);
  append(batch(1, 0, 1));
}

TEST_F(ProducerStateTest, WrapsInsideABatch) {
  find(batch(1, kMaxSequence, 3));
  append(batch(1, 2, 1));
  EXPECT_TRUE(state_.check(batch(1, kMaxSequence, 3))->has_value());
}

TEST_F(ProducerStateTest, BeginsANewEpochAtZeroAndFencesTheOld) {
  append(batch(1, 0, 3, 4));
  EXPECT_EQ(refusal(batch(1, 3, 1, 5)), Errc::out_of_order_sequence);
  append(batch(1, 0, 3, 5));
  EXPECT_EQ(refusal(batch(1, 3, 1, 4)), Errc::fenced_producer);
  EXPECT_EQ(state_.find(ProducerId(1))->remembered(), 1u);
}

TEST_F(ProducerStateTest, UndoesAppendsInReverseOrder) {
  append(batch(1, 0, 3));
  const Offset end = end_;
  const auto second = append(batch(1, 3, 3));
  const auto third = append(batch(1, 0, 1, 1));
  const auto other = append(batch(2, 0, 1));
  state_.undo(other);
  state_.undo(third);
  state_.undo(second);
  EXPECT_EQ(state_.find(ProducerId(2)), nullptr);
  EXPECT_EQ(budget_.used(), ProducerState::kBytesPerProducer);
  end_ = end;
  append(batch(1, 3, 3));
}

TEST_F(ProducerStateTest, RefusesNewProducersWhenTheBudgetIsSpent) {
  for (int64_t id = 0; id < 8; ++id) append(batch(id, 0, 1));
  auto ninth = batch(9, 0, 1);
  EXPECT_EQ(state_.apply(ninth).error(), Errc::out_of_memory);
  EXPECT_EQ(state_.size(), 8u);
  append(batch(3, 1, 1));
}

TEST_F(ProducerStateTest, MakesRoomInReplayByForgettingTheSilent) {
  for (int64_t id = 0; id < 10; ++id) {
    auto header = batch(id, 0, 1);
    header.max_timestamp = Timestamp(id);
    state_.replay(header);
  }
  EXPECT_EQ(state_.find(ProducerId(0)), nullptr);
  EXPECT_NE(state_.find(ProducerId(9)), nullptr);
  EXPECT_LE(budget_.used(), budget_.cap());
}

TEST_F(ProducerStateTest, ForgetsTheExpiredButNotOpenTransactions) {
  append(batch(1, 0, 1));
  auto open = batch(2, 0, 1);
  open.attributes = record::kTransactionalBit;
  append(open);
  EXPECT_EQ(state_.expire(Timestamp(1009), 10ms), 0u);
  EXPECT_EQ(state_.expire(Timestamp(1010), 10ms), 1u);
  EXPECT_EQ(state_.find(ProducerId(1)), nullptr);
  EXPECT_EQ(budget_.used(), ProducerState::kBytesPerProducer);
}

TEST_F(ProducerStateTest, KnowsTheOldestOpenTransaction) {
  auto data = batch(1, 0, 2);
  data.attributes = record::kTransactionalBit;
  append(data);
  auto later = batch(2, 0, 2);
  later.attributes = record::kTransactionalBit;
  append(later);
  EXPECT_EQ(state_.oldest_transaction(), Offset(100));
  auto marker = batch(1, -1, 1);
  marker.attributes = record::kTransactionalBit | record::kControlBit;
  const auto undo = append(marker);
  EXPECT_EQ(state_.oldest_transaction(), Offset(102));
  state_.undo(undo);
  EXPECT_EQ(state_.oldest_transaction(), Offset(100));
}

TEST_F(ProducerStateTest, ComesBackFromItsSnapshot) {
  find(batch(7, kMaxSequence, 3, 2));
  auto open = batch(5, 0, 2);
  open.attributes = record::kTransactionalBit;
  append(open);
  const auto snapshot = state_.encode_snapshot();
  EXPECT_EQ(snapshot.size(), 10u + 2 * 47);

  MemoryBudget budget("other", 1_MiB);
  ProducerState again(budget);
  ASSERT_TRUE(again.load_snapshot(snapshot).has_value());
  EXPECT_EQ(again.encode_snapshot(), snapshot);
  const auto repeat = again.check(batch(7, kMaxSequence, 3, 2));
  ASSERT_TRUE(repeat.has_value() && repeat->has_value());
  EXPECT_EQ((*repeat)->base_offset(), Offset(100));
  EXPECT_EQ(again.oldest_transaction(), Offset(103));
}

TEST_F(ProducerStateTest, KnowsTheLastFiveBatchesAgainFromItsSnapshot) {
  for (int i = 0; i < 7; ++i) append(batch(7, 10 * i, 10));
  const auto snapshot = state_.encode_snapshot();
  MemoryBudget budget("other", 1_MiB);
  ProducerState again(budget);
  ASSERT_TRUE(again.load_snapshot(snapshot).has_value());
  for (int i = 2; i < 7; ++i) {
    const auto repeat = again.check(batch(7, 10 * i, 10));
    ASSERT_TRUE(repeat.has_value() && repeat->has_value()) << i;
    EXPECT_EQ((*repeat)->base_offset(), Offset(100 + 10 * i));
  }
  EXPECT_EQ(again.check(batch(7, 10, 10)).error(), Errc::out_of_order_sequence);
  EXPECT_EQ(again.encode_snapshot(), snapshot);
}

/// What Kafka has of one producer: version 1, the last batch only.
std::vector<std::byte> kafka_snapshot() {
  std::vector<std::byte> bytes(56);
  store_be(bytes.data(), int16_t{1});
  store_be(bytes.data() + 6, int32_t{1});
  store_be(bytes.data() + 10, int64_t{0x0102});
  store_be(bytes.data() + 18, int16_t{3});
  store_be(bytes.data() + 20, int32_t{6});
  store_be(bytes.data() + 24, int64_t{101});
  store_be(bytes.data() + 32, int32_t{1});
  store_be(bytes.data() + 36, int64_t{1000});
  store_be(bytes.data() + 44, int32_t{-1});
  store_be(bytes.data() + 48, int64_t{-1});
  store_be(bytes.data() + 2, crc32c(ByteView(bytes).subspan(6)));
  return bytes;
}

TEST_F(ProducerStateTest, ReadsASnapshotThatKafkaWrote) {
  ASSERT_TRUE(state_.load_snapshot(kafka_snapshot()).has_value());
  const auto repeat = state_.check(batch(0x0102, 5, 2, 3));
  ASSERT_TRUE(repeat.has_value() && repeat->has_value());
  EXPECT_EQ((*repeat)->base_offset(), Offset(100));
  const auto next = state_.check(batch(0x0102, 7, 1, 3));
  EXPECT_TRUE(next.has_value() && !next->has_value());
}

TEST_F(ProducerStateTest, RefusesASnapshotWithAnyByteFlippedOrCut) {
  append(batch(1, 0, 1));
  append(batch(1, 1, 2));
  const auto good = state_.encode_snapshot();
  for (size_t i = 0; i < good.size(); ++i) {
    auto bad = good;
    bad[i] ^= std::byte{1};
    EXPECT_EQ(state_.load_snapshot(bad).error(), Errc::corrupt_file) << i;
    EXPECT_FALSE(state_.load_snapshot(ByteView(good).first(i)).has_value()) << i;
  }
  EXPECT_EQ(state_.encode_snapshot(), good);
}

}  // namespace
}  // namespace sluice::storage
