#include "storage/recovery.h"

#include <algorithm>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "storage/producer_replay.h"
#include "storage/segment_check.h"
#include "storage/segment_name.h"

namespace sluice::storage {
namespace {

/// The files of one segment as the folder lists them; sizes in bytes.
struct FoundSegment {
  Offset base{0};
  uint64_t log = 0;
  std::optional<uint64_t> index, time_index;
};

class Recovery {
 public:
  Recovery(LogContext& log, const LogParams& params) : log_(log), params_(params) {}
  io::Task<Result<LogWriter::Start>> run();

 private:
  io::Task<Result<>> find_segments();
  io::Task<Result<>> open_segments();
  /// What the segments before the recovery point, and all of a clean log, are taken for.
  io::Task<Result<bool>> open_trusted(FoundSegment found, bool last);
  io::Task<Result<>> open_checked(FoundSegment found, size_t place);
  io::Task<Result<>> end_at(ActiveSegment segment, SegmentCheck& check, size_t place);
  io::Task<Result<std::optional<std::string>>> find_damage(SegmentCheck& check, size_t place);
  io::Task<Result<>> remove_deleted();
  io::Task<Result<>> remove_segments(size_t from);
  io::Task<Result<>> remove_files(Offset base);
  io::Task<Result<>> load_epochs();
  io::Task<Result<>> load_producers(ProducerState& producers);
  void publish();

  LogContext& log_;
  const LogParams& params_;
  std::vector<FoundSegment> found_;
  std::vector<SealedSegment> sealed_;
  std::optional<ActiveSegment> active_;
  LeaderEpochs epochs_;
  bool changed_ = false;
  /// Epochs that checked batches carry, in their order.
  std::vector<LeaderEpochs::Entry> seen_epochs_;
};

io::Task<Result<LogWriter::Start>> Recovery::run() {
  CO_RETURN_IF_ERROR(co_await find_segments());
  CO_RETURN_IF_ERROR(co_await open_segments());
  if (!active_ || active_->next() < params_.log_start) {
    // Nothing, or nothing that may still be read: it goes on where it may.
    changed_ = true;
    CO_RETURN_IF_ERROR(co_await remove_segments(0));
    sealed_.clear();
    CO_ASSIGN_OR_RETURN(active_,
                        co_await ActiveSegment::create(log_.space, params_.log_start,
                                                       params_.options.segment_index_bytes));
  }
  CO_RETURN_IF_ERROR(co_await load_epochs());
  publish();
  ProducerState producers(log_.ports.memory);
  CO_RETURN_IF_ERROR(co_await load_producers(producers));
  co_return LogWriter::Start{
      .active = std::move(*active_), .producers = std::move(producers), .changed = changed_};
}

io::Task<Result<>> Recovery::find_segments() {
  CO_ASSIGN_OR_RETURN(const auto entries, co_await log_.ports.disk.list(log_.folder()));
  std::map<Offset, FoundSegment> by_base;
  for (const auto& entry : entries) {
    const auto name = parse_segment_name(entry.name);
    if (name && name->suffix == kLogSuffix) {
      by_base[name->offset] = {.base = name->offset, .log = entry.size};
    }
  }
  for (const auto& entry : entries) {
    const auto name = parse_segment_name(entry.name);
    if (!name || (name->suffix != kIndexSuffix && name->suffix != kTimeIndexSuffix)) continue;
    const auto segment = by_base.find(name->offset);
    if (segment == by_base.end()) {
      CO_RETURN_IF_ERROR(co_await log_.ports.disk.remove(log_.folder() + "/" + entry.name));
    } else if (name->suffix == kIndexSuffix) {
      segment->second.index = entry.size;
    } else {
      segment->second.time_index = entry.size;
    }
  }
  for (const auto& [base, segment] : by_base) found_.push_back(segment);
  co_return co_await remove_deleted();
}

/// Segments wholly below the log start, which a crash has brought back.
io::Task<Result<>> Recovery::remove_deleted() {
  while (found_.size() > 1 && found_[1].base <= params_.log_start) {
    changed_ = true;
    CO_RETURN_IF_ERROR(co_await remove_files(found_.front().base));
    found_.erase(found_.begin());
  }
  co_return {};
}

io::Task<Result<>> Recovery::open_segments() {
  for (size_t i = 0; i < found_.size() && !active_; ++i) {
    const bool last = i + 1 == found_.size();
    // A segment that ends exactly there may have been sealed, its indexes written, after the sync.
    const bool vouched_for =
        params_.clean || (!last && found_[i + 1].base < params_.recovery_point);
    bool opened = false;
    if (vouched_for) {
      CO_ASSIGN_OR_RETURN(opened, co_await open_trusted(found_[i], last));
    }
    if (!opened) CO_RETURN_IF_ERROR(co_await open_checked(found_[i], i));
    if (!last && !active_) sealed_.back().next = found_[i + 1].base;
  }
  co_return {};
}

/// False when its indexes do not fit it.
io::Task<Result<bool>> Recovery::open_trusted(FoundSegment found, bool last) {
  const uint64_t index = found.index.value_or(1), time_index = found.time_index.value_or(1);
  if (index % OffsetIndex::kEntrySize != 0 || time_index % TimeIndex::kEntrySize != 0) {
    co_return false;
  }
  auto segment =
      std::make_shared<Segment>(log_.space, found.base, params_.options.segment_index_bytes,
                                Segment::IndexEntries{.offsets = index / OffsetIndex::kEntrySize,
                                                      .times = time_index / TimeIndex::kEntrySize});
  CO_ASSIGN_OR_RETURN(const auto offsets, co_await segment->offsets().view());
  if (!offsets.sane(found.log)) co_return false;
  if (!last) {
    segment->set_complete(true);
    segment->set_synced(true);
    sealed_.push_back({.segment = std::move(segment), .bytes = found.log});
    co_return true;
  }
  auto active = co_await ActiveSegment::resume(std::move(segment), found.log);
  if (!active && active.error() == Errc::corrupt_batch) co_return false;
  if (!active) co_return fail(std::move(active).error());
  active_ = std::move(*active);
  co_return true;
}

/// Reads all of it and makes its indexes anew. Sets active_ where the log ends: at the last segment
/// or at the first bad batch.
io::Task<Result<>> Recovery::open_checked(FoundSegment found, size_t place) {
  changed_ = true;
  for (const std::string_view suffix : {kIndexSuffix, kTimeIndexSuffix}) {
    const bool there =
        suffix == kIndexSuffix ? found.index.has_value() : found.time_index.has_value();
    if (!there) continue;
    CO_RETURN_IF_ERROR(
        co_await log_.ports.disk.remove(segment_path(log_.folder(), found.base, suffix)));
  }
  auto segment = std::make_shared<Segment>(
      log_.space, found.base, params_.options.segment_index_bytes, Segment::IndexEntries{});
  CO_ASSIGN_OR_RETURN(auto rebuilt, co_await ActiveSegment::resume(segment, 0));
  CO_ASSIGN_OR_RETURN(auto file, co_await segment->file()->open());
  const Offset limit = place + 1 < found_.size() ? found_[place + 1].base
                                                 : Offset(std::numeric_limits<int64_t>::max());
  SegmentCheck check(std::move(file), found.log, found.base, limit);
  uint64_t reported = 0;
  for (;;) {
    CO_ASSIGN_OR_RETURN(const auto batch, co_await check.next());
    if (!batch) break;
    if (seen_epochs_.empty() || batch->header.leader_epoch > seen_epochs_.back().epoch) {
      seen_epochs_.push_back(
          {.epoch = batch->header.leader_epoch, .start = batch->header.base_offset});
    }
    if (rebuilt.count_in(batch->header, params_.options)) co_await rebuilt.flush_index_tails();
    if (params_.on_recovered && check.position() - reported >= 16_MiB) {
      params_.on_recovered(check.position() - reported);
      reported = check.position();
    }
  }
  if (params_.on_recovered) params_.on_recovered(found.log - reported);
  co_return co_await end_at(std::move(rebuilt), check, place);
}

/// Decides what the first bytes that are no good batch mean, if there are such.
io::Task<Result<>> Recovery::end_at(ActiveSegment segment, SegmentCheck& check, size_t place) {
  const bool last = place + 1 == found_.size();
  const bool gap =
      !last && segment.next() < found_[place + 1].base && segment.next() >= params_.synced_end;
  if (!check.failure() && !gap && !last) {
    CO_ASSIGN_OR_RETURN(auto sealed, co_await seal(std::move(segment)));
    sealed_.push_back(std::move(sealed));
    co_return {};
  }
  if (check.failure() || gap || segment.next() < params_.synced_end) {
    CO_ASSIGN_OR_RETURN(auto damage, co_await find_damage(check, place));
    if (damage) {
      log_.damaged(segment.segment()->file()->path() + ": " + std::move(*damage));
    } else {
      log_.ports.log.warning("torn tail cut", {{"path", segment.segment()->file()->path()},
                                               {"log_end", segment.next()},
                                               {"bytes_cut", found_[place].log - segment.bytes()}});
      CO_RETURN_IF_ERROR(co_await segment.cut_back());
      CO_RETURN_IF_ERROR(co_await remove_segments(place + 1));
      // What was cut must not come back behind what is appended next.
      CO_ASSIGN_OR_RETURN(auto file, co_await segment.segment()->file()->open());
      CO_RETURN_IF_ERROR(co_await file->sync(io::Lane::background));
      CO_RETURN_IF_ERROR(co_await log_.ports.disk.sync_directory(log_.folder()));
    }
  }
  active_ = std::move(segment);
  co_return {};
}

/// Why the log must not be cut here; empty when it may: the tail is torn.
io::Task<Result<std::optional<std::string>>> Recovery::find_damage(SegmentCheck& check,
                                                                   size_t place) {
  const std::string where = "at byte " + std::to_string(check.position()) + " " +
                            check.failure().value_or("the log ends") + ", offset " +
                            std::to_string(check.expected().value());
  if (check.expected() < params_.synced_end) {
    co_return where + ", though everything before " + std::to_string(params_.synced_end.value()) +
        " was synced; restore the partition from a replica or a backup";
  }
  if (params_.power_lost) co_return std::nullopt;
  bool behind = false;
  for (size_t i = place + 1; i < found_.size(); ++i) behind = behind || found_[i].log > 0;
  if (!behind && check.failure()) {
    CO_ASSIGN_OR_RETURN(behind, co_await check.good_batch_behind());
  }
  if (!behind) co_return std::nullopt;
  co_return where +
      ", with good batches behind it; restore the partition from a replica or a backup";
}

io::Task<Result<>> Recovery::remove_segments(size_t from) {
  for (; found_.size() > from; found_.pop_back()) {
    CO_RETURN_IF_ERROR(co_await remove_files(found_.back().base));
  }
  co_return {};
}

io::Task<Result<>> Recovery::remove_files(Offset base) {
  for (const std::string_view suffix :
       {kLogSuffix, kIndexSuffix, kTimeIndexSuffix, kAbortedIndexSuffix}) {
    auto removed = co_await log_.ports.disk.remove(segment_path(log_.folder(), base, suffix));
    if (!removed && !(removed.error() == Errc::file_not_found)) co_return removed;
  }
  co_return {};
}

io::Task<Result<>> Recovery::load_epochs() {
  std::string path = log_.folder() + "/" + kLeaderEpochFile;
  auto content = co_await io::read_file(log_.ports.disk, path, 16_MiB);
  bool changed = false;
  if (content) {
    if (auto parsed = LeaderEpochs::parse(*content)) {
      epochs_ = std::move(*parsed);
    } else {
      log_.ports.log.warning("leader epochs are not readable, the log's batches tell",
                             {{"path", path}, {"reason", parsed.error().message()}});
      changed = true;
    }
  } else if (!(content.error() == Errc::file_not_found)) {
    co_return fail(std::move(content).error());
  }
  for (const auto& seen : seen_epochs_) {
    if (seen.epoch > epochs_.latest()) changed |= epochs_.assign(seen.epoch, seen.start);
  }
  changed |= epochs_.truncate_end(active_->next());
  if (changed) {
    CO_RETURN_IF_ERROR(co_await io::replace_file(log_.ports.disk, path, epochs_.encode()));
  }
  co_return {};
}

io::Task<Result<>> Recovery::load_producers(ProducerState& producers) {
  std::shared_ptr<const SegmentList> segments = log_.state.lock()->segments;
  CO_RETURN_IF_ERROR(co_await replay_producers(log_, std::move(segments), active_->bytes(),
                                               active_->next(), producers));
  log_.state.lock()->last_stable = producers.oldest_transaction().value_or(active_->next());
  co_return {};
}

void Recovery::publish() {
  auto list = std::make_shared<SegmentList>(
      SegmentList{.sealed = std::move(sealed_), .active = active_->segment()});
  auto state = log_.state.lock();
  state->start = std::max(params_.log_start, list->first());
  state->end = state->last_stable = active_->next();
  state->synced_end = params_.clean ? state->end : std::min(params_.synced_end, state->end);
  state->high_watermark = std::clamp(params_.high_watermark, state->start, state->end);
  state->active_bytes = active_->bytes();
  state->active_max_timestamp = active_->max_timestamp();
  state->sealed_bytes = list->sealed_bytes();
  state->segments = std::move(list);
  state->folder_dirty = !params_.clean;
  state->epochs = std::move(epochs_);
  state->options = std::make_shared<const LogOptions>(params_.options);
}

}  // namespace

io::Task<Result<LogWriter::Start>> recover(LogContext& log, const LogParams& params) {
  Recovery recovery(log, params);
  co_return co_await recovery.run();
}

}  // namespace sluice::storage
