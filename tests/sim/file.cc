#include "tests/sim/file.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/check.h"

namespace sluice::sim {
namespace {

constexpr uint64_t kPage = FileContent::kPage;

uint64_t total_size(std::span<const ByteView> parts) {
  uint64_t total = 0;
  for (const ByteView part : parts) total += part.size();
  return total;
}

}  // namespace

Result<> SimFile::check_writable(const DiskCall& call) const {
  if (writable_) return {};
  return fail(error_from_errno(EBADF, call.to_string()));
}

io::Task<Result<size_t>> SimFile::read_at(uint64_t position, MutableBytes out, io::Lane) {
  auto call = disk_.begin(DiskOp::read, path_, position, out.size());
  return disk_.perform_late<size_t>(std::move(call), [this, position, out]() -> Result<size_t> {
    warm(position, out.size());
    return disk_.image_.content(inode_).read(position, out);
  });
}

Result<size_t> SimFile::read_now(uint64_t position, MutableBytes out) {
  const auto call = disk_.begin(DiskOp::read, path_, position, out.size());
  auto read = [&]() -> Result<size_t> { return disk_.image_.content(inode_).read(position, out); };
  auto nothing = [] {};
  return disk_.act<size_t>(call, read, nothing);
}

io::Task<Result<>> SimFile::write_at(uint64_t position, std::span<const ByteView> parts, io::Lane) {
  const auto call = disk_.begin(DiskOp::write, path_, position, total_size(parts));
  return disk_.perform<void>(
      call,
      [&]() -> Result<> {
        RETURN_IF_ERROR(check_writable(call));
        warm(position, call.length);
        return disk_.write_now(inode_, call, parts);
      },
      [&] {
        if (writable_) disk_.spoil_write(inode_, call, parts);
      });
}

io::Task<Result<>> SimFile::sync(io::Lane) {
  const uint64_t through = disk_.image_.last_change();
  return disk_.perform_late<void>(
      disk_.begin(DiskOp::sync, path_),
      [this, through]() -> Result<> {
        disk_.image_.sync_file(inode_, through);
        return {};
      },
      [this, through] { disk_.image_.forget_unsynced(inode_, through); });
}

io::Task<Result<>> SimFile::start_write_back(uint64_t position, uint64_t length) {
  auto call = disk_.begin(DiskOp::write_back, path_, position, length);
  return disk_.perform<void>(std::move(call), [] { return Result<>(); });
}

io::Task<Result<>> SimFile::allocate(uint64_t position, uint64_t length) {
  const auto call = disk_.begin(DiskOp::allocate, path_, position, length);
  return disk_.perform<void>(call, [&]() -> Result<> {
    RETURN_IF_ERROR(check_writable(call));
    RETURN_IF_ERROR(disk_.take_space(inode_, call, position + length));
    disk_.image_.allocate(inode_, position + length);
    return {};
  });
}

io::Task<Result<>> SimFile::truncate(uint64_t size) {
  const auto call = disk_.begin(DiskOp::truncate, path_, size);
  return disk_.perform<void>(call, [&]() -> Result<> {
    RETURN_IF_ERROR(check_writable(call));
    disk_.truncate_through(inode_, size);
    return {};
  });
}

Result<uint64_t> SimFile::size() const { return disk_.image_.content(inode_).size(); }

Result<std::unique_ptr<io::MappedFile>> SimFile::map(size_t length) {
  const auto call = disk_.begin(DiskOp::map, path_, 0, length);
  if (disk_.dead_) return fail(SimDisk::offline(call));
  if (auto error = disk_.refusal(call)) return fail(std::move(*error));
  if (length == 0) return fail(error_from_errno(EINVAL, call.to_string()));
  return std::make_unique<SimMapping>(disk_, inode_, path_, length);
}

Result<uint64_t> SimFile::resident(uint64_t position, uint64_t length) const {
  const uint64_t size = disk_.image_.content(inode_).size();
  if (position >= size || length == 0) return 0;
  const uint64_t end = std::min(size, position + length);
  const auto cold = disk_.cold_pages_.find(inode_);
  if (cold == disk_.cold_pages_.end()) return end - position;
  const auto first = cold->second.lower_bound(position / kPage);
  if (first == cold->second.end()) return end - position;
  return std::clamp(*first * kPage, position, end) - position;
}

io::Task<Result<>> SimFile::read_ahead(uint64_t position, uint64_t length) {
  auto call = disk_.begin(DiskOp::read_ahead, path_, position, length);
  return disk_.perform_late<void>(std::move(call), [this, position, length]() -> Result<> {
    warm(position, length);
    return {};
  });
}

io::Task<Result<size_t>> SimFile::read_through(uint64_t position, MutableBytes out) {
  auto call = disk_.begin(DiskOp::read_ahead, path_, position, out.size());
  return disk_.perform_late<size_t>(std::move(call), [this, position, out]() -> Result<size_t> {
    return disk_.image_.content(inode_).read(position, out);
  });
}

void SimFile::drop_cache(uint64_t position, uint64_t length) {
  // What is mapped stays.
  if (!disk_.mappings_.contains(inode_)) disk_.image_.drop_clean(inode_);
  const uint64_t end = std::min(disk_.image_.content(inode_).size(), position + length);
  auto& cold = disk_.cold_pages_[inode_];
  for (uint64_t page = (position + kPage - 1) / kPage; page * kPage < end; ++page) {
    cold.insert(page);
  }
}

void SimFile::warm(uint64_t position, uint64_t length) {
  const auto cold = disk_.cold_pages_.find(inode_);
  if (cold == disk_.cold_pages_.end() || length == 0) return;
  cold->second.erase(cold->second.lower_bound(position / kPage),
                     cold->second.upper_bound((position + length - 1) / kPage));
}

SimMapping::SimMapping(SimDisk& disk, InodeId inode, std::string path, size_t length)
    : disk_(disk),
      inode_(inode),
      path_(std::move(path)),
      length_(length),
      copy_(static_cast<std::byte*>(std::calloc(length, 1))) {
  CHECK(copy_ != nullptr, "there is memory for a simulated mapping of " + path_);
  disk_.open_.insert(inode_);
  disk_.mappings_[inode_].push_back(this);
  disk_.image_.content(inode_).read(0, {copy_.get(), length_});
}

SimMapping::~SimMapping() {
  auto& maps = disk_.mappings_.at(inode_);
  std::erase(maps, this);
  if (maps.empty()) disk_.mappings_.erase(inode_);
  disk_.close(inode_);
}

ByteView SimMapping::bytes(uint64_t position, size_t length) const {
  CHECK(position + length <= length_, "what is read of a map lies within it: " + path_);
  CHECK(position + length <= disk_.image_.content(inode_).size(),
        "what is read of a map lies within the file: " + path_);
  return {copy_.get() + position, length};
}

void SimMapping::update(uint64_t position, ByteView bytes) {
  if (position >= length_) return;
  const size_t length = std::min<uint64_t>(bytes.size(), length_ - position);
  std::memcpy(copy_.get() + position, bytes.data(), length);
}

void SimMapping::clear_from(uint64_t size) {
  if (size < length_) std::memset(copy_.get() + size, 0, length_ - size);
}

}  // namespace sluice::sim
