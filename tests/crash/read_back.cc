#include "tests/crash/read_back.h"

#include <algorithm>

namespace sluice::storage {
namespace {

Result<Offset> add_batches(ByteView bytes, std::map<Offset, NumberedValue>& content) {
  Offset next{-1};
  record::BatchCursor cursor(bytes);
  for (;;) {
    ASSIGN_OR_RETURN(const auto batch, cursor.next());
    if (!batch) break;
    if (!batch->crc_matches()) return broken("a batch that was read fails its checksum");
    record::RecordReader reader(batch->header(), batch->payload());
    record::RecordView record;
    for (;;) {
      ASSIGN_OR_RETURN(const bool more, reader.next(record));
      if (!more) break;
      content[record.offset] = {.value = load_be<uint64_t>(record.value->data()),
                                .timestamp = record.timestamp};
    }
    next = batch->header().next_offset();
  }
  if (!cursor.rest().empty()) return broken("a slice ends inside of a batch");
  return next;
}

io::Task<Result<std::vector<std::byte>>> read_slice(Log& log, ReadRequest request) {
  CO_ASSIGN_OR_RETURN(auto found, co_await log.read(request));
  std::vector<std::byte> bytes(found.slice.length);
  if (bytes.empty()) co_return bytes;
  CO_ASSIGN_OR_RETURN(const size_t read, co_await found.slice.file->read_at(found.slice.position,
                                                                            bytes, io::Lane::cold));
  if (read != bytes.size()) co_return broken("a slice reaches behind its file");
  co_return bytes;
}

}  // namespace

io::Task<Result<std::map<Offset, NumberedValue>>> read_back(Log& log) {
  std::map<Offset, NumberedValue> content;
  const LogEnds ends = log.ends();
  for (Offset at = ends.start; at < ends.end;) {
    CO_ASSIGN_OR_RETURN(const auto bytes,
                        co_await read_slice(log, {.from = at, .bound = ends.end}));
    if (bytes.empty()) co_return broken("nothing to read at " + std::to_string(at.value()));
    CO_ASSIGN_OR_RETURN(const Offset next, add_batches(bytes, content));
    if (next <= at) co_return broken("a read does not go on at " + std::to_string(at.value()));
    at = next;
  }
  content.erase(content.begin(), content.lower_bound(ends.start));
  co_return content;
}

io::Task<Result<>> check_lookups(Log& log, const std::map<Offset, NumberedValue>& content) {
  const LogEnds ends = log.ends();
  for (const auto& [offset, expected] : content) {
    std::map<Offset, NumberedValue> there;
    CO_ASSIGN_OR_RETURN(
        const auto bytes,
        co_await read_slice(log, {.from = offset, .bound = ends.end, .max_bytes = 1}));
    CO_RETURN_IF_ERROR(add_batches(bytes, there));
    if (!there.contains(offset) || there[offset] != expected) {
      co_return broken("the lookup of offset " + std::to_string(offset.value()) + " misses it");
    }
    CO_ASSIGN_OR_RETURN(const auto found, co_await log.find_by_time(expected.timestamp));
    const auto first = std::ranges::find_if(
        content, [&](const auto& entry) { return entry.second.timestamp >= expected.timestamp; });
    if (found.offset != first->first) {
      co_return broken("the lookup of timestamp " + std::to_string(expected.timestamp.value()) +
                       " finds offset " + std::to_string(found.offset.value()) + ", not " +
                       std::to_string(first->first.value()));
    }
  }
  co_return {};
}

}  // namespace sluice::storage
