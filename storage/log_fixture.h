#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "proto/record/builder.h"
#include "storage/log.h"
#include "tests/sim/simulator.h"

// What the tests of a log share: a simulated machine with one log on it, and batches.
namespace sluice::storage {

struct TestBatch {
  int records = 1;
  size_t value_size = 100;
  Timestamp timestamp{1000};
  ProducerId producer = kNoProducerId;
  ProducerEpoch producer_epoch{-1};
  int32_t sequence = record::kNoSequence;
  Offset base{0};
  LeaderEpoch epoch{-1};
};

/// Records are a millisecond apart from `timestamp` on.
inline std::vector<std::byte> make_batch(const TestBatch& batch) {
  std::vector<std::byte> bytes;
  record::BatchBuilder builder(record::Growing{bytes});
  const std::string value(batch.value_size, 'v');
  for (int i = 0; i < batch.records; ++i) {
    const std::string key = "k" + std::to_string(i);
    EXPECT_TRUE(builder.append(as_bytes(key), as_bytes(value), {}, batch.timestamp + i));
  }
  static_cast<void>(builder.finish({.base_offset = batch.base,
                                    .leader_epoch = batch.epoch,
                                    .producer_id = batch.producer,
                                    .producer_epoch = batch.producer_epoch,
                                    .base_sequence = batch.sequence}));
  return bytes;
}

/// Small segments and a dense index, so that little data rolls and is indexed.
inline LogOptions tiny_options() {
  LogOptions options;
  options.segment_bytes = 4_KiB;
  options.index_interval_bytes = 256;
  options.segment_index_bytes = 4_KiB;
  return options;
}

class LogWorld {
 public:
  explicit LogWorld(sim::DiskImage disk = {}, uint64_t seed = 1)
      : simulator_(seed), node_(simulator_.add_node("node", {.workers = 2, .disk = disk})) {
    params_.directory = "/data";
    params_.partition = {.topic = "t", .partition = PartitionId(0)};
    params_.options = tiny_options();
  }
  ~LogWorld() {
    if (log_) run(log_->abandon());
  }

  sim::Simulator& simulator() { return simulator_; }
  sim::SimDisk& disk() { return node_.disk(); }
  sim::SimNode& node() { return node_; }
  LogParams& params() { return params_; }
  Log& log() { return *log_; }
  const std::vector<std::string>& offline() const { return offline_; }

  template <class T>
  T run(io::Task<T> task) {
    return simulator_.run_on(node_.runtime().executor.worker(0), std::move(task));
  }

  LogPorts ports() {
    return {.disk = node_.disk(),
            .clock = node_.runtime().clock,
            .files = files_,
            .maps = maps_,
            .memory = memory_,
            .log = Logger(sink_),
            .before_truncation = {},
            .discard = {},
            .take_offline = [this](const Error& error) { offline_.emplace_back(error.message()); }};
  }

  Result<> create() { return take(run(Log::create(ports(), params_))); }
  Result<> open() { return take(run(Log::open(ports(), params_))); }
  Result<> close() {
    auto closed = run(log_->close());
    log_.reset();
    return closed;
  }
  /// Ends the process: nothing is written any more, the log opens unclean.
  void abandon() {
    run(log_->abandon());
    log_.reset();
  }

  Result<Appended> append(const TestBatch& batch = {}, LeaderEpoch epoch = LeaderEpoch(0)) {
    auto bytes = make_batch(batch);
    return run(log_->append({.batch = bytes, .leader_epoch = epoch, .now = Timestamp(5000)}));
  }
  Result<Appended> append_replica(std::vector<std::byte> batches) {
    return run(log_->append({.batch = batches, .origin = AppendOrigin::replica}));
  }

  Result<std::vector<std::byte>> bytes_of(const FileSlice& slice) {
    std::vector<std::byte> bytes(slice.length);
    if (slice.length == 0) return bytes;
    auto read = run(slice.file->read_at(slice.position, bytes, io::Lane::cold));
    if (!read) return fail(std::move(read).error());
    EXPECT_EQ(*read, slice.length);
    return bytes;
  }
  /// The base offsets of the batches that one read returns.
  std::vector<int64_t> read(ReadRequest request) {
    auto result = run(log_->read(request));
    if (!result) return {-static_cast<int64_t>(result.error().code())};
    auto bytes = bytes_of(result->slice);
    if (!bytes) return {-static_cast<int64_t>(bytes.error().code())};
    std::vector<int64_t> offsets;
    record::BatchCursor cursor(*bytes);
    for (;;) {
      auto batch = cursor.next();
      EXPECT_TRUE(batch.has_value());
      if (!batch || !*batch) break;
      EXPECT_TRUE((*batch)->crc_matches());
      offsets.push_back((*batch)->header().base_offset.value());
    }
    EXPECT_TRUE(cursor.rest().empty()) << "a slice holds whole batches";
    return offsets;
  }
  /// The base offsets of all batches from the log start to the end.
  std::vector<int64_t> read_all() {
    std::vector<int64_t> offsets;
    const LogEnds ends = log_->ends();
    for (Offset at = ends.start; at < ends.end;) {
      auto result = run(log_->read({.from = at, .bound = ends.end}));
      if (!result || result->slice.length == 0) {
        ADD_FAILURE() << "read at " << at.value() << " fails";
        break;
      }
      auto bytes = bytes_of(result->slice);
      record::BatchCursor cursor(*bytes);
      for (auto batch = cursor.next(); batch && *batch; batch = cursor.next()) {
        offsets.push_back((*batch)->header().base_offset.value());
        at = (*batch)->header().next_offset();
      }
    }
    return offsets;
  }

  /// What happens to a file behind the log's back.
  void overwrite(const std::string& name, uint64_t position, ByteView bytes) {
    auto file = run(node_.disk().open("/data/t-0/" + name, io::OpenMode::write));
    ASSERT_TRUE(file) << file.error().message();
    ASSERT_TRUE(run((*file)->write_at(position, std::span(&bytes, 1), io::Lane::cold)));
  }
  void flip_byte(const std::string& name, uint64_t position) {
    auto file = run(node_.disk().open("/data/t-0/" + name, io::OpenMode::write));
    std::byte byte;
    ASSERT_TRUE(run((*file)->read_at(position, MutableBytes(&byte, 1), io::Lane::cold)));
    byte ^= std::byte{0xff};
    overwrite(name, position, ByteView(&byte, 1));
  }
  void resize(const std::string& name, uint64_t size) {
    auto file = run(node_.disk().open("/data/t-0/" + name, io::OpenMode::write));
    ASSERT_TRUE(run((*file)->truncate(size)));
  }
  uint64_t size_of(const std::string& name) {
    auto file = run(node_.disk().open("/data/t-0/" + name, io::OpenMode::read));
    return *(*file)->size();
  }

  std::vector<std::string> files() {
    std::vector<std::string> names;
    auto entries = run(node_.disk().list("/data/t-0"));
    for (const auto& entry : *entries) names.push_back(entry.name);
    return names;
  }

 private:
  Result<> take(Result<std::shared_ptr<Log>> opened) {
    if (!opened) return fail(std::move(opened).error());
    log_ = std::move(*opened);
    return {};
  }

  sim::Simulator simulator_;
  sim::SimNode& node_;
  FileCache files_{64};
  FileCache maps_{64};
  MemoryBudget memory_{"test", 64_MiB};
  NullSink sink_;
  std::vector<std::string> offline_;
  LogParams params_;
  std::shared_ptr<Log> log_;
};

}  // namespace sluice::storage
