#include "proto/record/records.h"

#include <string>

#include "proto/record/record_parser.h"

namespace sluice::record {
namespace {

std::optional<ByteView> field_of(const std::byte* at, int32_t size) {
  if (size < 0) return std::nullopt;
  return ByteView(at, static_cast<size_t>(size));
}

}  // namespace

bool headers_are_sound(const std::byte* at, const std::byte* end, int32_t count) {
  // Each header takes two bytes at least, which bounds the loop by the bytes that are there.
  if (count < 0 || count > (end - at) / 2) return false;
  for (int32_t i = 0; i < count; ++i) {
    int32_t size = 0;
    const std::byte* field = nullptr;
    at = internal::skip_field(at, end, size, field);
    if (at == nullptr || size < 0) return false;
    at = internal::skip_field(at, end, size, field);
    if (at == nullptr) return false;
  }
  return at == end;
}

void HeadersView::Iterator::read() {
  // headers_are_sound() has seen these bytes, so nothing here can fail.
  int32_t size = 0;
  const std::byte* field = nullptr;
  at_ = internal::skip_field(at_, end_, size, field);
  current_.key = as_text({field, static_cast<size_t>(size)});
  at_ = internal::skip_field(at_, end_, size, field);
  current_.value = field_of(field, size);
}

RecordReader::RecordReader(const BatchHeader& header, ByteView records)
    : at_(records.data()),
      end_(records.data() + records.size()),
      base_offset_(header.base_offset),
      base_timestamp_(header.base_timestamp),
      append_time_(header.max_timestamp),
      log_append_time_(header.timestamp_type() == TimestampType::log_append_time),
      last_offset_delta_(header.last_offset_delta),
      record_count_(header.record_count) {}

std::unexpected<Error> RecordReader::stop(std::string_view why) {
  std::string detail = "record " + std::to_string(read_) + " of " + std::to_string(record_count_) +
                       " in the batch at offset " + std::to_string(base_offset_.value()) + ": ";
  detail += why;
  at_ = end_;
  read_ = record_count_;
  return fail(Errc::invalid_record, std::move(detail));
}

Result<bool> RecordReader::next(RecordView& record) {
  if (read_ >= record_count_) {
    if (at_ != end_) return stop("bytes follow the last record");
    return false;
  }
  ParsedRecord parsed;
  const std::byte* behind = parse_record(at_, end_, parsed);
  if (behind == nullptr) [[unlikely]]
    return stop("the record does not decode");
  if (parsed.offset_delta <= previous_delta_ || parsed.offset_delta > last_offset_delta_)
      [[unlikely]] {
    return stop("offset delta " + std::to_string(parsed.offset_delta) + " is out of order");
  }
  int64_t timestamp = append_time_.value();
  if (!log_append_time_ && __builtin_add_overflow(base_timestamp_.value(), parsed.timestamp_delta,
                                                  &timestamp)) [[unlikely]] {
    return stop("the timestamp overflows");
  }
  record.offset = base_offset_ + parsed.offset_delta;
  record.timestamp = Timestamp(timestamp);
  record.key = field_of(parsed.key, parsed.key_size);
  record.value = field_of(parsed.value, parsed.value_size);
  record.headers = HeadersView(parsed.headers, behind, parsed.header_count);
  previous_delta_ = parsed.offset_delta;
  at_ = behind;
  ++read_;
  return true;
}

}  // namespace sluice::record
