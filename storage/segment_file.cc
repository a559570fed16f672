#include "storage/segment_file.h"

#include <utility>

namespace sluice::storage {

using FilePointer = std::shared_ptr<io::File>;

SegmentFile::~SegmentFile() { cache_.forget(*this); }

io::Task<Result<FilePointer>> SegmentFile::open() {
  {
    auto state = state_.lock();
    if (state->file) {
      mark_used();
      return io::Task<Result<FilePointer>>::ready(state->file);
    }
  }
  return open_anew(io::OpenMode::write);
}

io::Task<Result<FilePointer>> SegmentFile::create() { return open_anew(io::OpenMode::create); }

io::Task<Result<FilePointer>> SegmentFile::open_anew(io::OpenMode mode) {
  auto opened = co_await disk_.open(path(), mode);
  if (!opened) co_return fail(std::move(opened).error());
  FilePointer file = std::move(*opened);
  {
    auto state = state_.lock();
    if (state->file) co_return state->file;  // another was faster
    state->file = file;
  }
  cache_.opened(*this);
  co_return file;
}

io::Task<Result<>> SegmentFile::pin() {
  state_.lock()->pinned = true;
  if (auto file = co_await open(); !file) {
    state_.lock()->pinned = false;
    co_return fail(std::move(file).error());
  }
  co_return {};
}

void SegmentFile::set_path(std::string path) { state_.lock()->path = std::move(path); }

std::string SegmentFile::path() const { return state_.lock()->path; }

std::shared_ptr<const void> SegmentFile::evict() {
  auto state = state_.lock();
  if (state->pinned || unsynced_.load(std::memory_order_acquire)) return nullptr;
  return std::exchange(state->file, nullptr);
}

}  // namespace sluice::storage
