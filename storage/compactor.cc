#include "storage/compactor.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "storage/batch_reader.h"
#include "storage/cleaned_segment.h"
#include "storage/segment_name.h"

namespace sluice::storage {
namespace {

/// Most that one compressed batch may inflate to and still be looked into.
constexpr size_t kLargestInflated = 64_MiB;

io::Task<Result<std::vector<bool>>> with_aborted_index(io::Disk& disk, std::string folder,
                                                       std::span<const SegmentInfo> segments) {
  std::vector<bool> found;
  for (const SegmentInfo& segment : segments) {
    CO_ASSIGN_OR_RETURN(const bool there, co_await disk.exists(segment_path(folder, segment.base,
                                                                            kAbortedIndexSuffix)));
    found.push_back(there);
  }
  co_return found;
}

}  // namespace

/// One run of compact() over one log.
struct Compactor::Pass {
  Target& target;
  const std::atomic<bool>& stopping;
  std::string folder;
  LogOptions options;
  std::vector<SegmentInfo> segments;
  OffsetMap latest;
  RecordSource source{kLargestInflated};
  ProducerEnds producers;
  Offset map_end{0};
  CompactionFilter::Counts counts{};
};

io::Task<Result<std::optional<CompactionPlan>>> Compactor::plan(
    const Target& target, std::vector<SegmentInfo>& segments) const {
  const LogOptions options = target.log.options();
  if (!options.cleanup_compact || target.log.damage()) co_return std::nullopt;
  CO_ASSIGN_OR_RETURN(segments, co_await target.log.segments());
  const Offset bound = std::min(target.log.high_watermark(), target.log.ends().last_stable);
  co_return plan_compaction(segments, options, target.cleaned_end, bound, ports_.clock.wall_now());
}

io::Task<Result<double>> Compactor::dirty_ratio(const Target& target) const {
  std::vector<SegmentInfo> segments;
  CO_ASSIGN_OR_RETURN(const auto planned, co_await plan(target, segments));
  co_return planned ? planned->dirty_ratio : 0;
}

io::Task<Result<std::optional<Offset>>> Compactor::compact(Target target,
                                                           const std::atomic<bool>& stopping) {
  const auto turn = co_await running_.lock();
  std::vector<SegmentInfo> segments;
  CO_ASSIGN_OR_RETURN(const auto planned, co_await plan(target, segments));
  if (!planned) co_return std::nullopt;
  Pass pass{.target = target,
            .stopping = stopping,
            .folder = target.log.directory() + "/" + target.log.partition().folder(),
            .options = target.log.options(),
            .segments = std::move(segments),
            .latest = OffsetMap(ports_.memory, map_bytes_, KeyHasher(ports_.random))};
  const auto done = co_await run(pass, *planned);
  if (!done && (done.error() == Errc::cancelled || done.error() == Errc::not_found))
    co_return std::nullopt;
  if (!done) co_return fail(Error(done.error()));
  ports_.log.info("compacted", {{"log", target.log.partition().folder()},
                                {"up_to", pass.map_end},
                                {"records", pass.counts.records_in},
                                {"kept", pass.counts.records_kept},
                                {"undecodable_batches", pass.counts.undecodable_batches}});
  co_return pass.map_end;
}

io::Task<void> Compactor::wait_idle() { const auto turn = co_await running_.lock(); }

io::Task<Result<>> Compactor::run(Pass& pass, CompactionPlan plan) {
  CO_RETURN_IF_ERROR(co_await map_dirty(pass, plan));
  // After the mapping: what a producer wrote since is above the map, and that stays anyway.
  CO_ASSIGN_OR_RETURN(pass.producers, co_await pass.target.log.producer_ends());
  pass.segments.resize(plan.end);
  std::erase_if(pass.segments, [&](const SegmentInfo& s) { return s.base >= pass.map_end; });
  CO_ASSIGN_OR_RETURN(const auto alone,
                      co_await with_aborted_index(pass.target.disk, pass.folder, pass.segments));
  for (const auto& group : group_segments(pass.segments, alone, pass.options)) {
    CO_RETURN_IF_ERROR(
        co_await rewrite(pass, std::span(pass.segments).subspan(group.first, group.count)));
  }
  co_return Result<>{};
}

io::Task<Result<>> Compactor::map_dirty(Pass& pass, const CompactionPlan& plan) {
  pass.map_end = pass.segments[plan.end - 1].next;
  for (size_t i = plan.first_dirty; i < plan.end; ++i) {
    CO_ASSIGN_OR_RETURN(auto file, co_await pass.segments[i].file->open());
    BatchReader reader(std::move(file), pass.segments[i].bytes, ports_.memory);
    for (;;) {
      if (pass.stopping.load()) co_return fail(Errc::cancelled);
      CO_ASSIGN_OR_RETURN(const ByteView batches, co_await reader.next());
      if (batches.empty()) break;
      CO_ASSIGN_OR_RETURN(const auto full, co_await ports_.executor.offload([&] {
        return map_keys(batches, plan.dirty_start, pass.source, pass.latest);
      }));
      if (!full) continue;
      pass.map_end = *full;
      co_return Result<>{};
    }
  }
  co_return Result<>{};
}

io::Task<Result<>> Compactor::rewrite(Pass& pass, std::span<const SegmentInfo> group) {
  CO_ASSIGN_OR_RETURN(auto cleaned, co_await CleanedSegment::create(
                                        pass.target.disk, pass.folder, group.front().base,
                                        pass.options.index_interval_bytes));
  auto done = co_await filter_segments(pass, group, cleaned);
  if (done) done = co_await cleaned.finish();
  if (done) {
    std::vector<Offset> old;
    for (const SegmentInfo& segment : group) old.push_back(segment.base);
    std::vector<std::string> deleted;
    done = co_await pass.target.log.replace_segments(
        old, cleaned.bytes(), [&]() -> io::Task<Result<>> {
          CO_ASSIGN_OR_RETURN(deleted, co_await swap_in(pass.target.disk, pass.folder, old));
          co_return Result<>{};
        });
    pass.target.discard(std::move(deleted));
  }
  if (!done) co_await cleaned.discard();
  co_return done;
}

io::Task<Result<>> Compactor::filter_segments(Pass& pass, std::span<const SegmentInfo> group,
                                              CleanedSegment& to) {
  CompactionFilter filter({.latest = pass.latest,
                           .map_end = pass.map_end,
                           .now = ports_.clock.wall_now(),
                           .delete_retention = pass.options.delete_retention_ms,
                           .producers = pass.producers},
                          pass.source);
  std::vector<std::byte> kept;
  for (const SegmentInfo& segment : group) {
    CO_ASSIGN_OR_RETURN(auto file, co_await segment.file->open());
    BatchReader reader(std::move(file), segment.bytes, ports_.memory);
    for (;;) {
      if (pass.stopping.load()) co_return fail(Errc::cancelled);
      CO_ASSIGN_OR_RETURN(const ByteView batches, co_await reader.next());
      if (batches.empty()) break;
      kept.clear();
      CO_RETURN_IF_ERROR(
          co_await ports_.executor.offload([&] { return filter.filter(batches, kept); }));
      if (!kept.empty()) CO_RETURN_IF_ERROR(co_await to.append(kept));
    }
  }
  kept.clear();
  filter.finish(kept);
  if (!kept.empty()) CO_RETURN_IF_ERROR(co_await to.append(kept));
  pass.counts.records_in += filter.counts().records_in;
  pass.counts.records_kept += filter.counts().records_kept;
  pass.counts.undecodable_batches += filter.counts().undecodable_batches;
  co_return Result<>{};
}

}  // namespace sluice::storage
