#include "storage/scrubber.h"

#include <algorithm>
#include <vector>

namespace sluice::storage {
namespace {

/// A start has better things to do, and what was just recovered was just read.
constexpr Duration kFirstPause = std::chrono::minutes(10);

}  // namespace

Scrubber::Scrubber(Ports ports, Options options)
    : ports_(ports),
      options_(options),
      bytes_(
          ports.metrics.counter("scrub_bytes_total", "Bytes of logs read again to find damage.")),
      passes_(ports.metrics.counter("scrub_passes_total",
                                    "Data directories that were read again as a whole.")),
      damaged_(ports.metrics.counter("scrub_damaged_total",
                                     "Logs that reading them again found to be damaged.")) {}

io::Task<void> Scrubber::run(const DataDirectory& directory) {
  co_await ports_.runtime.executor.control().enter();
  TimePoint next = io::Loop::current()->now() + std::min<Duration>(options_.interval, kFirstPause);
  while (!co_await ports_.stop.wait(0, next)) {
    next = io::Loop::current()->now() + options_.interval;
    co_await scrub(directory);
  }
}

io::Task<void> Scrubber::scrub(const DataDirectory& directory) {
  std::vector<LogTable::Entry> entries = ports_.table.entries();
  std::erase_if(entries, [&](const auto& entry) { return entry.directory != &directory; });
  if (entries.empty() || directory.offline_because()) co_return;
  // A broker that never runs for as long as a pass takes gets to all of them all the same.
  const auto first = static_cast<ptrdiff_t>(ports_.runtime.random.next() % entries.size());
  std::ranges::rotate(entries, entries.begin() + first);
  Pass pass{.next_read = io::Loop::current()->now()};
  for (const auto& entry : entries) pass.bytes_total += entry.log->ends().bytes;
  const MetricLabels labels = {{"directory", directory.path()}};
  std::atomic<uint64_t> done{0};
  ports_.metrics.gauge("scrub_progress", "Share of a directory that the pass under way has read.",
                       labels, [&done, total = std::max<uint64_t>(pass.bytes_total, 1)] {
                         return static_cast<double>(done.load()) / static_cast<double>(total);
                       });
  size_t damaged = 0;
  size_t known = 0;
  size_t left = 0;
  for (auto& entry : entries) {
    if (ports_.stopping.load() || directory.offline_because()) break;
    Log& log = *entry.log;
    if (log.is_damaged()) {
      ++known;
      continue;
    }
    const bool dense = !log.options().cleanup_compact && entry.cleaned_end.value() < 0;
    const auto checked = co_await log.check({.stopping = ports_.stopping,
                                             .from = Offset{0},
                                             .dense = dense,
                                             .pace = [&](uint64_t bytes) {
                                               done.fetch_add(bytes);
                                               return pace(pass, bytes);
                                             }});
    damaged += log.is_damaged() ? 1 : 0;
    if (checked || checked.error() == Errc::cancelled) continue;
    ++left;
    ports_.log.warning("log not scrubbed, the next pass tries again",
                       {{"log", log.partition().folder()}, {"cause", checked.error().message()}});
  }
  ports_.metrics.drop_gauge("scrub_progress", labels);
  const size_t loop = io::Loop::current()->index();
  damaged_.add(loop, damaged);
  if (ports_.stopping.load()) co_return;
  passes_.add(loop);
  ports_.log.info("scrubbed", {{"directory", directory.path()},
                               {"logs", entries.size()},
                               {"bytes", pass.bytes},
                               {"damaged", known + damaged},
                               {"left", left}});
}

io::Task<void> Scrubber::pace(Pass& pass, uint64_t bytes) {
  pass.bytes += bytes;
  bytes_.add(io::Loop::current()->index(), bytes);
  const auto took = std::chrono::nanoseconds(static_cast<int64_t>(
      static_cast<double>(bytes) * 1e9 / static_cast<double>(options_.bytes_per_second)));
  pass.next_read = std::max(pass.next_read, io::Loop::current()->now()) + took;
  static_cast<void>(co_await ports_.stop.wait(0, pass.next_read));
}

}  // namespace sluice::storage
