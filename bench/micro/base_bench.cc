#include <vector>

#include <benchmark/benchmark.h>

#include "base/buffer_pool.h"
#include "base/crc32c.h"
#include "base/memory_budget.h"
#include "base/metrics.h"
#include "io/task.h"

namespace sluice {
namespace {

void crc32c_of(benchmark::State& state) {
  const std::vector<std::byte> bytes(static_cast<size_t>(state.range(0)), std::byte{42});
  for (auto _ : state) benchmark::DoNotOptimize(crc32c(bytes));
  state.SetBytesProcessed(state.iterations() * state.range(0));
}
BENCHMARK(crc32c_of)->Arg(64)->Arg(16 << 10)->Arg(1 << 20);

void pool_take_and_return(benchmark::State& state) {
  MemoryBudget budget("bench", 64_MiB);
  SharedBuffers shared(budget.child("buffers", 64_MiB), {});
  BufferPool pool(shared);
  for (auto _ : state) {
    auto buffer = pool.take(static_cast<size_t>(state.range(0)));
    benchmark::DoNotOptimize(buffer);
  }
}
BENCHMARK(pool_take_and_return)->Arg(4 << 10)->Arg(64 << 10)->Arg(1 << 20);

void budget_reserve_and_release(benchmark::State& state) {
  MemoryBudget budget("bench", 64_MiB);
  MemoryBudget& child = budget.child("part", 32_MiB);
  for (auto _ : state) {
    auto reservation = child.reserve(4096);
    benchmark::DoNotOptimize(reservation);
  }
}
BENCHMARK(budget_reserve_and_release);

void counter_add(benchmark::State& state) {
  Counter counter(2);
  for (auto _ : state) counter.add(1);
  benchmark::DoNotOptimize(counter.value());
}
BENCHMARK(counter_add);

io::Task<int> nested(int depth) {
  if (depth == 0) co_return 1;
  co_return 1 + co_await nested(depth - 1);
}

void task_calls(benchmark::State& state) {
  const int depth = static_cast<int>(state.range(0));
  int sum = 0;
  for (auto _ : state) {
    io::start_detached(
        [](int levels, int& out) -> io::Task<void> { out += co_await nested(levels); }(depth, sum));
  }
  benchmark::DoNotOptimize(sum);
}
BENCHMARK(task_calls)->Arg(0)->Arg(5);

void task_ready(benchmark::State& state) {
  int sum = 0;
  for (auto _ : state) {
    io::start_detached(
        [](int& out) -> io::Task<void> { out += co_await io::Task<int>::ready(1); }(sum));
  }
  benchmark::DoNotOptimize(sum);
}
BENCHMARK(task_ready);

}  // namespace
}  // namespace sluice
