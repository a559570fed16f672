#include "storage/repair.h"

#include <algorithm>
#include <limits>
#include <memory>
#include <utility>

#include "proto/record/batch.h"
#include "storage/batch_reader.h"
#include "storage/cleaned_segment.h"
#include "storage/segment_check.h"
#include "storage/segment_name.h"

namespace sluice::storage {
namespace {

struct FoundFile {
  Offset base{0};
  uint64_t bytes = 0;
};

/// Bytes of a segment that are no good, and the offsets that belong there.
struct BadRange {
  uint64_t position = 0;
  uint64_t end_position = 0;
  Offset from{0};
  Offset to{0};
  /// The good batches around it, where there are such.
  std::optional<record::BatchHeader> before;
  std::optional<record::BatchHeader> behind;
  /// Of the good batches around it: what comes between lies between.
  LeaderEpoch epoch_before{-1};
  LeaderEpoch epoch_behind{std::numeric_limits<int32_t>::max()};
};

constexpr Offset kOpenEnd{std::numeric_limits<int64_t>::max()};

io::Task<Result<std::vector<FoundFile>>> list_segments(io::Disk& disk, std::string folder) {
  CO_ASSIGN_OR_RETURN(const auto entries, co_await disk.list(folder));
  std::vector<FoundFile> found;
  for (const auto& entry : entries) {
    const auto name = parse_segment_name(entry.name);
    if (name && name->suffix == kLogSuffix) found.push_back({name->offset, entry.size});
  }
  co_return found;
}

/// The walk over one log's segments.
class Planner {
 public:
  Planner(RepairPorts ports, std::string folder, RepairRules rules, RangeSource& source)
      : ports_(ports), folder_(std::move(folder)), rules_(rules), source_(source) {}

  io::Task<Result<RepairPlan>> run();

 private:
  struct Copy {
    std::optional<CleanedSegment> to;
    Offset base{0};
    /// Of the old file, what is copied or left out already.
    uint64_t done = 0;
    /// In place of a segment that is gone as a whole.
    bool of_lost = false;

    bool replaces(FoundFile segment) const { return to && base == segment.base && !of_lost; }
  };
  enum class Put : uint8_t { whole, impossible };

  io::Task<Result<std::vector<BadRange>>> find_bad(FoundFile segment, Offset limit);
  io::Task<Result<>> repair(FoundFile segment, std::vector<BadRange> bad);
  io::Task<Result<bool>> prove_all(std::vector<BadRange> bad);
  io::Task<Result<bool>> prove(BadRange& range);
  io::Task<Result<bool>> prove_here(BadRange& range);
  bool fits(ByteView batches, const BadRange& range, Offset& reached) const;
  io::Task<Result<bool>> has_same(record::BatchHeader batch);
  bool is_of_trail(const record::BatchHeader& batch, const BadRange& range) const;
  io::Task<Result<Put>> put_in(Copy& copy, FoundFile segment, BadRange range);
  io::Task<Result<Put>> fetch_range(Copy& copy, BadRange range);
  Result<Put> check_fetched(ByteView batches, BadRange& rest);
  io::Task<Result<>> copy_good(Copy& copy, FoundFile segment, uint64_t end);
  io::Task<Result<>> begin(Copy& copy, Offset base);
  io::Task<Result<>> finish(Copy& copy);
  Result<> check_stopping() const {
    if (ports_.stopping.load()) return fail(Errc::cancelled);
    return {};
  }
  std::string path_of(Offset base) const { return segment_path(folder_, base, kLogSuffix); }

  const RepairPorts ports_;
  const std::string folder_;
  const RepairRules rules_;
  RangeSource& source_;
  LeaderEpoch epoch_{-1};
  /// The last good batch.
  std::optional<record::BatchHeader> last_;
  RepairPlan plan_;
};

io::Task<Result<RepairPlan>> Planner::run() {
  CO_ASSIGN_OR_RETURN(const auto segments, co_await list_segments(ports_.disk, folder_));
  for (size_t i = 0; i < segments.size() && !plan_.cut; ++i) {
    const Offset limit = i + 1 < segments.size() ? segments[i + 1].base : kOpenEnd;
    CO_ASSIGN_OR_RETURN(auto bad, co_await find_bad(segments[i], limit));
    if (!bad.empty()) CO_RETURN_IF_ERROR(co_await repair(segments[i], std::move(bad)));
  }
  // It ends where it did, whatever of it is readable.
  if (!plan_.lost.empty()) plan_.end = kOpenEnd;
  co_return std::move(plan_);
}

io::Task<Result<std::vector<BadRange>>> Planner::find_bad(FoundFile segment, Offset limit) {
  CO_ASSIGN_OR_RETURN(std::shared_ptr<io::File> file,
                      co_await ports_.disk.open(path_of(segment.base), io::OpenMode::read));
  SegmentCheck check(std::move(file), segment.bytes, segment.base, limit, rules_.dense);
  std::vector<BadRange> bad;
  for (LeaderEpoch before = epoch_;;) {
    CO_RETURN_IF_ERROR(check_stopping());
    const uint64_t position = check.position();
    CO_ASSIGN_OR_RETURN(const auto batch, co_await check.next());
    if (batch) {
      if (!bad.empty() && bad.back().end_position == position) {
        bad.back().behind = batch->header;
        bad.back().epoch_behind = batch->header.leader_epoch;
      }
      last_ = batch->header;
      before = std::exchange(epoch_, std::max(epoch_, batch->header.leader_epoch));
      continue;
    }
    if (!check.failure()) {
      plan_.end = check.expected();
      const bool gap = limit == kOpenEnd ? rules_.proven && plan_.end < rules_.promised
                                         : rules_.dense && plan_.end < limit;
      if (gap) bad.push_back({position, position, plan_.end, limit, last_, {}, epoch_});
      co_return bad;
    }
    const auto [begin, from] = check.damage();
    if (begin < position) epoch_ = before;
    if (last_ && last_->next_offset() > from) last_.reset();
    CO_ASSIGN_OR_RETURN(const bool goes_on, co_await check.skip_damage());
    bad.push_back({begin,
                   goes_on ? check.position() : segment.bytes,
                   from,
                   goes_on ? check.expected() : limit,
                   last_,
                   {},
                   epoch_});
    if (!goes_on) co_return bad;
  }
}

io::Task<Result<>> Planner::repair(FoundFile segment, std::vector<BadRange> bad) {
  Copy copy;
  bool whole = true;
  if (rules_.proven) {
    CO_ASSIGN_OR_RETURN(const bool all, co_await prove_all(bad));
    if (!all) co_return Result<>{};
  }
  for (const BadRange& range : bad) {
    CO_ASSIGN_OR_RETURN(const Put put, co_await put_in(copy, segment, range));
    whole = put == Put::whole;
    if (whole) continue;
    if (rules_.proven) {
      co_return fail(Errc::offset_not_available, folder_ + ": another replica changed meanwhile");
    }
    plan_.cut = RepairPlan::Cut{segment.base, range.position, range.from};
    // Nothing before it had to be written anew, or nothing is left: the file itself is cut.
    if (!copy.replaces(segment)) break;
    CO_RETURN_IF_ERROR(co_await copy_good(copy, segment, range.position));
    break;
  }
  if (copy.replaces(segment)) {
    if (whole) CO_RETURN_IF_ERROR(co_await copy_good(copy, segment, segment.bytes));
    if (copy.to->bytes() == 0) plan_.cut = RepairPlan::Cut{segment.base, 0, segment.base};
  }
  if (plan_.cut) plan_.end = plan_.cut->end;
  co_return co_await finish(copy);
}

/// Of a range at the end of a segment, what was lost are segments of their own.
io::Task<Result<Planner::Put>> Planner::put_in(Copy& copy, FoundFile segment, BadRange range) {
  if (rules_.proven) {
    // Whoever has it is asked for it then.
    CO_ASSIGN_OR_RETURN(const bool still, co_await prove(range));
    if (!still) co_return Put::impossible;
    plan_.end = std::max(plan_.end, range.to);
  } else if (range.to == kOpenEnd || range.to > rules_.committed) {
    co_return Put::impossible;
  }
  if (range.from < range.to) {
    // Asked for before anything is written, so that a range nobody has costs no copy.
    CO_ASSIGN_OR_RETURN(const MutableBytes first, co_await source_.fetch(range.from, range.to));
    BadRange rest = range;
    CO_ASSIGN_OR_RETURN(const Put fits, check_fetched(first, rest));
    if (fits == Put::impossible) co_return fits;
  }
  const bool lost_segment = range.position == range.end_position && range.position == segment.bytes;
  if (lost_segment) {
    if (copy.replaces(segment))
      CO_RETURN_IF_ERROR(co_await copy_good(copy, segment, segment.bytes));
    CO_RETURN_IF_ERROR(co_await finish(copy));
    CO_RETURN_IF_ERROR(co_await begin(copy, range.from));
    copy.of_lost = true;
  } else {
    if (!copy.to) CO_RETURN_IF_ERROR(co_await begin(copy, segment.base));
    CO_RETURN_IF_ERROR(co_await copy_good(copy, segment, range.position));
  }
  CO_ASSIGN_OR_RETURN(const Put put, co_await fetch_range(copy, range));
  if (put == Put::whole) {
    ++plan_.ranges;
    copy.done = range.end_position;
  }
  co_return put;
}

io::Task<Result<Planner::Put>> Planner::fetch_range(Copy& copy, BadRange range) {
  while (range.from < range.to) {
    CO_RETURN_IF_ERROR(check_stopping());
    CO_ASSIGN_OR_RETURN(const MutableBytes batches, co_await source_.fetch(range.from, range.to));
    BadRange rest = range;
    CO_ASSIGN_OR_RETURN(const Put fits, check_fetched(batches, rest));
    if (fits == Put::impossible) co_return fits;
    // Those behind the range are the log's own.
    ByteView wanted = batches;
    size_t size = 0;
    for (record::BatchCursor cursor(wanted);;) {
      CO_ASSIGN_OR_RETURN(const auto batch, cursor.next());
      if (!batch || batch->header().base_offset >= range.to) break;
      size += batch->bytes().size();
    }
    wanted = wanted.first(size);
    const bool full =
        copy.of_lost && copy.to->bytes() > 0 && copy.to->bytes() + size > rules_.segment_bytes;
    if (full) {
      CO_RETURN_IF_ERROR(co_await finish(copy));
      CO_RETURN_IF_ERROR(co_await begin(copy, range.from));
    }
    if (!wanted.empty()) CO_RETURN_IF_ERROR(co_await copy.to->append(wanted));
    plan_.bytes += size;
    range = rest;
  }
  co_return Put::whole;
}

/// Whether the batches go on where the rest of the range begins, and stay inside of it. Moves its
/// start behind them.
Result<Planner::Put> Planner::check_fetched(ByteView batches, BadRange& rest) {
  if (batches.empty()) return Put::impossible;
  record::BatchCursor cursor(batches);
  for (;;) {
    ASSIGN_OR_RETURN(const auto batch, cursor.next());
    if (!batch) return Put::whole;
    const record::BatchHeader& header = batch->header();
    const bool behind = header.base_offset >= rest.to;
    if (header.base_offset > rest.from) plan_.has_gaps = true;
    if (behind) {
      rest.from = rest.to;
      return Put::whole;
    }
    if (!batch->crc_matches()) {
      return fail(Errc::corrupt_batch, folder_ + ": the batch with offset " +
                                           std::to_string(header.base_offset.value()) +
                                           " came without its checksum from the other replica");
    }
    if (header.base_offset < rest.from || header.next_offset() > rest.to ||
        header.leader_epoch < rest.epoch_before || header.leader_epoch > rest.epoch_behind ||
        (rules_.proven && !is_of_trail(header, rest))) {
      return Put::impossible;
    }
    rest.epoch_before = header.leader_epoch;
    rest.from = header.next_offset();
  }
}

/// False when something is lost.
io::Task<Result<bool>> Planner::prove_all(std::vector<BadRange> bad) {
  bool all = true;
  for (BadRange& range : bad) {
    const Offset from = range.from;
    CO_ASSIGN_OR_RETURN(const bool proven, co_await prove(range));
    if (proven) continue;
    all = false;
    const Offset end = range.to == kOpenEnd ? rules_.promised : range.to;
    plan_.lost.push_back("offsets " + std::to_string(from.value()) + " to " +
                         std::to_string(end.value() - 1));
  }
  co_return all;
}

/// Whether another replica has what belongs there, beyond doubt; that one is asked from then on,
/// and the range ends where it does. An error where one that might have it did not answer.
io::Task<Result<bool>> Planner::prove(BadRange& range) {
  if (range.from == range.to) co_return true;
  std::optional<Error> unheard;
  for (size_t copy = 0; copy < source_.copies(); ++copy) {
    CO_RETURN_IF_ERROR(check_stopping());
    source_.turn_to(copy);
    BadRange tried = range;
    auto proven = co_await prove_here(tried);
    if (!proven) {
      unheard = std::move(proven).error();
    } else if (*proven) {
      range = tried;
      co_return true;
    }
  }
  if (unheard) co_return fail(std::move(*unheard));
  co_return false;
}

io::Task<Result<bool>> Planner::prove_here(BadRange& range) {
  if (range.before) {
    CO_ASSIGN_OR_RETURN(const bool same, co_await has_same(*range.before));
    if (!same) co_return false;
  }
  Offset reached = range.from;
  while (reached < range.to) {
    const Offset before = reached;
    CO_ASSIGN_OR_RETURN(const MutableBytes batches, co_await source_.fetch(reached, range.to));
    if (!fits(batches, range, reached)) co_return false;
    if (reached == before) break;
  }
  if (range.to == kOpenEnd) {
    range.to = reached;
    co_return reached >= rules_.promised;
  }
  if (reached < range.to) co_return false;
  if (!range.behind) co_return true;
  co_return co_await has_same(*range.behind);
}

/// Whether the batches go on at `reached`, which moves behind them, as this log once did.
bool Planner::fits(ByteView batches, const BadRange& range, Offset& reached) const {
  record::BatchCursor cursor(batches);
  for (;;) {
    const auto batch = cursor.next();
    if (!batch) return false;
    if (!*batch) return true;
    const record::BatchHeader& header = (*batch)->header();
    if (header.base_offset >= range.to) {
      if (rules_.dense && reached < range.to) return false;
      reached = range.to;
      return true;
    }
    const bool goes_on =
        rules_.dense ? header.base_offset == reached : header.base_offset >= reached;
    if (!goes_on || header.next_offset() > range.to || !(*batch)->crc_matches() ||
        header.leader_epoch < range.epoch_before || header.leader_epoch > range.epoch_behind ||
        !is_of_trail(header, range)) {
      return false;
    }
    reached = header.next_offset();
  }
}

io::Task<Result<bool>> Planner::has_same(record::BatchHeader batch) {
  CO_ASSIGN_OR_RETURN(const MutableBytes batches,
                      co_await source_.fetch(batch.base_offset, batch.next_offset()));
  if (batches.empty()) co_return false;
  const auto header = record::decode_header(batches);
  co_return header && header->base_offset == batch.base_offset &&
      header->next_offset() == batch.next_offset() && header->leader_epoch == batch.leader_epoch &&
      header->crc == batch.crc;
}

/// What is written down of epochs tells; where nothing is, what stands behind the range does.
bool Planner::is_of_trail(const record::BatchHeader& batch, const BadRange& range) const {
  if (rules_.epochs.empty()) return range.behind.has_value();
  return rules_.epochs.epoch_at(batch.base_offset) == batch.leader_epoch;
}

io::Task<Result<>> Planner::copy_good(Copy& copy, FoundFile segment, uint64_t end) {
  if (copy.done >= end) co_return Result<>{};
  CO_ASSIGN_OR_RETURN(std::shared_ptr<io::File> file,
                      co_await ports_.disk.open(path_of(segment.base), io::OpenMode::read));
  BatchReader reader(std::move(file), end, ports_.memory, copy.done);
  for (;;) {
    CO_RETURN_IF_ERROR(check_stopping());
    CO_ASSIGN_OR_RETURN(const ByteView batches, co_await reader.next());
    if (batches.empty()) break;
    CO_RETURN_IF_ERROR(co_await copy.to->append(batches));
  }
  copy.done = end;
  co_return Result<>{};
}

io::Task<Result<>> Planner::begin(Copy& copy, Offset base) {
  CO_ASSIGN_OR_RETURN(copy.to, co_await CleanedSegment::create(ports_.disk, folder_, base,
                                                               rules_.index_interval_bytes));
  copy.base = base;
  co_return Result<>{};
}

io::Task<Result<>> Planner::finish(Copy& copy) {
  if (!copy.to) co_return Result<>{};
  CO_RETURN_IF_ERROR(co_await copy.to->finish());
  if (copy.to->bytes() > 0) {
    plan_.rewritten.push_back(copy.base);
  } else {
    // Nothing of it is left: where there was a file, it is cut.
    co_await copy.to->discard();
  }
  copy.to.reset();
  co_return Result<>{};
}

io::Task<Result<>> remove_segment(io::Disk& disk, std::string folder, Offset base) {
  for (const std::string_view suffix :
       {kLogSuffix, kIndexSuffix, kTimeIndexSuffix, kAbortedIndexSuffix, kSnapshotSuffix}) {
    auto removed = co_await disk.remove(segment_path(folder, base, suffix));
    if (!removed && removed.error() != Errc::file_not_found) co_return removed;
  }
  co_return Result<>{};
}

/// From the last segment to the first, as a truncation: a crash leaves a longer log.
io::Task<Result<>> cut_files(io::Disk& disk, std::string folder, RepairPlan::Cut cut,
                             bool rewritten) {
  CO_ASSIGN_OR_RETURN(auto segments, co_await list_segments(disk, folder));
  for (; !segments.empty() && segments.back().base > cut.segment; segments.pop_back()) {
    CO_RETURN_IF_ERROR(co_await remove_segment(disk, folder, segments.back().base));
  }
  if (!rewritten && !segments.empty() && segments.back().base == cut.segment) {
    CO_ASSIGN_OR_RETURN(auto file, co_await disk.open(segment_path(folder, cut.segment, kLogSuffix),
                                                      io::OpenMode::write));
    CO_RETURN_IF_ERROR(co_await file->truncate(cut.position));
    CO_RETURN_IF_ERROR(co_await file->sync(io::Lane::background));
  }
  co_return co_await disk.sync_directory(folder);
}

}  // namespace

io::Task<Result<RepairPlan>> plan_repair(RepairPorts ports, std::string folder, RepairRules rules,
                                         RangeSource& source) {
  Planner planner(ports, std::move(folder), rules, source);
  co_return co_await planner.run();
}

io::Task<Result<std::vector<std::string>>> apply_repair(io::Disk& disk, std::string folder,
                                                        RepairPlan plan) {
  if (plan.cut) {
    const bool rewritten =
        std::ranges::find(plan.rewritten, plan.cut->segment) != plan.rewritten.end();
    CO_RETURN_IF_ERROR(co_await cut_files(disk, folder, *plan.cut, rewritten));
  }
  std::vector<std::string> old;
  for (const Offset base : plan.rewritten) {
    CO_ASSIGN_OR_RETURN(const auto gone, co_await swap_in(disk, folder, {base}));
    old.insert(old.end(), gone.begin(), gone.end());
  }
  co_return old;
}

}  // namespace sluice::storage
