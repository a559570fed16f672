#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/check.h"
#include "base/random.h"
#include "proto/record/builder.h"

namespace sluice::testing {

/// A record that owns its bytes, to compare with what a reader returns.
struct SampleRecord {
  std::optional<std::string> key;
  std::optional<std::string> value;
  std::vector<std::pair<std::string, std::optional<std::string>>> headers;
  Timestamp timestamp;

  friend bool operator==(const SampleRecord&, const SampleRecord&) = default;
};

inline std::string random_text(Random& random, size_t max_size) {
  std::string text(random.below(max_size + 1), 'a');
  // Few distinct letters, so that compression has something to find.
  for (char& letter : text) letter = static_cast<char>('a' + random.below(6));
  return text;
}

/// Null once in four draws.
inline std::optional<std::string> random_field(Random& random, size_t max_size) {
  if (random.one_in(4)) return std::nullopt;
  return random_text(random, max_size);
}

inline std::vector<SampleRecord> random_records(Random& random, size_t count) {
  std::vector<SampleRecord> records(count);
  int64_t timestamp = 1'700'000'000'000;
  for (SampleRecord& record : records) {
    timestamp += static_cast<int64_t>(random.below(2'000)) - 1'000;
    record.timestamp = Timestamp(timestamp);
    record.key = random_field(random, 40);
    record.value = random_field(random, random.one_in(8) ? 9'000 : 120);
    for (uint64_t i = random.one_in(3) ? random.below(4) : 0; i > 0; --i) {
      record.headers.emplace_back(random_text(random, 10), random_field(random, 90));
    }
  }
  return records;
}

inline std::optional<ByteView> view_of(const std::optional<std::string>& field) {
  if (!field) return std::nullopt;
  return as_bytes(*field);
}

inline bool append_sample(record::BatchBuilder& builder, const SampleRecord& record) {
  std::vector<record::HeaderView> headers;
  for (const auto& [key, value] : record.headers) headers.push_back({key, view_of(value)});
  return builder.append(view_of(record.key), view_of(record.value), headers, record.timestamp);
}

/// A batch of these records; the header as `spec` says.
inline std::vector<std::byte> sample_batch(const std::vector<SampleRecord>& records,
                                           const record::BatchSpec& spec = {}) {
  std::vector<std::byte> bytes;
  record::BatchBuilder builder(record::Growing{bytes});
  for (const SampleRecord& record : records) {
    CHECK(append_sample(builder, record), "a growing builder takes every sample");
  }
  record::Compressor compressor;
  std::vector<std::byte> scratch;
  CHECK(builder.finish(spec, compressor, scratch).has_value(), "a sample batch compresses");
  return bytes;
}

inline SampleRecord sample_of(const record::RecordView& view) {
  const auto owned = [](const std::optional<ByteView>& field) {
    return field ? std::optional<std::string>(as_text(*field)) : std::nullopt;
  };
  SampleRecord record{
      .key = owned(view.key), .value = owned(view.value), .timestamp = view.timestamp};
  for (const record::HeaderView& header : view.headers) {
    record.headers.emplace_back(std::string(header.key), owned(header.value));
  }
  return record;
}

}  // namespace sluice::testing
