#include <algorithm>
#include <memory>

#include "storage/log_reader.h"

// How a log is read in before it is needed.
namespace sluice::storage {
namespace {

/// The last `bytes` of the first `size` of a file.
io::Task<Result<>> read_in(std::shared_ptr<SegmentFile> of, uint64_t size, uint64_t bytes) {
  const uint64_t length = std::min(size, bytes);
  if (length == 0) co_return Result<>{};
  CO_ASSIGN_OR_RETURN(const auto file, co_await of->open());
  const uint64_t from = size - length;
  CO_ASSIGN_OR_RETURN(const uint64_t there, file->resident(from, length));
  if (there >= length) co_return Result<>{};
  co_return co_await file->read_ahead(from + there, length - there);
}

io::Task<Result<>> read_in_index(std::shared_ptr<SegmentFile> of) {
  const auto file = co_await of->open();
  // A short segment may have none.
  if (!file && file.error() == Errc::file_not_found) co_return Result<>{};
  if (!file) co_return fail(file.error());
  CO_ASSIGN_OR_RETURN(const uint64_t size, (*file)->size());
  co_return co_await read_in(std::move(of), size, size);
}

}  // namespace

io::Task<Result<>> LogReader::warm_up(uint64_t bytes) {
  Offset start{0};
  const std::vector<SegmentRange> all = ranges(start);
  for (auto range = all.rbegin(); range != all.rend() && bytes > 0; ++range) {
    CO_RETURN_IF_ERROR(co_await read_in(range->segment->file(), range->bytes, bytes));
    CO_RETURN_IF_ERROR(co_await read_in_index(range->segment->offsets().entries().file()));
    CO_RETURN_IF_ERROR(co_await read_in_index(range->segment->times().entries().file()));
    bytes -= std::min(bytes, range->bytes);
  }
  co_return Result<>{};
}

}  // namespace sluice::storage
