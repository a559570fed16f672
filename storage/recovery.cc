#include "storage/recovery.h"

#include <algorithm>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "storage/epoch_runs.h"
#include "storage/header_scan.h"
#include "storage/index_check.h"
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
  io::Task<Result<bool>> open_trusted(FoundSegment found, size_t place);
  io::Task<Result<bool>> indexes_fit(FoundSegment found, size_t place);
  io::Task<Result<bool>> reaches(Segment& segment, uint64_t bytes, Offset next);
  io::Task<Result<bool>> resume_trusted(std::shared_ptr<Segment> segment, FoundSegment found);
  void index_misfits(Offset base, std::string_view suffix, const std::string& why);
  io::Task<Result<>> open_checked(FoundSegment found, size_t place);
  io::Task<Result<>> forget_cached(io::File& file, uint64_t bytes);
  io::Task<Result<>> end_at(ActiveSegment segment, SegmentCheck& check, size_t place);
  io::Task<Result<std::optional<std::string>>> find_damage(SegmentCheck& check, size_t place);
  void find_lost_end();
  io::Task<Result<>> remove_deleted();
  io::Task<Result<>> remove_segments(size_t from);
  io::Task<Result<>> remove_files(Offset base);
  io::Task<Result<>> load_epochs();
  io::Task<Result<bool>> epochs_are_stale();
  io::Task<Result<>> read_epochs();
  io::Task<Result<>> read_epochs(std::shared_ptr<Segment> segment, uint64_t bytes, uint64_t from,
                                 EpochRuns& seen);
  io::Task<Result<>> load_producers(ProducerState& producers);
  void publish();
  /// Compaction leaves gaps in the offsets, nothing else does.
  bool may_have_gaps() const {
    return params_.options.cleanup_compact || params_.cleaned_end.value() >= 0;
  }

  LogContext& log_;
  const LogParams& params_;
  std::vector<FoundSegment> found_;
  std::vector<SealedSegment> sealed_;
  std::optional<ActiveSegment> active_;
  LeaderEpochs epochs_;
  bool changed_ = false;
  /// Of checked batches.
  EpochRuns seen_epochs_;
};

io::Task<Result<LogWriter::Start>> Recovery::run() {
  CO_RETURN_IF_ERROR(co_await find_segments());
  CO_RETURN_IF_ERROR(co_await open_segments());
  find_lost_end();
  const bool unreadable = active_ && active_->next() < params_.log_start && !log_.is_damaged.load();
  if (!active_ || unreadable) {
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
      CO_ASSIGN_OR_RETURN(opened, co_await open_trusted(found_[i], i));
    }
    if (!opened) CO_RETURN_IF_ERROR(co_await open_checked(found_[i], i));
    if (!last && !active_) sealed_.back().next = found_[i + 1].base;
  }
  co_return {};
}

/// False when its indexes do not fit it, or it does not reach the next segment.
io::Task<Result<bool>> Recovery::open_trusted(FoundSegment found, size_t place) {
  const bool last = place + 1 == found_.size();
  CO_ASSIGN_OR_RETURN(const bool fit, co_await indexes_fit(found, place));
  if (!fit) co_return false;
  auto segment = std::make_shared<Segment>(
      log_.space, found.base, params_.options.segment_index_bytes,
      Segment::IndexEntries{.offsets = *found.index / OffsetIndex::kEntrySize,
                            .times = *found.time_index / TimeIndex::kEntrySize});
  if (last) co_return co_await resume_trusted(std::move(segment), found);
  if (!may_have_gaps()) {
    CO_ASSIGN_OR_RETURN(const bool whole,
                        co_await reaches(*segment, found.log, found_[place + 1].base));
    if (!whole) co_return false;
  }
  segment->set_complete(true);
  segment->set_synced(true);
  sealed_.push_back({.segment = std::move(segment), .bytes = found.log});
  co_return true;
}

io::Task<Result<bool>> Recovery::indexes_fit(FoundSegment found, size_t place) {
  // Of the last one only its batches tell where it ends.
  Offset limit(std::numeric_limits<int64_t>::max());
  if (place + 1 < found_.size()) limit = found_[place + 1].base;
  if (found.log == 0) limit = found.base;
  for (const auto& [suffix, size, kind] :
       {std::tuple(kIndexSuffix, found.index, IndexKind::offsets),
        std::tuple(kTimeIndexSuffix, found.time_index, IndexKind::times)}) {
    if (!size) {
      index_misfits(found.base, suffix, "it is missing");
      co_return false;
    }
    CO_ASSIGN_OR_RETURN(
        const auto misfit,
        co_await find_misfit(log_.ports.disk, segment_path(log_.folder(), found.base, suffix),
                             *size, kind, {.base = found.base, .limit = limit, .bytes = found.log},
                             params_.clean ? IndexDepth::last_entries : IndexDepth::all));
    if (!misfit) continue;
    index_misfits(found.base, suffix, *misfit);
    co_return false;
  }
  co_return true;
}

void Recovery::index_misfits(Offset base, std::string_view suffix, const std::string& why) {
  log_.ports.log.warning("index does not fit its log, built again",
                         {{"path", segment_path(log_.folder(), base, suffix)}, {"cause", why}});
}

/// Whether its last batch ends at `next`, by the headers behind the last index entry: else what
/// lay between is lost.
io::Task<Result<bool>> Recovery::reaches(Segment& segment, uint64_t bytes, Offset next) {
  CO_ASSIGN_OR_RETURN(const auto offsets, co_await segment.offsets().view());
  const auto entry = offsets.last();
  CO_ASSIGN_OR_RETURN(auto file, co_await segment.file()->open());
  HeaderScan scan(std::move(file), entry ? entry->position : 0, bytes, io::Lane::cold);
  for (Offset end = segment.base();;) {
    const auto batch = co_await scan.next();
    if (!batch && batch.error() == Errc::corrupt_batch) co_return false;
    if (!batch) co_return fail(Error(batch.error()));
    if (!*batch) co_return end == next;
    end = (*batch)->header.next_offset();
  }
}

io::Task<Result<bool>> Recovery::resume_trusted(std::shared_ptr<Segment> segment,
                                                FoundSegment found) {
  CO_ASSIGN_OR_RETURN(const auto offsets, co_await segment->offsets().view());
  auto active = co_await ActiveSegment::resume(std::move(segment), found.log);
  if (!active && active.error() == Errc::corrupt_batch) co_return false;
  if (!active) co_return fail(std::move(active).error());
  const Offset next = active->next();
  const std::string outside = "its last entry's offset lies behind the segment";
  if (const auto entry = offsets.last(); entry && entry->last_offset >= next) {
    index_misfits(found.base, kIndexSuffix, outside);
    co_return false;
  }
  if (active->max_timestamp().offset >= next) {
    index_misfits(found.base, kTimeIndexSuffix, outside);
    co_return false;
  }
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
  if (!params_.clean) CO_RETURN_IF_ERROR(co_await forget_cached(*file, found.log));
  SegmentCheck check(std::move(file), found.log, found.base, limit);
  uint64_t reported = 0;
  for (;;) {
    CO_ASSIGN_OR_RETURN(const auto batch, co_await check.next());
    if (!batch) break;
    seen_epochs_.add(batch->header.leader_epoch, batch->header.base_offset);
    if (rebuilt.count_in(batch->header, params_.options)) co_await rebuilt.flush_index_tails();
    if (params_.on_recovered && check.position() - reported >= 16_MiB) {
      params_.on_recovered(check.position() - reported);
      reported = check.position();
    }
  }
  if (params_.on_recovered) params_.on_recovered(found.log - reported);
  co_return co_await end_at(std::move(rebuilt), check, place);
}

/// After a failed sync the page cache may show, as clean, what the device lost, and a later sync
/// succeeds all the same. So what is checked is what comes from the device.
io::Task<Result<>> Recovery::forget_cached(io::File& file, uint64_t bytes) {
  CO_RETURN_IF_ERROR(co_await file.sync(io::Lane::background));
  file.drop_cache(0, bytes);
  co_return {};
}

/// Decides what the first bytes that are no good batch mean, if there are such.
io::Task<Result<>> Recovery::end_at(ActiveSegment segment, SegmentCheck& check, size_t place) {
  const bool last = place + 1 == found_.size();
  const bool gap = !last && segment.next() < found_[place + 1].base &&
                   (!may_have_gaps() || segment.next() >= params_.synced_end);
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
  if (behind) {
    co_return where +
        ", with good batches behind it; restore the partition from a replica or a backup";
  }
  if (!check.failure() || check.is_cut_short()) co_return std::nullopt;
  CO_ASSIGN_OR_RETURN(const bool blank, co_await check.is_blank_behind());
  if (blank) co_return std::nullopt;
  // What was acknowledged may end here, and this replica still counts as in sync.
  co_return where +
      ", which a process that dies does not leave behind; restore the partition from a replica or "
      "a backup";
}

/// Says what was promised and is not there, on whatever path the end was found.
void Recovery::find_lost_end() {
  const Offset end = active_ ? active_->next() : Offset(0);
  const bool synced_lost = params_.synced_end > params_.log_start && end < params_.synced_end;
  // A clean stop leaves no log that ends below its start.
  const bool start_lost = params_.clean && active_ && end < params_.log_start;
  if (!synced_lost && !start_lost) return;
  log_.damaged(log_.folder() + ": the log ends at offset " + std::to_string(end.value()) +
               ", though everything before " +
               std::to_string(std::max(params_.synced_end, params_.log_start).value()) +
               " was synced; restore the partition from a replica or a backup");
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
                             {{"path", path}, {"cause", parsed.error().message()}});
      changed = true;
    }
  } else if (!(content.error() == Errc::file_not_found)) {
    co_return fail(std::move(content).error());
  }
  const bool damaged = log_.is_damaged.load();
  if (!changed && !damaged) {
    CO_ASSIGN_OR_RETURN(changed, co_await epochs_are_stale());
  }
  if (changed && !damaged) CO_RETURN_IF_ERROR(co_await read_epochs());
  // What is written down before a batch is knows better than a single one of them.
  for (const auto& seen : seen_epochs_.entries(epochs_.empty())) {
    if (seen.epoch > epochs_.latest()) changed |= epochs_.assign(seen.epoch, seen.start);
  }
  const bool cut = epochs_.truncate_end(active_->next());
  // What stands behind damage comes back with its repair: its epochs stay written down.
  changed = !damaged && (changed || cut);
  if (changed) {
    CO_RETURN_IF_ERROR(co_await io::replace_file(log_.ports.disk, path, epochs_.encode()));
  }
  co_return {};
}

/// An old copy of the file would take the newest batches for those of an epoch before: a leader
/// that compares would have them cut.
io::Task<Result<bool>> Recovery::epochs_are_stale() {
  const bool in_active = active_->bytes() > 0;
  if (!in_active && sealed_.empty()) co_return false;
  const auto segment = in_active ? active_->segment() : sealed_.back().segment;
  const uint64_t bytes = in_active ? active_->bytes() : sealed_.back().bytes;
  CO_ASSIGN_OR_RETURN(auto offsets, co_await segment->offsets().view());
  // Some batches: one alone may be what went bad.
  const uint64_t from = offsets.size() < 3 ? 0 : offsets[offsets.size() - 3].position;
  EpochRuns tail;
  CO_RETURN_IF_ERROR(co_await read_epochs(segment, bytes, from, tail));
  const auto seen = tail.entries(epochs_.empty());
  const bool stale = !seen.empty() && seen.back().epoch > epochs_.latest();
  if (stale) {
    log_.ports.log.warning("leader epochs are older than the log, its batches tell",
                           {{"path", log_.folder() + "/" + std::string(kLeaderEpochFile)}});
  }
  co_return stale;
}

/// From the headers of all batches.
io::Task<Result<>> Recovery::read_epochs() {
  epochs_ = LeaderEpochs();
  seen_epochs_ = EpochRuns();
  for (const SealedSegment& sealed : sealed_) {
    CO_RETURN_IF_ERROR(co_await read_epochs(sealed.segment, sealed.bytes, 0, seen_epochs_));
  }
  co_return co_await read_epochs(active_->segment(), active_->bytes(), 0, seen_epochs_);
}

io::Task<Result<>> Recovery::read_epochs(std::shared_ptr<Segment> segment, uint64_t bytes,
                                         uint64_t from, EpochRuns& seen) {
  CO_ASSIGN_OR_RETURN(auto file, co_await segment->file()->open());
  HeaderScan scan(std::move(file), from, bytes, io::Lane::cold);
  for (;;) {
    const auto batch = co_await scan.next();
    // What is no batch any more is a scrub's to find.
    if (!batch && batch.error() == Errc::corrupt_batch) co_return {};
    if (!batch) co_return fail(Error(batch.error()));
    if (!*batch) co_return {};
    seen.add((*batch)->header.leader_epoch, (*batch)->header.base_offset);
  }
}

io::Task<Result<>> Recovery::load_producers(ProducerState& producers) {
  std::shared_ptr<const SegmentList> segments = log_.state.lock()->segments;
  CO_RETURN_IF_ERROR(co_await replay_producers(log_, std::move(segments), active_->bytes(),
                                               active_->next(), producers));
  auto state = log_.state.lock();
  state->last_stable = producers.oldest_transaction().value_or(state->end);
  state->producers = producers.size();
  co_return {};
}

void Recovery::publish() {
  auto list = std::make_shared<SegmentList>(
      SegmentList{.sealed = std::move(sealed_), .active = active_->segment()});
  auto state = log_.state.lock();
  state->start = std::max(params_.log_start, list->first());
  // What is left of a damaged log may end below its start: nothing of it may be read.
  state->end = state->last_stable = std::max(active_->next(), state->start);
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
