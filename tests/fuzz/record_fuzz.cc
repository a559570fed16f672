#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/check.h"
#include "proto/record/batch.h"
#include "proto/record/builder.h"
#include "proto/record/compression.h"
#include "proto/record/records.h"
#include "proto/record/validate.h"

namespace sluice::record {
namespace {

constexpr size_t kMaxInflated = 256_KiB;

struct Scratch {
  Decompressor decompressor;
  std::vector<std::byte> inflated;
};

/// Touches every byte that a reader hands out, for the address sanitizer; the number of records, or
/// less than none when they do not decode.
int64_t read_every_byte(const BatchHeader& header, ByteView records) {
  RecordReader reader(header, records);
  RecordView record;
  int64_t count = 0;
  volatile uint8_t sink = 0;
  const auto touch = [&sink](ByteView bytes) {
    for (std::byte byte : bytes) sink = static_cast<uint8_t>(byte);
  };
  while (true) {
    const auto more = reader.next(record);
    if (!more) return -1;
    if (!*more) return count;
    ++count;
    if (record.key) touch(*record.key);
    if (record.value) touch(*record.value);
    for (const HeaderView& field : record.headers) {
      touch(as_bytes(field.key));
      if (field.value) touch(*field.value);
    }
  }
}

/// As a consumer reads what a fetch returned.
void walk_as_consumer(ByteView bytes, Scratch& scratch) {
  BatchCursor cursor(bytes);
  while (true) {
    const auto batch = cursor.next();
    if (!batch || !*batch) return;
    const auto records = records_of(**batch, scratch.decompressor, kMaxInflated, scratch.inflated);
    CHECK(scratch.inflated.capacity() <= kMaxInflated, "inflating stays below its limit");
    if (records) read_every_byte((*batch)->header(), *records);
  }
}

/// Encodes the records again; they must be read back as they were.
void rebuild(const BatchHeader& header, ByteView records) {
  std::vector<std::byte> bytes;
  BatchBuilder builder(Growing{bytes});
  builder.start_at(header.base_timestamp);
  RecordReader reader(header, records);
  RecordView record;
  std::vector<HeaderView> fields;
  while (reader.next(record).value()) {
    fields.assign(record.headers.begin(), record.headers.end());
    CHECK(builder.append(record.key, record.value, fields, record.timestamp),
          "a growing builder takes what a batch held");
  }
  builder.finish({});
  const auto facts = validate(bytes, {});
  CHECK(facts.has_value(), "what we build is valid");
  CHECK(facts->header.record_count == header.record_count, "no record is lost");
  CHECK(read_every_byte(facts->header, ByteView(bytes).subspan(kHeaderSize)) == header.record_count,
        "what we build reads back");
}

/// As a broker checks a produce request, with length and CRC made right: a fuzzer would never get
/// past them.
void validate_as_broker(ByteView bytes, Scratch& scratch) {
  if (bytes.size() < kHeaderSize) return;
  std::vector<std::byte> batch(bytes.begin(), bytes.end());
  store_be(batch.data() + kBaseOffsetAt, int64_t{0});
  store_be(batch.data() + kBatchLengthAt, static_cast<int32_t>(batch.size() - kLogOverhead));
  store_be(batch.data() + kCrcAt, compute_crc(batch));
  const Inflate inflate{scratch.decompressor, scratch.inflated, kMaxInflated};
  const auto facts = validate(batch, {}, &inflate);
  if (!facts) return;
  const auto view = BatchView::parse(batch);
  CHECK(view.has_value(), "a valid batch parses");
  const auto records = records_of(*view, scratch.decompressor, kMaxInflated, scratch.inflated);
  CHECK(records.has_value(), "a valid batch inflates again");
  CHECK(read_every_byte(facts->header, *records) == facts->header.record_count,
        "a reader reads what validation let pass");
  rebuild(facts->header, *records);
}

}  // namespace
}  // namespace sluice::record

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static sluice::record::Scratch scratch;
  const sluice::ByteView bytes(reinterpret_cast<const std::byte*>(data), size);
  sluice::record::walk_as_consumer(bytes, scratch);
  sluice::record::validate_as_broker(bytes, scratch);
  return 0;
}
