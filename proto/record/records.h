#pragma once

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <optional>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"
#include "base/strong.h"
#include "base/time.h"
#include "proto/record/batch.h"

namespace sluice::record {

/// One header of a record, over borrowed bytes. Keys are never null; they should be UTF-8, which
/// nobody checks.
struct HeaderView {
  std::string_view key;
  std::optional<ByteView> value;
};

/// The headers of a record, decoded while iterating. Only a RecordReader makes one, after it has
/// walked the bytes, so iterating cannot fail.
class HeadersView {
 public:
  class Iterator {
   public:
    using difference_type = std::ptrdiff_t;
    using value_type = HeaderView;

    Iterator() = default;
    HeaderView operator*() const { return current_; }
    const HeaderView* operator->() const { return &current_; }
    Iterator& operator++() {
      --left_;
      if (left_ > 0) read();
      return *this;
    }
    Iterator operator++(int) {
      Iterator before = *this;
      ++*this;
      return before;
    }
    friend bool operator==(const Iterator& a, const Iterator& b) { return a.left_ == b.left_; }

   private:
    friend class HeadersView;
    Iterator(const std::byte* at, const std::byte* end, int32_t left)
        : at_(at), end_(end), left_(left) {
      if (left_ > 0) read();
    }
    void read();

    const std::byte* at_ = nullptr;
    const std::byte* end_ = nullptr;
    int32_t left_ = 0;
    HeaderView current_;
  };

  HeadersView() = default;

  size_t size() const { return static_cast<size_t>(count_); }
  bool empty() const { return count_ == 0; }
  /// The encoded headers, from the first one on to the end of the record; checked() makes them
  /// iterable again.
  ByteView encoded() const { return {at_, end_}; }
  /// From encoded() and size() of a view that a RecordReader made.
  static HeadersView checked(ByteView encoded, size_t count) {
    return {encoded.data(), encoded.data() + encoded.size(), static_cast<int32_t>(count)};
  }
  Iterator begin() const { return {at_, end_, count_}; }
  Iterator end() const { return {}; }

 private:
  friend class RecordReader;
  HeadersView(const std::byte* at, const std::byte* end, int32_t count)
      : at_(at), end_(end), count_(count) {}

  const std::byte* at_ = nullptr;
  const std::byte* end_ = nullptr;
  int32_t count_ = 0;
};

/// A record over borrowed bytes. No key is not an empty key; no value is a tombstone.
struct RecordView {
  Offset offset;
  Timestamp timestamp;
  std::optional<ByteView> key;
  std::optional<ByteView> value;
  HeadersView headers;
};

/// Iterates over the records of a batch. Every length is checked against the bytes that are left,
/// every offset against the header: they grow, and stay at or below the batch's last.
class RecordReader {
 public:
  /// `records` is the batch's payload, inflated (see records_of() in compression.h); it must
  /// outlive the reader and what it returns.
  RecordReader(const BatchHeader& header, ByteView records);

  /// Decodes the next record into `record`; false at the end. Error: invalid_record, also when
  /// there are fewer or more records than the header says. After an error the reader is at its end.
  [[nodiscard]] Result<bool> next(RecordView& record);

 private:
  std::unexpected<Error> stop(std::string_view why);

  const std::byte* at_;
  const std::byte* end_;
  Offset base_offset_;
  Timestamp base_timestamp_;
  Timestamp append_time_;
  bool log_append_time_;
  int32_t last_offset_delta_;
  int32_t previous_delta_ = -1;
  int32_t record_count_;
  int32_t read_ = 0;
};

}  // namespace sluice::record
