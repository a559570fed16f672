#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/log.h"
#include "base/memory_budget.h"
#include "base/metrics.h"
#include "proto/record/builder.h"
#include "storage/log_set.h"
#include "tests/sim/simulator.h"

namespace sluice::storage {

/// What a log set needs beside a node, for scripts that run inside of a simulation. Closed by hand.
class Machine {
 public:
  /// Segments of a few batches, an index entry for almost each.
  static LogOptions tiny_options() {
    LogOptions options;
    options.segment_bytes = 512;
    options.index_interval_bytes = 128;
    options.segment_index_bytes = 4_KiB;
    return options;
  }

  explicit Machine(sim::SimNode& node)
      : node_(node), boot_id_(std::to_string(node.runtime().random.next())) {}

  /// Every machine is another boot: what it finds unclean may have lost its power.
  io::Task<Result<>> open(LogOptions options) {
    LogSetOptions set_options;
    set_options.directories = {"/data"};
    set_options.boot_id = boot_id_;
    auto opened = co_await LogSet::open(
        {.runtime = node_.runtime(),
         .memory = memory_,
         .metrics = metrics_,
         .log = Logger(sink_),
         .on_directory_offline = {}},
        std::move(set_options), {.cluster_id = "crash"},
        [options](const TopicPartition&, const Uuid&) { return options; }, {});
    if (!opened) co_return fail(std::move(opened).error());
    set_ = std::move(*opened);
    co_return {};
  }
  /// An error also when a directory went offline: what it holds is then not known.
  io::Task<Result<>> close() {
    auto closed = co_await set_->close();
    for (const auto& directory : set_->directories()) {
      if (!directory.offline_because) continue;
      closed = fail(Errc::disk_offline, *directory.offline_because);
    }
    set_.reset();
    co_return closed;
  }

  LogSet& set() { return *set_; }
  bool is_open() const { return set_ != nullptr; }
  sim::SimNode& node() { return node_; }
  MemoryBudget& memory() { return memory_; }
  Logger logger() { return Logger(sink_); }

 private:
  sim::SimNode& node_;
  const std::string boot_id_;
  NullSink sink_;
  MetricsRegistry metrics_{8};
  MemoryBudget memory_{"node", 256_MiB};
  std::unique_ptr<LogSet> set_;
};

/// A batch of records with these numbers as values, as a client sends it.
inline std::vector<std::byte> batch_of_numbers(const std::vector<uint64_t>& values,
                                               Timestamp timestamp) {
  std::vector<std::byte> bytes;
  record::BatchBuilder builder(record::Growing{bytes});
  for (const uint64_t value : values) {
    std::byte encoded[8];
    store_be(encoded, value);
    CHECK(builder.append(std::nullopt, ByteView(encoded), {}, timestamp), "a growing batch fits");
  }
  static_cast<void>(builder.finish(record::BatchSpec{}));
  return bytes;
}

}  // namespace sluice::storage
