#include <memory>
#include <string>
#include <vector>

#include <benchmark/benchmark.h>

#include "bench/load/bench_log.h"
#include "io/block_on.h"

namespace sluice::bench {
namespace {

void append_16k(benchmark::State& state) {
  constexpr uint64_t kRound = 2000;
  BenchLog bench(".");
  for (auto _ : state) {
    bench.append(kRound);
  }
  state.SetItemsProcessed(state.iterations() * static_cast<int64_t>(kRound));
}
BENCHMARK(append_16k)->Unit(benchmark::kMillisecond)->UseRealTime()->Iterations(10);

void read_1m_slices(benchmark::State& state) {
  BenchLog bench(".");
  bench.append(8000);
  int64_t reads = 0;
  for (auto _ : state) reads += static_cast<int64_t>(bench.read_all(1_MiB));
  state.SetItemsProcessed(reads);
}
BENCHMARK(read_1m_slices)->Unit(benchmark::kMicrosecond)->UseRealTime();

void find_offset(benchmark::State& state) {
  BenchLog bench(".");
  bench.append(20000);
  for (auto _ : state) bench.look_up(1000);
  state.SetItemsProcessed(state.iterations() * 1000);
}
BENCHMARK(find_offset)->Unit(benchmark::kMicrosecond)->UseRealTime();

}  // namespace
}  // namespace sluice::bench
