#include "tests/sim/crash_points.h"

#include <map>
#include <optional>
#include <string_view>

#include "tests/sim/hash.h"

namespace sluice::sim {
namespace {

constexpr size_t kFailuresShown = 20;

std::string_view name_of(CrashMode mode) {
  switch (mode) {
    case CrashMode::keep_all:
      return "all kept";
    case CrashMode::lose_all:
      return "all lost";
    case CrashMode::torn:
      return "torn";
    case CrashMode::zero_tail:
      return "zero tails";
    case CrashMode::random:
      return "random";
  }
  return {};
}

std::string join_lines(std::string text, const std::vector<std::string>& lines) {
  for (const auto& line : lines) text += "\n" + line;
  return text;
}

/// A moment at which the power may fail.
struct CrashPoint {
  DiskImage disk;
  size_t mark;
  std::string where;
};

/// Appends a point before and after each call that changes the disk.
void record_points(SimDisk& disk, const std::function<size_t()>& mark,
                   std::vector<CrashPoint>& points) {
  disk.set_observer([&disk, mark, &points](const DiskCall& call, bool done) {
    points.push_back({disk.image(), mark(), (done ? "after " : "before ") + call.to_string()});
  });
}

class Enumeration {
 public:
  Enumeration(const internal::CrashRun& run, const CrashOptions& options)
      : run_(run), options_(options) {}

  CrashReport explore() {
    branch(run_script(), 0, {});
    return std::move(report_);
  }

 private:
  std::vector<CrashPoint> run_script() {
    std::vector<CrashPoint> points;
    Simulator simulator(options_.seed);
    SimNode& node = simulator.add_node("node", {.workers = 1});
    points.push_back({node.disk().image(), run_.mark(), "before the script"});
    record_points(node.disk(), run_.mark, points);
    const auto result = simulator.run(run_.script(node));
    if (!result) note_failure("the script, without a crash", result.error());
    points.push_back({node.disk().image(), run_.mark(), "after the script"});
    return points;
  }

  /// Checks what crashes at these points may leave. One state at a time: only the points' images,
  /// which share their files, are kept.
  void branch(const std::vector<CrashPoint>& points, size_t depth, const std::string& history) {
    for (const auto& point : points) {
      ++report_.points;
      const std::string path = history.empty() ? point.where : history + "; then " + point.where;
      if (!point.disk.has_unsynced()) {
        crash(point, CrashMode::keep_all, 0, depth, path);
        continue;
      }
      for (const CrashMode mode : options_.modes) crash(point, mode, 0, depth, path);
      for (uint64_t nth = 0; nth < options_.random_crashes; ++nth) {
        crash(point, CrashMode::random, nth, depth, path);
      }
    }
  }

  void crash(const CrashPoint& point, CrashMode mode, uint64_t nth, size_t depth,
             const std::string& path) {
    SeededRandom random(mix(mix(options_.seed, report_.points), nth));
    DiskImage disk = point.disk.crash(mode, random);
    // Seen deeper it had fewer crashes of its check to come.
    const auto [seen, first] = seen_.emplace(std::pair(disk.hash(), point.mark), depth);
    if (!first && seen->second <= depth) {
      ++report_.duplicates;
      return;
    }
    seen->second = depth;
    if (report_.states == options_.states_max) {
      report_.stopped = true;
      return;
    }
    std::string kind(name_of(mode));
    if (mode == CrashMode::random) kind += " " + std::to_string(nth);
    check(std::move(disk), point.mark, depth, path + ", " + kind);
  }

  void check(DiskImage disk, size_t mark, size_t depth, const std::string& history) {
    std::vector<CrashPoint> points;
    {
      Simulator simulator(mix(options_.seed, ++report_.states));
      SimNode& node = simulator.add_node("node", {.workers = 1, .disk = std::move(disk)});
      if (depth < options_.nested) {
        record_points(node.disk(), [mark] { return mark; }, points);
      }
      const auto result = simulator.run(run_.check(node, mark));
      if (!result) note_failure(history, result.error());
    }
    branch(points, depth + 1, history);
  }

  void note_failure(const std::string& where, const Error& error) {
    if (report_.failures.size() >= kFailuresShown) return;
    report_.failures.push_back("crash " + where + ": " + std::string(error.message()));
  }

  const internal::CrashRun& run_;
  const CrashOptions& options_;
  CrashReport report_;
  std::map<std::pair<uint64_t, size_t>, size_t> seen_;  // hash and mark to the least depth
};

/// The script with the n-th call failing, and the checks after it.
class FaultRun {
 public:
  FaultRun(const internal::CrashRun& run, uint64_t seed, FaultReport& report)
      : run_(run), seed_(seed), report_(report) {}

  /// False when the script makes fewer calls than n.
  bool fail(uint64_t n, Errc error) {
    Simulator simulator(seed_);
    SimNode& node = simulator.add_node("node", {.workers = 1});
    std::optional<DiskCall> failed;
    node.disk().set_fault([&](const DiskCall& call) -> std::optional<Errc> {
      if (call.number != n) return std::nullopt;
      if (error == Errc::disk_full && !call.takes_space()) return std::nullopt;
      failed = call;
      return error;
    });
    const auto result = simulator.run(run_.script(node));
    const uint64_t calls = node.disk().calls();
    if (!failed) return calls >= n;
    ++report_.faults;
    const std::string what = failed->to_string() + " failed with " + std::string(name_of(error));
    const size_t mark = run_.mark();
    check(node.disk().image(), mark, what + ", process restarted");
    for (const CrashMode mode : {CrashMode::lose_all, CrashMode::keep_all, CrashMode::random}) {
      SeededRandom random(mix(seed_, n));
      check(node.disk().crash(mode, random), mark,
            what + ", power lost, " + std::string(name_of(mode)));
    }
    return true;
  }

 private:
  void check(DiskImage disk, size_t mark, const std::string& what) {
    Simulator simulator(mix(seed_, ++report_.checks));
    SimNode& node = simulator.add_node("node", {.workers = 1, .disk = std::move(disk)});
    const auto result = simulator.run(run_.check(node, mark));
    if (result || report_.failures.size() >= kFailuresShown) return;
    report_.failures.push_back(what + ": " + std::string(result.error().message()));
  }

  const internal::CrashRun& run_;
  const uint64_t seed_;
  FaultReport& report_;
};

}  // namespace

std::string CrashReport::to_string() const {
  return join_lines(std::to_string(states) + " states checked at " + std::to_string(points) +
                        " crash points, " + std::to_string(duplicates) + " duplicates" +
                        (stopped ? ", stopped at the limit" : ""),
                    failures);
}

std::string FaultReport::to_string() const {
  return join_lines(
      std::to_string(faults) + " failing calls, " + std::to_string(checks) + " states checked",
      failures);
}

namespace internal {

CrashReport enumerate_crashes(const CrashRun& run, const CrashOptions& options) {
  return Enumeration(run, options).explore();
}

FaultReport fail_each_call(const CrashRun& run, const FaultOptions& options) {
  FaultReport report;
  FaultRun faults(run, options.seed, report);
  for (const Errc error : options.errors) {
    for (uint64_t n = 1; faults.fail(n, error); ++n) {
    }
  }
  return report;
}

}  // namespace internal
}  // namespace sluice::sim
