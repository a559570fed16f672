#include "storage/compaction_filter.h"

#include <map>
#include <optional>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "proto/record/builder.h"

namespace sluice::storage {
namespace {

using ::testing::ElementsAre;
using Text = std::optional<std::string>;

struct Written {
  int64_t offset;
  std::string key;
  Text value;
  bool operator==(const Written&) const = default;
};

class CompactionFilterTest : public ::testing::Test {
 protected:
  /// Appends a batch of keys and values; values of "" are tombstones.
  void append(const std::vector<std::pair<std::string, std::string>>& records,
              record::BatchSpec spec = {}) {
    std::vector<std::byte> batch;
    record::BatchBuilder builder(record::Growing{batch});
    for (const auto& [key, value] : records) {
      std::optional<ByteView> bytes;
      if (!value.empty()) bytes = as_bytes(value);
      EXPECT_TRUE(builder.append(as_bytes(key), bytes, {}, Timestamp(1000 + end_)));
      ++end_;
    }
    spec.base_offset = Offset(end_ - static_cast<int64_t>(records.size()));
    record::Compressor compressor;
    std::vector<std::byte> scratch;
    EXPECT_TRUE(builder.finish(spec, compressor, scratch).has_value());
    log_.insert(log_.end(), batch.begin(), batch.end());
  }
  Result<> compact(Timestamp now = Timestamp(10'000), size_t map_bytes = 1_MiB) {
    OffsetMap map(budget_, map_bytes, KeyHasher({3, 4}));
    ASSIGN_OR_RETURN(const auto full, map_keys(log_, Offset(0), source_, map));
    CompactionFilter filter({.latest = map,
                             .map_end = full.value_or(Offset(end_)),
                             .now = now,
                             .delete_retention = std::chrono::milliseconds(500),
                             .producers = producers_},
                            source_);
    std::vector<std::byte> kept;
    RETURN_IF_ERROR(filter.filter(log_, kept));
    filter.finish(kept);
    counts_ = filter.counts();
    log_ = std::move(kept);
    return {};
  }
  std::vector<record::BatchHeader> batches() const {
    std::vector<record::BatchHeader> headers;
    record::BatchCursor cursor(log_);
    for (auto batch = cursor.next(); batch && *batch; batch = cursor.next()) {
      EXPECT_TRUE((*batch)->crc_matches());
      headers.push_back((*batch)->header());
    }
    EXPECT_TRUE(cursor.rest().empty());
    return headers;
  }
  std::vector<Written> records() {
    std::vector<Written> found;
    record::BatchCursor cursor(log_);
    for (auto batch = cursor.next(); batch && *batch; batch = cursor.next()) {
      const auto payload = source_.records(**batch);
      if (!payload) continue;
      record::RecordReader reader((*batch)->header(), *payload);
      record::RecordView record;
      for (auto more = reader.next(record); more && *more; more = reader.next(record)) {
        Text value;
        if (record.value) value = as_text(*record.value);
        found.push_back({record.offset.value(), std::string(as_text(*record.key)), value});
      }
    }
    return found;
  }

  MemoryBudget budget_{"test", 16_MiB};
  RecordSource source_{1_MiB};
  ProducerEnds producers_;
  CompactionFilter::Counts counts_;
  std::vector<std::byte> log_;
  int64_t end_ = 0;
};

TEST_F(CompactionFilterTest, KeepsTheLastValueOfEachKeyAtItsOffset) {
  append({{"a", "1"}, {"b", "1"}, {"a", "2"}});
  append({{"c", "1"}, {"b", "2"}});
  ASSERT_TRUE(compact().has_value());
  EXPECT_THAT(records(),
              ElementsAre(Written{2, "a", "2"}, Written{3, "c", "1"}, Written{4, "b", "2"}));
  EXPECT_EQ(batches()[0].last_offset(), Offset(2));
}

TEST_F(CompactionFilterTest, LeavesBatchesThatLoseNothingByteForByte) {
  append({{"a", "1"}, {"b", "1"}}, {.codec = record::Codec::zstd, .leader_epoch = LeaderEpoch(7)});
  const auto before = log_;
  ASSERT_TRUE(compact().has_value());
  EXPECT_EQ(log_, before);
}

TEST_F(CompactionFilterTest, KeepsWhatABatchHeaderSaysWhenItRewrites) {
  append({{"a", "1"}, {"b", "1"}, {"c", "1"}, {"d", "1"}}, {.codec = record::Codec::lz4,
                                                            .leader_epoch = LeaderEpoch(7),
                                                            .producer_id = ProducerId(9),
                                                            .producer_epoch = ProducerEpoch(2),
                                                            .base_sequence = 40});
  append({{"b", "2"}, {"d", "2"}});
  ASSERT_TRUE(compact().has_value());
  const auto header = batches()[0];
  EXPECT_EQ(header.record_count, 2);
  EXPECT_EQ(header.last_offset(), Offset(3));
  EXPECT_EQ(header.last_sequence(), 43);
  EXPECT_EQ(header.leader_epoch, LeaderEpoch(7));
  EXPECT_EQ(header.producer_id, ProducerId(9));
  EXPECT_EQ(header.max_timestamp, Timestamp(1002));
}

TEST_F(CompactionFilterTest, DatesTombstonesFirstAndDropsThemAfterTheHorizon) {
  append({{"a", "1"}});
  append({{"a", ""}, {"b", "1"}});
  ASSERT_TRUE(compact(Timestamp(10'000)).has_value());
  EXPECT_EQ(batches()[0].delete_horizon(), Timestamp(10'500));
  EXPECT_THAT(records(), ElementsAre(Written{1, "a", std::nullopt}, Written{2, "b", "1"}));
  ASSERT_TRUE(compact(Timestamp(10'500)).has_value());
  EXPECT_EQ(records().size(), 2u);
  ASSERT_TRUE(compact(Timestamp(10'501)).has_value());
  EXPECT_THAT(records(), ElementsAre(Written{2, "b", "1"}));
}

TEST_F(CompactionFilterTest, KeepsControlAndTransactionalBatches) {
  append({{"a", "1"}}, {.producer_id = ProducerId(1), .transactional = true});
  append({{"a", "2"}});
  append({{"a", ""}}, {.producer_id = ProducerId(1), .transactional = true, .control = true});
  append({{"a", "3"}});
  ASSERT_TRUE(compact().has_value());
  EXPECT_THAT(records(), ElementsAre(Written{0, "a", "1"}, Written{2, "a", std::nullopt},
                                     Written{3, "a", "3"}));
}

TEST_F(CompactionFilterTest, KeepsTheLastBatchOfAProducerWithoutRecords) {
  append({{"a", "1"}}, {.producer_id = ProducerId(1), .base_sequence = 0});
  append({{"a", "2"}}, {.producer_id = ProducerId(1), .base_sequence = 1});
  append({{"a", "3"}});
  producers_ = {{ProducerId(1), Offset(1)}};
  ASSERT_TRUE(compact().has_value());
  const auto headers = batches();
  ASSERT_EQ(headers.size(), 2u);
  EXPECT_EQ(headers[0].record_count, 0);
  EXPECT_EQ(headers[0].last_sequence(), 1);
  EXPECT_EQ(headers[0].last_offset(), Offset(1));
}

TEST_F(CompactionFilterTest, EndsWhereTheInputEnded) {
  append({{"a", "1"}});
  append({{"a", ""}, {"a", ""}});
  ASSERT_TRUE(compact(Timestamp(1)).has_value());
  ASSERT_TRUE(compact(Timestamp(1000)).has_value());
  ASSERT_EQ(batches().size(), 1u);
  EXPECT_EQ(batches()[0].record_count, 0);
  EXPECT_EQ(batches()[0].last_offset(), Offset(2));
}

TEST_F(CompactionFilterTest, RefusesToCopyRottenBytes) {
  append({{"a", "1"}});
  append({{"a", "2"}});
  log_[record::kHeaderSize + 2] ^= std::byte{1};
  EXPECT_EQ(compact().error(), Errc::corrupt_batch);
}

TEST_F(CompactionFilterTest, KeepsBatchesThatDoNotInflate) {
  append({{std::string(200, 'a'), std::string(200, 'b')}}, {.codec = record::Codec::gzip});
  for (size_t i = record::kHeaderSize; i < log_.size(); ++i) log_[i] = std::byte{0x5a};
  auto header = record::load_header(log_.data());
  header.crc = record::compute_crc(log_);
  record::encode_header(header, log_);
  const auto before = log_;
  append({{"a", "1"}});
  ASSERT_TRUE(compact().has_value());
  EXPECT_EQ(std::vector(log_.begin(), log_.begin() + static_cast<ptrdiff_t>(before.size())),
            before);
  EXPECT_EQ(counts_.undecodable_batches, 1u);
}

/// What must be there: of each key the last value, whatever the map had room for and however often
/// it was compacted; and with enough room nothing else.
TEST_F(CompactionFilterTest, KeepsExactlyTheLatestOfRandomLogs) {
  SeededRandom random(42);
  for (int round = 0; round < 200; ++round) {
    log_.clear();
    end_ = 0;
    std::map<std::string, Written> latest;
    const auto batches = 1 + random.below(20);
    for (uint64_t b = 0; b < batches; ++b) {
      std::vector<std::pair<std::string, std::string>> records;
      for (uint64_t r = 1 + random.below(6); r > 0; --r)
        records.emplace_back("k" + std::to_string(random.below(8)),
                             "v" + std::to_string(end_) + std::to_string(r));
      for (size_t r = 0; r < records.size(); ++r)
        latest[records[r].first] = {end_ + static_cast<int64_t>(r), records[r].first,
                                    records[r].second};
      append(records, {.codec = static_cast<record::Codec>(random.below(5))});
    }
    ASSERT_TRUE(compact().has_value());
    std::vector<Written> expected;
    for (const auto& item : latest) expected.push_back(item.second);
    std::ranges::sort(expected, {}, &Written::offset);
    ASSERT_EQ(records(), expected) << "round " << round;
  }
}

TEST_F(CompactionFilterTest, KeepsAllThatTheMapHadNoRoomFor) {
  for (int i = 0; i < 2000; ++i) append({{"k" + std::to_string(i), "1"}});
  append({{"k0", "2"}});
  ASSERT_TRUE(compact(Timestamp(10'000), 24_KiB).has_value());
  EXPECT_EQ(records().size(), 2001u);  // "k0" again lies behind what fitted
  append({{"k0", "3"}});
  ASSERT_TRUE(compact().has_value());
  EXPECT_EQ(records().size(), 2000u);
}

}  // namespace
}  // namespace sluice::storage
