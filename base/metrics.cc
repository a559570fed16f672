#include "base/metrics.h"

#include <algorithm>
#include <bit>
#include <charconv>
#include <cmath>

#include "base/check.h"

namespace sluice {
namespace {

constexpr size_t kFinite = Histogram::kBuckets - 1;  // all but the last have an upper bound

constexpr std::array<int64_t, kFinite> bounds_in_ns() {
  constexpr std::array<double, 4> kSteps = {1.0, 1.189207115002721, 1.4142135623730951,
                                            1.681792830507429};  // 2^(i/4)
  std::array<int64_t, kFinite> bounds{};
  for (size_t i = 0; i < kFinite; ++i) {
    bounds[i] = static_cast<int64_t>(1000.0 * kSteps[i % 4] * static_cast<double>(1ULL << (i / 4)));
  }
  return bounds;
}
constexpr std::array<int64_t, kFinite> kBounds = bounds_in_ns();

size_t bucket_of(int64_t ns) {
  if (ns <= kBounds[0]) return 0;
  if (ns > kBounds[kFinite - 1]) return kFinite;
  // The doubling it lies in by its bits, then at most four steps inside.
  const auto doubling = static_cast<size_t>(std::bit_width(static_cast<uint64_t>(ns) / 1000) - 1);
  size_t bucket = 4 * doubling;
  while (ns > kBounds[bucket]) ++bucket;
  return bucket;
}

bool is_name(std::string_view text) {
  const auto letter = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
  };
  return !text.empty() && letter(text.front()) &&
         std::ranges::all_of(text, [&](char c) { return letter(c) || (c >= '0' && c <= '9'); });
}

void append_escaped(std::string& out, std::string_view text, bool in_quotes) {
  for (char c : text) {
    if (c == '\\') {
      out += "\\\\";
    } else if (c == '\n') {
      out += "\\n";
    } else if (c == '"' && in_quotes) {
      out += "\\\"";
    } else {
      out += c;
    }
  }
}

/// `a="x",b="y"`: what stands between the braces, and what tells series of a family apart.
std::string render(const MetricLabels& labels) {
  std::string out;
  for (const auto& [key, value] : labels) {
    CHECK(is_name(key), "a label's name is a Prometheus name");
    if (!out.empty()) out += ',';
    out.append(key).append("=\"");
    append_escaped(out, value, true);
    out += '"';
  }
  return out;
}

std::string number(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value > 0 ? "+Inf" : "-Inf";
  std::array<char, 32> text;
  const auto end = std::to_chars(text.data(), text.data() + text.size(), value).ptr;
  return {text.data(), end};
}

double seconds(Duration duration) { return std::chrono::duration<double>(duration).count(); }

void append_line(std::string& out, std::string_view name, std::string_view labels,
                 std::string_view value) {
  out += name;
  if (!labels.empty()) out.append("{").append(labels).append("}");
  out.append(" ").append(value).append("\n");
}

void append_head(std::string& out, std::string_view name, std::string_view help,
                 std::string_view type) {
  out.append("# HELP ").append(name).append(" ");
  append_escaped(out, help, false);
  out.append("\n# TYPE ").append(name).append(" ").append(type).append("\n");
}

/// One bucket line per doubling, not per quarter: every line is a series that Prometheus stores for
/// each API and phase. The quarters serve the quantiles we compute ourselves.
void append_histogram(std::string& out, std::string_view name, std::string_view labels,
                      const Histogram::Snapshot& snapshot) {
  const std::string bucket = std::string(name) + "_bucket";
  const std::string front = std::string(labels) + (labels.empty() ? "" : ",") + "le=\"";
  uint64_t below = 0;
  for (size_t i = 0; i < kFinite; ++i) {
    below += snapshot.counts[i];
    if (i % 4 != 0) continue;
    append_line(out, bucket, front + number(seconds(Histogram::upper_bound(i))) + '"',
                std::to_string(below));
  }
  append_line(out, bucket, front + "+Inf\"", std::to_string(snapshot.count));
  append_line(out, std::string(name) + "_sum", labels, number(seconds(snapshot.sum)));
  append_line(out, std::string(name) + "_count", labels, std::to_string(snapshot.count));
}

}  // namespace

uint64_t Counter::value() const {
  uint64_t sum = 0;
  for (const Cell& cell : cells_) sum += cell.value.load(std::memory_order_relaxed);
  return sum;
}

struct alignas(64) Histogram::Cells {
  std::array<std::atomic<uint64_t>, kBuckets> counts{};
  std::atomic<int64_t> sum_ns{0};
};

Histogram::Histogram(size_t workers) {
  cells_.reserve(workers);
  for (size_t i = 0; i < workers; ++i) cells_.push_back(std::make_unique<Cells>());
}

Histogram::~Histogram() = default;

void Histogram::record(size_t worker, Duration value) {
  Cells& cells = *cells_[worker];
  const int64_t ns = std::max<int64_t>(0, value.count());
  auto& count = cells.counts[bucket_of(ns)];
  count.store(count.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  cells.sum_ns.store(cells.sum_ns.load(std::memory_order_relaxed) + ns, std::memory_order_relaxed);
}

Histogram::Snapshot Histogram::snapshot() const {
  Snapshot snapshot;
  for (const auto& cells : cells_) {
    for (size_t i = 0; i < kBuckets; ++i) {
      snapshot.counts[i] += cells->counts[i].load(std::memory_order_relaxed);
    }
    snapshot.sum += Duration(cells->sum_ns.load(std::memory_order_relaxed));
  }
  // From the buckets, not a counter of its own, so that a scrape in mid-count adds up.
  for (uint64_t n : snapshot.counts) snapshot.count += n;
  return snapshot;
}

Duration Histogram::Snapshot::quantile(double q) const {
  CHECK(q >= 0 && q <= 1, "a quantile lies between 0 and 1");
  if (count == 0) return Duration{};
  const auto rank =
      std::max<uint64_t>(1, static_cast<uint64_t>(std::ceil(q * static_cast<double>(count))));
  uint64_t below = 0;
  for (size_t i = 0; i < kBuckets; ++i) {
    below += counts[i];
    if (below >= rank) return upper_bound(i);
  }
  return upper_bound(kBuckets - 1);
}

Duration Histogram::upper_bound(size_t bucket) {
  CHECK(bucket < kBuckets, "the histogram has that bucket");
  return bucket < kFinite ? Duration(kBounds[bucket]) : Duration::max();
}

struct MetricsRegistry::Series {
  std::unique_ptr<Counter> counter;
  std::unique_ptr<Histogram> histogram;
  std::function<double()> gauge;
};

struct MetricsRegistry::Family {
  Type type;
  std::string help;
  std::map<std::string, Series, std::less<>> series{};  // by rendered labels

  std::string_view type_name() const {
    switch (type) {
      case Type::counter:
        return "counter";
      case Type::gauge:
        return "gauge";
      case Type::histogram:
        return "histogram";
    }
    return "untyped";
  }

  void append_to(std::string& out, std::string_view name) const {
    append_head(out, name, help, type_name());
    for (const auto& [labels, one] : series) {
      switch (type) {
        case Type::counter:
          append_line(out, name, labels, std::to_string(one.counter->value()));
          break;
        case Type::gauge:
          append_line(out, name, labels, number(one.gauge()));
          break;
        case Type::histogram:
          append_histogram(out, name, labels, one.histogram->snapshot());
          break;
      }
    }
  }
};

MetricsRegistry::MetricsRegistry(size_t cells) : cells_(cells) {}
MetricsRegistry::~MetricsRegistry() = default;

MetricsRegistry::Series& MetricsRegistry::series(Type type, std::string_view name,
                                                 std::string_view help,
                                                 const MetricLabels& labels) {
  CHECK(is_name(name), "a metric's name is a Prometheus name");
  auto& family = families_.try_emplace(std::string(name)).first->second;
  if (!family) family.reset(new Family{type, std::string(help)});
  CHECK(family->type == type, "a metric's name has one type");
  return family->series[render(labels)];
}

Counter& MetricsRegistry::counter(std::string_view name, std::string_view help,
                                  MetricLabels labels) {
  const std::lock_guard lock(mutex_);
  auto& counter = series(Type::counter, name, help, labels).counter;
  if (!counter) counter = std::make_unique<Counter>(cells_);
  return *counter;
}

Histogram& MetricsRegistry::histogram(std::string_view name, std::string_view help,
                                      MetricLabels labels) {
  CHECK(name.ends_with("_seconds"), "a histogram's name says that it is shown in seconds");
  const std::lock_guard lock(mutex_);
  auto& histogram = series(Type::histogram, name, help, labels).histogram;
  if (!histogram) histogram = std::make_unique<Histogram>(cells_);
  return *histogram;
}

void MetricsRegistry::gauge(std::string_view name, std::string_view help, MetricLabels labels,
                            std::function<double()> read) {
  const std::lock_guard lock(mutex_);
  series(Type::gauge, name, help, labels).gauge = std::move(read);
}

void MetricsRegistry::drop_gauge(std::string_view name, const MetricLabels& labels) {
  const std::lock_guard lock(mutex_);
  const auto family = families_.find(name);
  if (family == families_.end()) return;
  CHECK(family->second->type == Type::gauge, "only gauges are dropped");
  family->second->series.erase(render(labels));
  if (family->second->series.empty()) families_.erase(family);
}

void MetricsRegistry::collect(std::function<std::vector<MetricFamily>()> read) {
  const std::lock_guard lock(mutex_);
  collectors_.push_back(std::move(read));
}

std::string MetricsRegistry::prometheus() const {
  const std::lock_guard lock(mutex_);
  std::string out;
  for (const auto& [name, family] : families_) family->append_to(out, "sluice_" + name);
  for (const auto& read : collectors_) {
    for (const MetricFamily& family : read()) {
      CHECK(is_name(family.name) && !families_.contains(family.name), "a name has one family");
      const std::string name = "sluice_" + family.name;
      append_head(out, name, family.help, family.counts ? "counter" : "gauge");
      for (const auto& [labels, value] : family.samples) {
        append_line(out, name, render(labels), number(value));
      }
    }
  }
  return out;
}

}  // namespace sluice
