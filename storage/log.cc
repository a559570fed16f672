#include "storage/log.h"

#include <algorithm>
#include <utility>

#include "storage/log_context.h"
#include "storage/log_reader.h"
#include "storage/log_syncer.h"
#include "storage/log_writer.h"
#include "storage/recovery.h"

namespace sluice::storage {

struct Log::Parts {
  Parts(LogPorts ports, LogParams& params)
      : context(std::move(ports), params), syncer(context), reader(context) {}

  LogContext context;
  LogSyncer syncer;
  LogReader reader;
  /// Made once the state is there.
  std::unique_ptr<LogWriter> writer;
};

Log::Log(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
Log::~Log() = default;

io::Task<Result<std::shared_ptr<Log>>> Log::open(LogPorts ports, LogParams params) {
  auto parts = std::make_unique<Parts>(std::move(ports), params);
  CO_ASSIGN_OR_RETURN(auto start, co_await recover(parts->context, params));
  parts->writer = std::make_unique<LogWriter>(parts->context, parts->syncer, std::move(start));
  co_return std::shared_ptr<Log>(new Log(std::move(parts)));
}

io::Task<Result<std::shared_ptr<Log>>> Log::create(LogPorts ports, LogParams params) {
  CO_RETURN_IF_ERROR(
      co_await ports.disk.create_directories(params.directory + "/" + params.partition.folder()));
  co_return co_await open(std::move(ports), std::move(params));
}

io::Task<Result<>> Log::close() { return parts_->writer->close(); }
io::Task<void> Log::abandon() { return parts_->writer->abandon(); }
io::Task<Result<Appended>> Log::append(AppendRequest request) {
  return parts_->writer->append(request);
}
io::Task<Result<>> Log::sync_to(Offset end) {
  return parts_->syncer.sync_to(end, io::Lane::commit);
}
io::Task<Result<ReadResult>> Log::read(ReadRequest request) { return parts_->reader.read(request); }

LogEnds Log::ends() const {
  auto state = parts_->context.state.lock();
  return {.start = state->start,
          .end = state->end,
          .synced_end = state->synced_end,
          .last_stable = state->last_stable,
          .bytes = state->sealed_bytes + state->active_bytes};
}

io::Task<Result<TimestampOffset>> Log::find_by_time(Timestamp at) {
  return parts_->reader.find_by_time(at);
}
io::Task<Result<TimestampOffset>> Log::find_max_timestamp() {
  return parts_->reader.find_max_timestamp();
}

LeaderEpoch Log::latest_epoch() const { return parts_->context.state.lock()->epochs.latest(); }
io::Task<Result<>> Log::start_epoch(LeaderEpoch epoch) {
  return parts_->writer->start_epoch(epoch);
}
std::pair<LeaderEpoch, Offset> Log::end_of_epoch(LeaderEpoch epoch) const {
  auto state = parts_->context.state.lock();
  return state->epochs.end_of(epoch, state->end);
}

io::Task<Result<>> Log::warm_up(uint64_t bytes) { return parts_->reader.warm_up(bytes); }

io::Task<Result<>> Log::truncate_to(Offset end) { return parts_->writer->truncate_to(end); }
io::Task<Result<>> Log::restart_at(Offset start) { return parts_->writer->restart_at(start); }
io::Task<Result<>> Log::advance_start(Offset start) { return parts_->writer->advance_start(start); }
io::Task<Result<>> Log::roll() { return parts_->writer->roll(); }
io::Task<Result<std::vector<SegmentInfo>>> Log::segments() { return parts_->reader.segments(); }
io::Task<Result<>> Log::replace_segments(std::vector<Offset> old, uint64_t bytes,
                                         std::function<io::Task<Result<>>()> swap_files) {
  return parts_->writer->replace_segments(std::move(old), bytes, std::move(swap_files));
}
io::Task<Result<std::vector<std::pair<ProducerId, Offset>>>> Log::producer_ends() {
  return parts_->writer->producer_ends();
}
io::Task<Result<>> Log::expire_producers(Timestamp now) {
  return parts_->writer->expire_producers(now);
}

size_t Log::known_producers() const { return parts_->context.state.lock()->producers; }

void Log::set_options(LogOptions options) {
  auto changed = std::make_shared<const LogOptions>(options);
  parts_->context.state.lock()->options.swap(changed);
}
LogOptions Log::options() const { return *parts_->context.state.lock()->options; }
void Log::set_high_watermark(Offset offset) {
  auto state = parts_->context.state.lock();
  state->high_watermark = std::max(state->high_watermark, offset);
}
Offset Log::high_watermark() const { return parts_->context.state.lock()->high_watermark; }

const TopicPartition& Log::partition() const { return parts_->context.partition; }
const Uuid& Log::topic_id() const { return parts_->context.topic_id; }
const std::string& Log::directory() const { return parts_->context.directory; }
io::Task<Result<>> Log::check(Check how) {
  LogReader::Findings found;
  CO_RETURN_IF_ERROR(co_await parts_->reader.check(how, found));
  if (found.active_index) {
    // Its index grows still: sealed it is one like the others.
    CO_RETURN_IF_ERROR(co_await roll());
    found = {};
    CO_RETURN_IF_ERROR(co_await parts_->reader.check(how, found));
  }
  const auto& epochs = found.epochs;
  if (epochs && (!epochs->misfits().empty() || epochs->corrected())) {
    CO_RETURN_IF_ERROR(co_await parts_->writer->correct_epochs(*epochs));
  }
  for (auto& index : found.indexes) {
    CO_RETURN_IF_ERROR(
        co_await parts_->writer->replace_indexes(index.segment, std::move(index.anew)));
  }
  co_return co_await parts_->writer->correct_topic_id();
}
bool Log::is_damaged() const { return parts_->context.is_damaged.load(std::memory_order_relaxed); }
void Log::set_damaged(std::string why) { parts_->context.damaged(std::move(why)); }
io::Task<void> Log::settle_writes() {
  // Whoever has the writer's role is done before this has it.
  static_cast<void>(co_await parts_->writer->producer_ends());
}
void Log::outdate_slices() {
  auto state = parts_->context.state.lock();
  for (const SealedSegment& sealed : state->segments->sealed) {
    sealed.segment->file()->next_generation();
  }
  state->segments->active->file()->next_generation();
}
std::optional<std::string> Log::damage() const {
  auto state = parts_->context.state.lock();
  if (!state->damage) return std::nullopt;
  return *state->damage;
}

}  // namespace sluice::storage
