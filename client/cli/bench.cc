#include "client/cli/bench.h"

#include <chrono>
#include <cstdio>

#include "base/random.h"
#include "base/size_text.h"
#include "client/cli/words.h"
#include "io/process.h"

namespace sluice::cli {
namespace {

constexpr uint64_t kSeed = 7;
constexpr std::string_view kWords[] = {"the ",   "order ", "of ",     "a ",    "stream ", "is ",
                                       "kept ",  "by ",    "offset ", "and ",  "every ",  "record ",
                                       "finds ", "its ",   "place ",  "again "};

double milliseconds(Duration duration) {
  return std::chrono::duration<double, std::milli>(duration).count();
}

double seconds(Duration duration) { return std::chrono::duration<double>(duration).count(); }

std::string two_digits(double number) {
  char text[32];
  std::snprintf(text, sizeof(text), "%.2f", number);
  return text;
}

}  // namespace

Result<> print_measurement(const Shell& shell, const Measurement& measurement) {
  const double time = measurement.seconds;
  const double record_rate = time > 0 ? static_cast<double>(measurement.records) / time : 0;
  const double byte_rate = time > 0 ? static_cast<double>(measurement.bytes) / time : 0;
  const Latencies& latencies = measurement.latencies;
  Json quantiles = {{"p50", milliseconds(latencies.quantile(0.5))},
                    {"p90", milliseconds(latencies.quantile(0.9))},
                    {"p99", milliseconds(latencies.quantile(0.99))},
                    {"p999", milliseconds(latencies.quantile(0.999))},
                    {"max", milliseconds(latencies.max())}};
  Report report{.document = {{"topic", measurement.topic},
                             {"records", measurement.records},
                             {"bytes", measurement.bytes},
                             {"seconds", time},
                             {"records_per_second", record_rate},
                             {"bytes_per_second", byte_rate},
                             {"latency_ms", quantiles},
                             {"latency_samples", latencies.count()},
                             {"client_cpu_seconds", measurement.client_cpu_seconds}}};
  report.names.push_back(measurement.topic);
  report.lines.push_back(throughput_line(measurement.records, measurement.bytes, time) + "  " +
                         format_rough_size(static_cast<uint64_t>(byte_rate)) + "/s  client CPU " +
                         two_digits(measurement.client_cpu_seconds) + " s");
  Table table{.columns = {{"LATENCY"},
                          {"P50", true},
                          {"P90", true},
                          {"P99", true},
                          {"P99.9", true},
                          {"MAX", true}},
              .rows = {{measurement.latency_of}}};
  for (const double share : {0.5, 0.9, 0.99, 0.999}) {
    table.rows[0].push_back(format_rough_duration(latencies.quantile(share)));
  }
  table.rows[0].push_back(format_rough_duration(latencies.max()));
  if (latencies.count() > 0) report.tables.push_back(std::move(table));
  return shell.print(report);
}

std::string sample_value(size_t size) {
  SeededRandom random(kSeed);
  std::string value;
  while (value.size() < size) value += kWords[random.next() % std::size(kWords)];
  value.resize(size);
  return value;
}

Stopwatch::Stopwatch(const Clock& clock)
    : clock_(clock), started_(clock.now()), cpu_before_(io::process_cpu_time()) {}

void Stopwatch::stop(Measurement& measurement) const {
  measurement.seconds = seconds(clock_.now() - started_);
  measurement.client_cpu_seconds = seconds(io::process_cpu_time() - cpu_before_);
}

}  // namespace sluice::cli
