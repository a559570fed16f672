#include "storage/log_writer.h"

#include <algorithm>
#include <utility>

#include "base/mutation.h"
#include "storage/append_check.h"
#include "storage/meta_properties.h"

namespace sluice::storage {
namespace {

/// How many rounds one appender writes for others before it hands the role on.
constexpr int kRoundsForOthers = 8;
/// Batches from here on are inflated and packed elsewhere than on a loop.
constexpr size_t kCheckedOffLoop = 16_KiB;

}  // namespace

LogWriter::LogWriter(LogContext& log, LogSyncer& syncer, Start start)
    : log_(log),
      syncer_(syncer),
      active_(std::move(start.active)),
      producers_(std::move(start.producers)),
      changed_(start.changed) {
  auto state = log_.state.lock();
  options_ = state->options;
  start_ = state->start;
  next_ = state->end;
  epoch_ = state->epochs.latest();
  pacer_.restart(active_.bytes());
}

Result<> LogWriter::refusal() const {
  if (closed_) return fail(Errc::shutting_down);
  if (broken_) return fail(Errc::disk_offline);
  if (log_.is_damaged.load(std::memory_order_relaxed)) return fail(log_.refusal_of_damage());
  return {};
}

io::Task<Result<Appended>> LogWriter::append(AppendRequest request) {
  PendingAppend self(request);
  std::vector<std::byte> recompressed;
  {
    const auto options = log_.state.lock()->options;
    if (is_costly(request, *options)) {
      CO_RETURN_IF_ERROR(co_await check_costly(self, *options, recompressed));
    } else {
      CO_RETURN_IF_ERROR(check_append(self, *options, log_.ports.memory));
    }
  }
  bool first = false;
  {
    auto state = log_.state.lock();
    first = state->queue.enter(self);
    if (first && options_ != state->options) options_ = state->options;
  }
  if (!first && co_await self.turn == LogWaiter::Turn::done) co_return std::move(self.outcome);
  co_await write_rounds(self, !first);
  co_return std::move(self.outcome);
}

/// Checks a batch that has to be looked into; large ones off the loop.
io::Task<Result<>> LogWriter::check_costly(PendingAppend& append, const LogOptions& options,
                                           std::vector<std::byte>& recompressed) {
  auto check = [&]() -> Result<> {
    RETURN_IF_ERROR(check_append(append, options, log_.ports.memory));
    return recompress(append, options, log_.ports.memory, recompressed);
  };
  if (log_.ports.executor == nullptr || append.request.batch.size() < kCheckedOffLoop) {
    co_return check();
  }
  co_return co_await log_.ports.executor->offload(check);
}

io::Task<void> LogWriter::write_rounds(PendingAppend& first, bool others_wait) {
  round_.appends[0] = &first;
  round_.count = 1;
  if (others_wait) next_round(true);
  for (int rounds = 0;; ++rounds) {
    co_await write_round();
    for (size_t i = 0; i < round_.count; ++i) {
      if (round_.appends[i] != &first) round_.appends[i]->turn.set(LogWaiter::Turn::done);
    }
    round_.count = 0;
    if (!next_round(rounds < kRoundsForOthers)) break;
  }
}

/// Adds waiting appends to the round. False when there is nothing to do (or, without `stay`, in any
/// case): the role was then handed on, and nothing of the writer's may be touched.
bool LogWriter::next_round(bool stay) {
  LogWaiter* heir = nullptr;
  {
    auto state = log_.state.lock();
    if (options_ != state->options) options_ = state->options;
    size_t room = Round::kMostBytes;
    while (stay && round_.count < Round::kMost) {
      PendingAppend* append = state->queue.take_append(room);
      if (append == nullptr) break;
      room -= append->request.batch.size();
      round_.appends[round_.count++] = append;
    }
    if (round_.count > 0) return true;
    heir = state->queue.leave();
  }
  if (heir != nullptr) heir->turn.set(LogWaiter::Turn::write);
  return false;
}

io::Task<void> LogWriter::write_round() {
  round_.settled = round_.part_count = 0;
  round_.bytes = 0;
  for (size_t i = 0; i < round_.count; ++i) {
    PendingAppend& append = *round_.appends[i];
    if (auto open = refusal(); !open) {
      append.outcome = fail(std::move(open).error());
      continue;
    }
    if (append.request.origin == AppendOrigin::replica) {
      co_await write_gathered(i);
      append.outcome = co_await write_replica(append);
      round_.settled = i + 1;
      continue;
    }
    append.header.base_offset = next_;
    if (!active_.has_room(append.header, round_.bytes, *options_)) {
      if (!co_await make_room(append, i)) continue;
    }
    if (auto admitted = admit(append); !admitted) {
      append.outcome = fail(std::move(admitted).error());
    }
  }
  co_await write_gathered(round_.count);
}

/// A new segment for the append; false with its outcome set when there can be none.
io::Task<bool> LogWriter::make_room(PendingAppend& append, size_t place) {
  co_await write_gathered(place);
  append.header.base_offset = next_;
  auto open = refusal();
  if (open) open = co_await roll_segment();
  const bool made = open.has_value();
  if (!made) append.outcome = fail(std::move(open).error());
  co_return made;
}

/// Gives a client's or coordinator's batch its offsets and gathers it, unless it repeats an earlier
/// one. Its outcome is final once it is written.
Result<> LogWriter::admit(PendingAppend& append) {
  const bool fenced = append.request.leader_epoch != epoch_ && !mutated(Mutation::ignore_epoch);
  if (fenced) return fail(Errc::fenced_leader_epoch);
  record::BatchHeader& header = append.header;
  append.outcome->log_start = start_;
  header.base_offset = next_;
  header.leader_epoch = epoch_;
  if (header.has_producer()) {
    ASSIGN_OR_RETURN(const auto repeated, producers_.check(header));
    if (repeated) {
      append.outcome->base_offset = repeated->base_offset();
      append.outcome->last_offset = repeated->last_offset;
      append.outcome->duplicate = true;
      return {};
    }
    ASSIGN_OR_RETURN(append.undo, producers_.apply(header));
  }
  record::stamp(append.request.batch, next_, epoch_);
  append.outcome->base_offset = next_;
  append.outcome->last_offset = header.last_offset();
  next_ = header.next_offset();
  round_.parts[round_.part_count++] = append.request.batch;
  round_.bytes += append.request.batch.size();
  return {};
}

/// Settles the appends before place `upto`: writes what is gathered, at once.
io::Task<void> LogWriter::write_gathered(size_t upto) {
  const std::span<const ByteView> parts(round_.parts.data(), round_.part_count);
  if (!parts.empty()) {
    if (auto written = co_await write_parts(parts, round_.bytes); !written) {
      co_await refuse_gathered(upto, std::move(written).error());
    }
  }
  round_.settled = upto;
  round_.part_count = 0;
  round_.bytes = 0;
}

/// The write failed: everybody in it, and whoever repeated one of them, gets the error, and nothing
/// of it stays.
io::Task<void> LogWriter::refuse_gathered(size_t upto, Error cause) {
  for (size_t i = upto; i > round_.settled; --i) {
    PendingAppend& append = *round_.appends[i - 1];
    if (append.undo) producers_.undo(*append.undo);
    append.undo.reset();
    if (append.outcome) append.outcome = fail(cause);
  }
  next_ = active_.next();
  if (auto cut = co_await active_.cut_back(); !cut) {
    static_cast<void>(broken(std::move(cut).error(), "cut back a failed append"));
  }
}

/// Writes whole batches behind the log end, counts them in and publishes them. On an error nothing
/// is counted and any part may be in the file.
io::Task<Result<>> LogWriter::write_parts(std::span<const ByteView> parts, uint64_t bytes) {
  const uint64_t position = active_.bytes();
  changed_ = true;
  if (pacer_.wants_timing()) {
    const TimePoint before = log_.ports.clock.now();
    CO_RETURN_IF_ERROR(co_await active_.write(parts, pacer_.lane()));
    pacer_.timed(log_.ports.clock.now() - before);
  } else {
    CO_RETURN_IF_ERROR(co_await active_.write(parts, pacer_.lane()));
  }
  for (const ByteView part : parts) {
    for (size_t at = 0; at < part.size();) {
      const auto batch = record::load_header(part.data() + at);
      if (active_.count_in(batch, *options_)) co_await active_.flush_index_tails();
      at += batch.size_in_bytes();
    }
  }
  publish_end(parts, position);
  pace(position, bytes);
  co_return {};
}

void LogWriter::publish_end(std::span<const ByteView> written, uint64_t position) {
  auto state = log_.state.lock();
  for (const ByteView part : written) {
    for (size_t at = 0; at < part.size();) {
      const std::byte* batch = part.data() + at;
      state->recent.add({.base = Offset(load_be<int64_t>(batch + record::kBaseOffsetAt)),
                         .position = static_cast<uint32_t>(position)});
      const size_t size = record::kLogOverhead +
                          static_cast<size_t>(load_be<int32_t>(batch + record::kBatchLengthAt));
      at += size;
      position += size;
    }
  }
  state->end = active_.next();
  state->active_bytes = active_.bytes();
  state->active_max_timestamp = active_.max_timestamp();
  state->last_stable = producers_.oldest_transaction().value_or(state->end);
  state->producers = producers_.size();
}

/// A replica's batches keep their offsets; they are written in runs that fit a segment each.
io::Task<Result<Appended>> LogWriter::write_replica(PendingAppend& append) {
  const ByteView batches = append.request.batch;
  Appended appended{.base_offset = append.header.base_offset, .log_start = start_};
  size_t run = 0;
  for (size_t at = 0; at < batches.size();) {
    const auto batch = record::load_header(batches.data() + at);
    if (batch.base_offset < next_) {
      co_return fail(Errc::invalid_record,
                     "a replica's batch begins at " + std::to_string(batch.base_offset.value()) +
                         ", before the log end " + std::to_string(next_.value()));
    }
    const bool new_epoch = batch.leader_epoch > epoch_;
    const bool fits = active_.has_room(batch, at - run, *options_);
    if (new_epoch || !fits) {
      CO_RETURN_IF_ERROR(co_await write_run(batches.subspan(run, at - run)));
      run = at;
      if (!fits) CO_RETURN_IF_ERROR(co_await roll_segment());
      if (new_epoch)
        CO_RETURN_IF_ERROR(co_await begin_epoch(batch.leader_epoch, batch.base_offset));
    }
    next_ = batch.next_offset();
    appended.last_offset = batch.last_offset();
    at += batch.size_in_bytes();
  }
  CO_RETURN_IF_ERROR(co_await write_run(batches.subspan(run)));
  co_return appended;
}

io::Task<Result<>> LogWriter::write_run(ByteView batches) {
  if (batches.empty()) co_return {};
  if (auto written = co_await write_parts(std::span(&batches, 1), batches.size()); !written) {
    next_ = active_.next();
    if (auto cut = co_await active_.cut_back(); !cut) {
      static_cast<void>(broken(std::move(cut).error(), "cut back a failed append"));
    }
    co_return written;
  }
  for (size_t at = 0; at < batches.size();) {
    const auto batch = record::load_header(batches.data() + at);
    if (!mutated(Mutation::forget_producers)) producers_.replay(batch);
    at += batch.size_in_bytes();
  }
  auto state = log_.state.lock();
  state->last_stable = producers_.oldest_transaction().value_or(next_);
  state->producers = producers_.size();
  co_return {};
}

/// With the role, so that the folder is still this log's: a deleted one is closed first.
io::Task<Result<>> LogWriter::correct_topic_id() {
  const Role held = co_await role();
  if (!refusal() || log_.topic_id.is_zero()) co_return {};
  const auto said = co_await read_topic_id(log_.ports.disk, log_.folder());
  if (!said && said.error() != Errc::corrupt_file) co_return fail(Error(said.error()));
  if (said && *said == log_.topic_id) co_return {};
  log_.ports.log.warning("topic id of a log went bad and is written again",
                         {{"log", log_.partition.folder()}, {"topic_id", log_.topic_id.text()}});
  co_return co_await write_topic_id(log_.ports.disk, log_.folder(), log_.topic_id);
}

}  // namespace sluice::storage
