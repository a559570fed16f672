#include <string>
#include <vector>

#include <benchmark/benchmark.h>

#include "proto/record/builder.h"
#include "proto/record/compression.h"
#include "proto/record/records.h"
#include "proto/record/validate.h"

namespace sluice::record {
namespace {

constexpr Timestamp kNow{1'763'708'400'000};

/// Fills the builder with records of `size` value bytes; how many went in.
int64_t fill(BatchBuilder& builder, size_t size) {
  const std::string value(size, 'v');
  int64_t records = 0;
  while (builder.append(std::nullopt, as_bytes(value), {}, kNow)) ++records;
  return records;
}

std::vector<std::byte> batch_of(size_t record_size, size_t batch_size, Codec codec) {
  std::vector<std::byte> buffer(batch_size);
  BatchBuilder builder{MutableBytes(buffer)};
  fill(builder, record_size);
  Compressor compressor;
  std::vector<std::byte> scratch;
  const auto batch = builder.finish({.codec = codec}, compressor, scratch);
  return {batch->begin(), batch->end()};
}

void encode_batch(benchmark::State& state) {
  std::vector<std::byte> buffer(16_KiB);
  BatchBuilder builder{MutableBytes(buffer)};
  int64_t records = 0;
  for (auto _ : state) {
    builder.reset();
    records += fill(builder, static_cast<size_t>(state.range(0)));
    benchmark::DoNotOptimize(builder.finish({}));
  }
  state.SetItemsProcessed(records);
}
BENCHMARK(encode_batch)->Arg(100)->Arg(1000);

void decode_batch(benchmark::State& state) {
  const auto bytes = batch_of(static_cast<size_t>(state.range(0)), 16_KiB, Codec::none);
  int64_t records = 0;
  for (auto _ : state) {
    const auto batch = BatchView::parse(bytes);
    RecordReader reader(batch->header(), batch->payload());
    RecordView record;
    while (*reader.next(record)) ++records;
  }
  state.SetItemsProcessed(records);
}
BENCHMARK(decode_batch)->Arg(100)->Arg(1000);

void validate_batch(benchmark::State& state) {
  const auto bytes = batch_of(100, 16_KiB, static_cast<Codec>(static_cast<int8_t>(state.range(0))));
  for (auto _ : state) benchmark::DoNotOptimize(validate(bytes, {}));
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(bytes.size()));
}
BENCHMARK(validate_batch)->Arg(static_cast<int>(Codec::none))->Arg(static_cast<int>(Codec::lz4));

void inflate_batch(benchmark::State& state) {
  const auto codec = static_cast<Codec>(static_cast<int8_t>(state.range(0)));
  const auto bytes = batch_of(100, 16_KiB, codec);
  const auto batch = BatchView::parse(bytes);
  Decompressor decompressor;
  std::vector<std::byte> out;
  for (auto _ : state) {
    benchmark::DoNotOptimize(decompressor.decompress(codec, batch->payload(), 1_MiB, out));
  }
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(out.size()));
}
BENCHMARK(inflate_batch)->DenseRange(1, 4);

}  // namespace
}  // namespace sluice::record
