#include "storage/log_reader.h"

#include <algorithm>
#include <functional>
#include <string>
#include <utility>

#include "io/disk.h"
#include "storage/batch_reader.h"

namespace sluice::storage {
namespace {

/// What was appended within so many bytes is taken to be in the page cache still.
constexpr uint64_t kFreshBytes = 4_MiB;

/// Of batches that lie at `position` of the file; `next` is the least offset they may begin at.
Result<> check_batches(ByteView batches, const std::string& path, uint64_t position, bool dense,
                       const std::function<void(const record::BatchHeader&, uint64_t)>& good,
                       Offset& next) {
  record::BatchCursor cursor(batches);
  for (;;) {
    const uint64_t at = position + cursor.position();
    ASSIGN_OR_RETURN(const auto batch, cursor.next());
    if (!batch) return {};
    const Offset base = batch->header().base_offset;
    const char* wrong = nullptr;
    if (!batch->crc_matches()) wrong = "fails its checksum";
    if (base < next) wrong = "begins before the one in front of it ends";
    if (dense && base > next) wrong = "is not the one that belongs there: offsets are missing";
    if (wrong != nullptr) {
      return fail(Errc::corrupt_batch, path + ": at byte " + std::to_string(at) +
                                           " the batch with offset " +
                                           std::to_string(base.value()) + " " + wrong);
    }
    good(batch->header(), at);
    next = batch->header().next_offset();
  }
}

/// Lets go of what only this reading brought into the page cache.
class CacheGuest {
 public:
  CacheGuest(io::File& file, uint64_t position, uint64_t length)
      : file_(file), position_(position), length_(length) {
    const auto resident = file.resident(position, length);
    was_there_ = !resident || *resident > 0;
  }
  void leave() const {
    if (!was_there_) file_.drop_cache(position_, length_);
  }

 private:
  io::File& file_;
  const uint64_t position_, length_;
  bool was_there_ = true;
};

/// corrupt_batch where it is not what was written.
io::Task<Result<>> check_segment(SegmentRange in, Offset end, MemoryBudget& memory,
                                 const Log::Check& how,
                                 std::function<void(const record::BatchHeader&, uint64_t)> good) {
  constexpr uint64_t kRead = 1_MiB;
  CO_ASSIGN_OR_RETURN(auto file, co_await in.segment->file()->open());
  BatchReader reader(file, in.bytes, memory);
  Offset next = in.segment->base();
  for (uint64_t at = 0;;) {
    if (how.stopping.load()) co_return fail(Errc::cancelled);
    const CacheGuest guest(*file, at, kRead);
    CO_ASSIGN_OR_RETURN(const ByteView batches, co_await reader.next());
    if (batches.empty()) break;
    CO_RETURN_IF_ERROR(
        check_batches(batches, file->path(), reader.position(), how.dense, good, next));
    if (!how.pace) continue;
    guest.leave();
    co_await how.pace(batches.size());
    at = reader.position() + batches.size();
  }
  if (next == end || !how.dense) co_return {};
  co_return fail(Errc::corrupt_batch,
                 file->path() + ": it ends at offset " + std::to_string(next.value()) +
                     ", what comes next begins at " + std::to_string(end.value()));
}

}  // namespace

Result<LogReader::Place> LogReader::place(const ReadRequest& request) const {
  Place place;
  auto state = log_.state.lock();
  if (request.from < state->start || request.from > state->end) {
    return fail(Errc::offset_out_of_range);
  }
  place.log_start = state->start;
  place.log_end = state->end;
  const SegmentList& list = *state->segments;
  const size_t at = list.find(request.from);
  place.active = at == list.sealed.size();
  if (place.active) {
    place.range = {.segment = list.active, .bytes = state->active_bytes};
    place.next = state->end;
    place.from = state->recent.position_of(request.from);
    if (request.bound < state->end) place.bound = state->recent.position_of(request.bound);
  } else {
    place.range = {.segment = list.sealed[at].segment, .bytes = list.sealed[at].bytes};
    place.next = list.sealed[at].next;
  }
  // Under the lock: a truncation raises it together with the new end.
  place.generation = place.range.segment->file()->generation();
  return place;
}

io::Task<Result<ReadResult>> LogReader::read(ReadRequest request) {
  for (;;) {
    CO_ASSIGN_OR_RETURN(Place at, place(request));
    if (request.from >= std::min(request.bound, at.log_end)) {
      co_return ReadResult{.log_start = at.log_start, .log_end = at.log_end};
    }
    auto result = co_await read_at(request, at);
    if (result && result->slice.length == 0 && !at.active && !at.from) {
      request.from = at.next;  // compaction left nothing at or behind `from` in this segment
      continue;
    }
    if (result || !(result.error() == Errc::corrupt_batch)) co_return result;
    if (changed(at)) continue;  // it was cut under our feet
    log_.damaged(std::string(result.error().message()));
    co_return fail(Errc::partition_corrupt, std::string(result.error().message()));
  }
}

/// The slice of one segment; sets place.from. Empty when nothing is at or behind the offset, or
/// nothing fits.
io::Task<Result<ReadResult>> LogReader::read_at(const ReadRequest& request, Place& place) {
  ReadResult result{.log_start = place.log_start, .log_end = place.log_end};
  if (!place.from) {
    CO_ASSIGN_OR_RETURN(const auto batch,
                        co_await find_batch(place.range, request.from, io::Lane::hot));
    if (!batch) co_return result;
    place.from = batch->position;
    // Where compaction left a gap the next batch may be at or above the bound.
    if (batch->header.last_offset() >= request.bound) co_return result;
  }
  CO_ASSIGN_OR_RETURN(const uint64_t end, co_await end_of(request, place));
  if (end <= *place.from) co_return result;
  CO_ASSIGN_OR_RETURN(result.slice.file, co_await place.range.segment->file()->open());
  result.slice.segment = place.range.segment->file();
  result.slice.position = *place.from;
  result.slice.length = end - *place.from;
  result.slice.generation = place.generation;
  result.slice.fresh = place.active && place.range.bytes - *place.from <= kFreshBytes;
  co_return result;
}

/// Where the slice ends: behind a whole batch, before the bound, within max_bytes if that can be.
io::Task<Result<uint64_t>> LogReader::end_of(const ReadRequest& request, const Place& place) {
  const uint64_t from = *place.from;
  const bool all_readable = request.bound >= place.next;
  if (place.range.bytes - from <= request.max_bytes) {
    if (all_readable) co_return place.range.bytes;
    co_return co_await bound_of(request, place);
  }
  CO_ASSIGN_OR_RETURN(const auto boundary,
                      co_await last_boundary(place.range, from, request.max_bytes));
  uint64_t end = boundary.position;
  if (end <= from) {
    // The first batch alone, or the few before an index entry: their headers tell.
    CO_ASSIGN_OR_RETURN(auto file, co_await place.range.segment->file()->open());
    HeaderScan scan(std::move(file), from, place.range.bytes, io::Lane::hot);
    for (;;) {
      CO_ASSIGN_OR_RETURN(const auto batch, co_await scan.next());
      if (!batch || batch->header.last_offset() >= request.bound) break;
      const bool first_of_all = end <= from && request.at_least_one;
      if (batch->end() - from > request.max_bytes && !first_of_all) break;
      end = batch->end();
    }
    co_return end;
  }
  if (all_readable || boundary.last_offset < request.bound) co_return end;
  CO_ASSIGN_OR_RETURN(const uint64_t bound, co_await bound_of(request, place));
  co_return std::min(end, bound);
}

/// Where the batch that holds the bound begins; the range's end when none does.
io::Task<Result<uint64_t>> LogReader::bound_of(const ReadRequest& request, const Place& place) {
  if (place.bound) co_return *place.bound;
  CO_ASSIGN_OR_RETURN(const auto batch,
                      co_await find_batch(place.range, request.bound, io::Lane::hot));
  co_return batch ? batch->position : place.range.bytes;
}

bool LogReader::changed(const Place& place) const {
  return place.range.segment->file()->generation() != place.generation;
}

void LogReader::note_index(const Checked& of, IndexFit& fit, Findings& found) const {
  if (of.segment->file()->generation() != of.generation) return;
  log_.ports.log.warning("index does not fit its log, built again",
                         {{"path", of.segment->file()->path()}});
  if (of.sealed) {
    found.indexes.push_back({of.segment, fit.made_anew()});
  } else {
    found.active_index = true;
  }
}

io::Task<Result<>> LogReader::check(Log::Check how, Findings& found) {
  struct Part {
    SegmentRange range;
    Offset end;
    uint32_t generation;
  };
  std::vector<Part> all;
  size_t interval = 0;
  {
    auto state = log_.state.lock();
    found.epochs.emplace(state->epochs);
    interval = state->options->index_interval_bytes;
    const auto add = [&](const std::shared_ptr<Segment>& segment, uint64_t bytes, Offset end) {
      if (end <= how.from) return;
      all.push_back({{.segment = segment, .bytes = bytes}, end, segment->file()->generation()});
    };
    for (const auto& sealed : state->segments->sealed)
      add(sealed.segment, sealed.bytes, sealed.next);
    add(state->segments->active, state->active_bytes, state->end);
  }
  bool whole = how.from == Offset(0);
  for (const auto& [range, end, generation] : all) {
    found.epochs->begin(range.segment->file(), generation);
    // One that is sealed meanwhile counts as it was: what was written to it since is not read here.
    const bool sealed = range.segment->complete();
    CO_ASSIGN_OR_RETURN(auto offsets, co_await range.segment->offsets().view());
    CO_ASSIGN_OR_RETURN(auto times, co_await range.segment->times().view());
    IndexFit fit(range.segment->base(), interval, std::move(offsets), std::move(times));
    auto checked = co_await check_segment(range, end, log_.ports.memory, how,
                                          [&](const record::BatchHeader& batch, uint64_t at) {
                                            found.epochs->add(batch, at);
                                            fit.add(batch, at);
                                          });
    if (checked) {
      const bool fits = sealed ? fit.fits_sealed() : fit.fits();
      if (!fits) note_index({range.segment, generation, sealed}, fit, found);
      continue;
    }
    // Of a segment that left the log meanwhile, or was cut, nothing can be said.
    const auto segments = log_.state.lock()->segments;
    const bool there = segments->active == range.segment ||
                       std::ranges::find(segments->sealed, range.segment,
                                         &SealedSegment::segment) != segments->sealed.end();
    if (!there || range.segment->file()->generation() != generation) {
      whole = false;
      continue;
    }
    found = {};
    // Also one whose header was zeroed, which looks as if it were of an old format.
    const bool is_bad =
        checked.error() == Errc::corrupt_batch || checked.error() == Errc::invalid_record;
    if (!is_bad) co_return checked;
    log_.damaged(std::string(checked.error().message()));
    co_return {};
  }
  found.epochs->finish();
  if (!whole) found.epochs.reset();
  co_return {};
}

std::vector<SegmentInfo> LogReader::list() const {
  auto state = log_.state.lock();
  std::vector<SegmentInfo> all;
  all.reserve(state->segments->sealed.size() + 1);
  for (const SealedSegment& sealed : state->segments->sealed) {
    all.push_back({.base = sealed.segment->base(),
                   .next = sealed.next,
                   .bytes = sealed.bytes,
                   .file = sealed.segment->file()});
  }
  all.push_back({.base = state->segments->active->base(),
                 .next = state->end,
                 .bytes = state->active_bytes,
                 .max_timestamp = state->active_max_timestamp.timestamp,
                 .file = state->segments->active->file(),
                 .active = true});
  return all;
}

io::Task<Result<std::vector<SegmentInfo>>> LogReader::segments() {
  std::vector<SegmentInfo> all;
  std::shared_ptr<const SegmentList> segments;
  do {
    segments = log_.state.lock()->segments;
    all = list();
  } while (segments != log_.state.lock()->segments);
  for (size_t i = 0; i < segments->sealed.size(); ++i) {
    CO_ASSIGN_OR_RETURN(const auto times, co_await segments->sealed[i].segment->times().view());
    if (const auto last = times.last()) all[i].max_timestamp = last->timestamp;
  }
  co_return all;
}

}  // namespace sluice::storage
