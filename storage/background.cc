#include "storage/background.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "storage/retention.h"

namespace sluice::storage {
namespace {

/// How soon a topic is noticed that was switched to interval flushes.
constexpr Duration kLongestFlushPause = 1s;
constexpr Duration kDiscardInterval = 1s;

}  // namespace

Background::Background(Ports ports, Intervals intervals)
    : ports_(ports),
      intervals_(intervals),
      scrubber_(
          {.runtime = ports.runtime,
           .table = ports.table,
           .metrics = ports.metrics,
           .log = ports.log,
           .stop = stop_,
           .stopping = stopping_},
          {.interval = intervals.scrub, .bytes_per_second = intervals.scrub_bytes_per_second}) {}

void Background::start() {
  running_.start(every(intervals_.checkpoint, [this] { return write_checkpoints(); }));
  running_.start(every(intervals_.retention, [this] { return retain(); }));
  running_.start(every(intervals_.compaction, [this] { return compact(); }));
  running_.start(every(kDiscardInterval,
                       [this] { return ports_.discarder.remove_due(io::Loop::current()->now()); }));
  running_.start(flush_loop());
  if (intervals_.scrub_bytes_per_second == 0) return;
  for (const auto& directory : ports_.directories) running_.start(scrubber_.run(*directory));
}

io::Task<void> Background::stop() {
  stopping_.store(true);
  stop_.notify_all();
  co_await running_.join();
}

template <class Job>
io::Task<void> Background::every(Duration interval, Job job) {
  co_await ports_.runtime.executor.control().enter();
  while (!co_await stop_.wait(0, io::Loop::current()->now() + interval)) co_await job();
}

io::Task<void> Background::write_checkpoints() {
  for (const auto& directory : ports_.directories) {
    if (directory->offline_because()) continue;
    const auto written = co_await directory->checkpoints().write();
    if (!written && !directory->offline_because()) {
      ports_.log.warning("checkpoints not written",
                         {{"directory", directory->path()}, {"cause", written.error().message()}});
    }
  }
}

io::Task<void> Background::flush_loop() {
  co_await ports_.runtime.executor.control().enter();
  TimePoint next = io::Loop::current()->now();
  while (!co_await stop_.wait(0, next)) next = flush_due();
}

io::Task<void> Background::check_log(std::shared_ptr<Log> log, Offset from) {
  co_await ports_.runtime.executor.control().enter();
  if (stopping_.load() || log->damage() || !checking_.insert(log.get()).second) co_return;
  const auto checked = co_await log->check({.stopping = stopping_, .from = from});
  checking_.erase(log.get());
  if (!checked && checked.error() != Errc::cancelled) {
    ports_.log.warning("log not checked",
                       {{"log", log->partition().folder()}, {"cause", checked.error().message()}});
  }
}

void Background::check(std::shared_ptr<Log> log, Offset from) {
  running_.start(check_log(std::move(log), from));
}

io::Task<void> Background::flush(std::shared_ptr<Log> log) {
  // A failed sync takes its directory offline, which is told elsewhere.
  static_cast<void>(co_await log->sync_to(log->ends().end));
  flushing_.erase(log.get());
}

TimePoint Background::flush_due() {
  const TimePoint now = io::Loop::current()->now();
  TimePoint next = now + kLongestFlushPause;
  absl::flat_hash_map<const Log*, TimePoint> flushed;
  // Files stay open until they are synced: when they are too many, it does not wait for a roll.
  const bool crowded = ports_.files.open() > ports_.files.limit();
  for (auto& log : ports_.table.all()) {
    const LogOptions options = log->options();
    const Duration interval =
        options.flush == FlushPolicy::interval ? options.flush_interval_ms : kLongestFlushPause;
    if (options.flush != FlushPolicy::interval && !crowded) continue;
    const auto before = flushed_.find(log.get());
    TimePoint last = before == flushed_.end() ? now : before->second;
    if (now - last >= interval) {
      last = now;
      if (flushing_.insert(log.get()).second) running_.start(flush(log));
    }
    next = std::min<TimePoint>(next, last + interval);
    flushed.emplace(log.get(), last);
  }
  flushed_ = std::move(flushed);
  return next;
}

io::Task<void> Background::retain() {
  const Timestamp now = ports_.runtime.clock.wall_now();
  for (auto& log : ports_.table.all()) {
    if (stopping_.load()) co_return;
    const Offset before = log->ends().start;
    const auto start = co_await apply_retention(*log, now);
    if (!start) {
      ports_.log.warning("retention failed",
                         {{"log", log->partition().folder()}, {"cause", start.error().message()}});
    } else if (*start > before) {
      ports_.log.info("retention moved the log start",
                      {{"log", log->partition().folder()}, {"from", before}, {"to", *start}});
      if (ports_.on_start_moved) ports_.on_start_moved(*log);
    }
    static_cast<void>(co_await log->expire_producers(now));
  }
}

/// The dirtiest log first, each at most once a round.
io::Task<void> Background::compact() {
  struct Dirty {
    LogTable::Entry entry;
    double ratio;
  };
  const auto target = [this](const LogTable::Entry& entry) {
    return Compactor::Target{
        .log = *entry.log,
        .disk = entry.directory->disk(),
        .discard =
            [this, entry](std::vector<std::string> paths) {
              ports_.discarder.add_files(
                  entry.directory->disk(), std::move(paths),
                  ports_.runtime.clock.now() + entry.log->options().file_delete_delay_ms);
            },
        .cleaned_end = entry.cleaned_end};
  };
  std::vector<Dirty> dirty;
  for (auto& entry : ports_.table.entries()) {
    const auto ratio = co_await ports_.compactor.dirty_ratio(target(entry));
    if (ratio.value_or(0) > 0) dirty.push_back({.entry = std::move(entry), .ratio = *ratio});
  }
  std::ranges::sort(dirty, std::ranges::greater{}, &Dirty::ratio);
  for (const Dirty& next : dirty) {
    if (stopping_.load()) co_return;
    const Log& log = *next.entry.log;
    const auto done = co_await ports_.compactor.compact(target(next.entry), stopping_);
    if (done && *done) {
      ports_.table.set_cleaned_end(log, **done);
    } else if (!done && done.error() == Errc::corrupt_batch) {
      co_await check_log(next.entry.log, Offset{0});
    } else if (!done && done.error() != Errc::cancelled) {
      ports_.log.warning("compaction failed, the next round tries again",
                         {{"log", log.partition().folder()}, {"cause", done.error().message()}});
    }
  }
}

}  // namespace sluice::storage
