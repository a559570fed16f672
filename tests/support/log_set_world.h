#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "base/log.h"
#include "base/memory_budget.h"
#include "base/metrics.h"
#include "proto/record/builder.h"
#include "proto/record/records.h"
#include "storage/log_set.h"
#include "tests/sim/simulator.h"

namespace sluice::testing {

/// A record as the tests of storage write and read it; no value is a tombstone.
struct KeyValue {
  std::string key;
  std::optional<std::string> value;
  Timestamp timestamp{1000};
  bool operator==(const KeyValue&) const = default;
};

/// One uncompressed batch of these records, as a client sends it.
inline std::vector<std::byte> batch_of(const std::vector<KeyValue>& records,
                                       record::BatchSpec spec = {}) {
  std::vector<std::byte> bytes;
  record::BatchBuilder builder(record::Growing{bytes});
  for (const auto& record : records) {
    std::optional<ByteView> value;
    if (record.value) value = as_bytes(*record.value);
    EXPECT_TRUE(builder.append(as_bytes(record.key), value, {}, record.timestamp));
  }
  static_cast<void>(builder.finish(spec));
  return bytes;
}

/// A simulated node with a log set on its disk, stopped and started again as often as a test likes.
class LogSetWorld {
 public:
  explicit LogSetWorld(uint64_t seed = 1, sim::DiskImage image = {})
      : simulator_(seed), node_(&simulator_.add_node("node", {.disk = std::move(image)})) {
    identity.cluster_id = "a-cluster";
    directories = {"/data"};
  }
  ~LogSetWorld() {
    if (set_) static_cast<void>(close());
  }

  /// What the next open() uses.
  std::vector<std::string> directories;
  storage::LogSetIdentity identity;
  storage::LogOptions log_options;
  std::string boot_id = "first boot";
  bool stop_must_be_known = false;
  size_t compaction_map_bytes = 1_MiB;
  size_t max_open_files = 10000;
  std::chrono::milliseconds scrub_interval = std::chrono::hours(24);
  uint64_t scrub_bytes_per_second = 1_MiB;
  /// What the metadata says is the id of all topics.
  std::optional<Uuid> known_id;
  std::vector<std::string> went_offline;

  sim::Simulator& simulator() { return simulator_; }
  sim::SimDisk& disk() { return node_->disk(); }
  io::Loop& control() { return node_->executor().control(); }
  template <class T>
  T run(io::Task<T> task) {
    return simulator_.run_on(node_->executor().control(), std::move(task));
  }

  Result<> open() {
    storage::LogSetOptions options;
    options.directories = directories;
    options.boot_id = boot_id;
    options.stop_must_be_known = stop_must_be_known;
    options.compaction_map_bytes = compaction_map_bytes;
    options.max_open_files = max_open_files;
    options.scrub_interval = scrub_interval;
    options.scrub_bytes_per_second = scrub_bytes_per_second;
    auto opened = run(storage::LogSet::open(
        {.runtime = node_->runtime(),
         .memory = new_budget(),
         .metrics = metrics_,
         .log = Logger(sink_),
         .on_directory_offline = [this](const std::string& path,
                                        const Error&) { went_offline.push_back(path); },
         .topic_id_of = [this](const storage::TopicPartition&) { return known_id; }},
        std::move(options), identity,
        [this](const storage::TopicPartition&, const Uuid&) { return log_options; }, {}));
    if (!opened) return fail(std::move(opened).error());
    set_ = std::move(*opened);
    return {};
  }
  Result<> close() {
    auto closed = run(set_->close());
    set_.reset();
    return closed;
  }
  /// The process is gone: what it wrote stays or, after a power cut, what was synced.
  void die(std::optional<sim::CrashMode> power_cut) {
    auto left = power_cut ? disk().crash(*power_cut, simulator_.random()) : disk().image();
    node_->kill(sim::Death::process);
    static_cast<void>(close());
    node_ = &simulator_.add_node("node", {.disk = std::move(left)});
    if (power_cut) boot_id += "'";
  }

  storage::LogSet& set() { return *set_; }
  Result<std::shared_ptr<storage::Log>> create(const std::string& topic, Uuid id = {}) {
    auto log = run(set_->create({topic, PartitionId(0)}, id, log_options));
    if (log) EXPECT_TRUE(run((*log)->start_epoch(LeaderEpoch(0))).has_value());
    return log;
  }
  std::shared_ptr<storage::Log> log(const std::string& topic) {
    return set_->find({topic, PartitionId(0)});
  }
  Result<storage::Appended> append(storage::Log& log, std::vector<KeyValue> records,
                                   record::BatchSpec spec = {}) {
    auto batch = batch_of(records, spec);
    return run(
        log.append({.batch = batch, .leader_epoch = log.latest_epoch(), .now = Timestamp(5000)}));
  }
  /// All that a reader finds in [log start, log end), with offsets.
  std::vector<std::pair<int64_t, KeyValue>> read_all(storage::Log& log) {
    return run(read_everything(log));
  }
  std::string metrics() { return metrics_.prometheus(); }
  bool exists(const std::string& path) { return *run(disk().exists(path)); }

 private:
  static io::Task<std::vector<std::pair<int64_t, KeyValue>>> read_everything(storage::Log& log) {
    std::vector<std::pair<int64_t, KeyValue>> all;
    Offset at = log.ends().start;
    while (at < log.ends().end) {
      auto found = co_await log.read({.from = at, .bound = log.ends().end});
      EXPECT_TRUE(found.has_value()) << found.error().message();
      if (!found || found->slice.length == 0) break;
      std::vector<std::byte> bytes(found->slice.length);
      const auto count =
          co_await found->slice.file->read_at(found->slice.position, bytes, io::Lane::cold);
      EXPECT_EQ(count.value_or(0), bytes.size());
      record::BatchCursor cursor(bytes);
      for (auto batch = cursor.next(); batch && *batch; batch = cursor.next()) {
        EXPECT_TRUE((*batch)->crc_matches());
        record::RecordReader reader((*batch)->header(), (*batch)->payload());
        record::RecordView record;
        for (auto more = reader.next(record); more && *more; more = reader.next(record)) {
          if (record.offset < at) continue;
          KeyValue owned{.key = std::string(as_text(record.key.value_or(ByteView{}))),
                         .value = std::nullopt,
                         .timestamp = record.timestamp};
          if (record.value) owned.value = as_text(*record.value);
          all.emplace_back(record.offset.value(), std::move(owned));
        }
        at = (*batch)->header().next_offset();
      }
    }
    co_return all;
  }
  MemoryBudget& new_budget() {
    budgets_.push_back(std::make_unique<MemoryBudget>("node", 256_MiB));
    return *budgets_.back();
  }

  NullSink sink_;
  MetricsRegistry metrics_{4};
  std::vector<std::unique_ptr<MemoryBudget>> budgets_;
  sim::Simulator simulator_;
  sim::SimNode* node_;
  std::unique_ptr<storage::LogSet> set_;
};

}  // namespace sluice::testing
