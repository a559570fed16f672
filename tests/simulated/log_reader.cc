#include "tests/simulated/log_reader.h"

#include <array>
#include <optional>

#include "storage/segment_name.h"

namespace sluice::sim {

void LogReader::rewind() {
  file_.clear();
  position_ = 0;
  next_ = Offset(0);
}

bool LogReader::open_first(const DiskImage& disk) {
  const auto entries = disk.list(folder_);
  if (!entries) return false;
  std::optional<Offset> first;
  for (const auto& entry : *entries) {
    const auto name = storage::parse_segment_name(entry.name);
    if (!name || name->suffix != storage::kLogSuffix) continue;
    if (!first || name->offset < *first) first = name->offset;
  }
  if (!first) return false;
  file_ = storage::segment_path(folder_, *first, storage::kLogSuffix);
  next_ = *first;
  position_ = 0;
  return true;
}

void LogReader::visit(const DiskImage& disk, Offset end,
                      const std::function<void(const record::BatchHeader&)>& each) {
  while (next_ < end) {
    if (file_.empty() && !open_first(disk)) return;
    const auto inode = disk.find(file_);
    if (!inode) return rewind();
    std::array<std::byte, record::kHeaderSize> bytes;
    const FileContent& content = disk.content(*inode);
    if (content.read(position_, bytes) < bytes.size()) {
      const std::string after = storage::segment_path(folder_, next_, storage::kLogSuffix);
      if (after == file_ || !disk.find(after)) return;
      file_ = after;
      position_ = 0;
      continue;
    }
    const auto batch = record::load_header(bytes.data());
    if (batch.magic != record::kMagic || batch.batch_length <= 0 || batch.next_offset() > end) {
      return;
    }
    each(batch);
    position_ += batch.size_in_bytes();
    next_ = batch.next_offset();
  }
}

}  // namespace sluice::sim
