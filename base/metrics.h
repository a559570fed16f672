#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/time.h"

namespace sluice {

/// Label pairs of a series, in the order they are shown.
using MetricLabels = std::vector<std::pair<std::string, std::string>>;

/// A count that only grows. One cell per worker on a cache line of its own, so that counting is one
/// plain add; the registry sums the cells when asked.
class Counter {
 public:
  explicit Counter(size_t workers) : cells_(workers) {}
  /// `worker` is the index of the calling loop; only that loop writes the cell.
  void add(size_t worker, uint64_t n = 1) {
    auto& cell = cells_[worker].value;
    cell.store(cell.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
  }
  uint64_t value() const;

 private:
  struct alignas(64) Cell {
    std::atomic<uint64_t> value{0};
  };
  std::vector<Cell> cells_;
};

/// Durations in buckets, four to each doubling from 1 us to 64 s (error below 19 %). One set of
/// cells per worker.
class Histogram {
 public:
  static constexpr size_t kBuckets = 4 * 26 + 2;
  explicit Histogram(size_t workers);
  ~Histogram();
  void record(size_t worker, Duration value);

  struct Snapshot {
    std::array<uint64_t, kBuckets> counts{};
    uint64_t count = 0;
    Duration sum{};
    /// The upper bound of the bucket in which the q-quantile lies; 0 <= q <= 1.
    Duration quantile(double q) const;
  };
  Snapshot snapshot() const;
  /// Duration::max() for the last bucket, which has none.
  static Duration upper_bound(size_t bucket);

 private:
  struct Cells;
  std::vector<std::unique_ptr<Cells>> cells_;
};

/// Gauges or counters of one name, made for one scrape.
struct MetricFamily {
  struct Sample {
    MetricLabels labels;
    double value = 0;
  };
  std::string name;
  std::string help;
  std::vector<Sample> samples = {};
  /// They only grow; the name ends in "_total".
  bool counts = false;
};

/// All series of a process, by name. Series are made at start-up or with their owner; handles stay
/// valid while the registry lives. Thread-safe except that a cell belongs to its worker.
class MetricsRegistry {
 public:
  /// `cells`: how many loops will count (workers and the control loop).
  explicit MetricsRegistry(size_t cells);
  ~MetricsRegistry();

  /// Names in Prometheus form without the prefix: "produce_bytes_total"; histograms are shown in
  /// seconds and end in "_seconds". Same name and labels give the same series; a name has one type.
  Counter& counter(std::string_view name, std::string_view help, MetricLabels labels = {});
  Histogram& histogram(std::string_view name, std::string_view help, MetricLabels labels = {});
  /// Asked at every scrape, with the registry locked: `read` must be thread-safe, must not call the
  /// registry, and lives until drop_gauge or the last scrape. A second one with the same name and
  /// labels replaces the first.
  void gauge(std::string_view name, std::string_view help, MetricLabels labels,
             std::function<double()> read);
  /// Once this returned, the gauge's `read` is not called any more. Unknown gauges are ignored.
  void drop_gauge(std::string_view name, const MetricLabels& labels);

  /// Asked at every scrape for families whose series come and go; they have names of their own. As
  /// with gauge(), `read` must be thread-safe, must not call the registry, and lives until the last
  /// scrape.
  void collect(std::function<std::vector<MetricFamily>()> read);

  /// The text exposition format of Prometheus 0.0.4, every name prefixed with "sluice_".
  std::string prometheus() const;

 private:
  enum class Type : uint8_t { counter, gauge, histogram };
  struct Family;
  struct Series;
  Series& series(Type type, std::string_view name, std::string_view help,
                 const MetricLabels& labels);

  const size_t cells_;
  mutable std::mutex mutex_;
  std::map<std::string, std::unique_ptr<Family>, std::less<>> families_;
  std::vector<std::function<std::vector<MetricFamily>()>> collectors_;
};

}  // namespace sluice
