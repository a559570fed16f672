#include "bench/load/bench_log.h"

#include <string_view>

#include "base/check.h"
#include "proto/record/builder.h"

namespace sluice::bench {
namespace {

constexpr Timestamp kNow{1'763'708'400'000};

std::vector<std::byte> make_batch() {
  std::vector<std::byte> buffer(16_KiB);
  record::BatchBuilder builder{MutableBytes(buffer)};
  const std::string value(100, 'v');
  while (builder.append(std::nullopt, as_bytes(value), {}, kNow)) {
  }
  const auto batch = builder.finish({});
  return {batch.begin(), batch.end()};
}

template <class T>
T must(Result<T> result) {
  if (!result) check_failed(__FILE__, __LINE__, "benchmark", result.error().message());
  if constexpr (!std::is_void_v<T>) return std::move(*result);
}

}  // namespace

BenchLog::BenchLog(std::string directory)
    : directory_(std::move(directory)),
      system_({.workers = 1}),
      memory_("bench", 1_GiB),
      files_(1000),
      maps_(1000),
      batch_(make_batch()) {
  topic_id_ = Uuid::random(system_.runtime().random);
  system_.run_on(system_.runtime().executor.worker(0), create());
}

BenchLog::~BenchLog() { system_.run_on(system_.runtime().executor.worker(0), close()); }

storage::LogPorts BenchLog::ports() {
  auto& runtime = system_.runtime();
  return {.disk = runtime.disk,
          .clock = runtime.clock,
          .files = files_,
          .maps = maps_,
          .memory = memory_,
          .log = Logger(sink_),
          .before_truncation = {},
          .discard = {},
          .take_offline = {}};
}

storage::LogParams BenchLog::params() const {
  storage::LogParams params;
  params.directory = directory_;
  params.partition = {.topic = "bench", .partition = PartitionId(0)};
  params.topic_id = topic_id_;
  return params;
}

io::Task<void> BenchLog::create() {
  const std::string folder = directory_ + "/" + params().partition.folder();
  static_cast<void>(co_await system_.runtime().disk.remove_directory(folder, true));
  log_ = must(co_await storage::Log::create(ports(), params()));
  must(co_await log_->start_epoch(LeaderEpoch(0)));
}

io::Task<void> BenchLog::recover_all() {
  co_await log_->abandon();
  log_.reset();
  log_ = must(co_await storage::Log::open(ports(), params()));
}

uint64_t BenchLog::recover() {
  const uint64_t before = log_->ends().bytes;
  system_.run_on(system_.runtime().executor.worker(0), recover_all());
  CHECK(log_->ends().bytes == before, "recovery keeps what was written");
  return before;
}

std::string BenchLog::active_file() const {
  return directory_ + "/" + log_->partition().folder() + "/00000000000000000000.log";
}

io::Task<void> BenchLog::append_all(uint64_t count) {
  for (uint64_t i = 0; i < count; ++i) {
    // The log stamps the batch in place: give it a producer's offset back.
    record::stamp(batch_, Offset(0), LeaderEpoch(-1));
    must(co_await log_->append({.batch = batch_, .leader_epoch = LeaderEpoch(0), .now = kNow}));
  }
}

io::Task<void> BenchLog::read_slices(size_t max_bytes, uint64_t& slices) {
  const Offset end = log_->ends().end;
  Offset from{0};
  while (from < end) {
    auto read = must(co_await log_->read({.from = from, .bound = end, .max_bytes = max_bytes}));
    const auto header = record::decode_header(batch_);
    from = from + static_cast<int64_t>(read.slice.length / batch_.size()) * header->record_count;
    ++slices;
  }
}

io::Task<void> BenchLog::look_up_all(uint64_t count) {
  const Offset end = log_->ends().end;
  const int64_t step = std::max<int64_t>(1, end.value() / static_cast<int64_t>(count));
  for (Offset from{0}; from < end; from += step) {
    must(co_await log_->read({.from = from, .bound = end, .max_bytes = 1}));
  }
}

io::Task<void> BenchLog::close() {
  const std::string folder = directory_ + "/" + log_->partition().folder();
  co_await log_->abandon();
  log_.reset();
  static_cast<void>(co_await system_.runtime().disk.remove_directory(folder, true));
}

uint64_t BenchLog::append(uint64_t count) {
  system_.run_on(system_.runtime().executor.worker(0), append_all(count));
  return count * batch_.size();
}

uint64_t BenchLog::read_all(size_t max_bytes) {
  uint64_t slices = 0;
  system_.run_on(system_.runtime().executor.worker(0), read_slices(max_bytes, slices));
  return slices;
}

void BenchLog::look_up(uint64_t count) {
  system_.run_on(system_.runtime().executor.worker(0), look_up_all(count));
}

}  // namespace sluice::bench
