#include "tests/sim/disk.h"

#include <algorithm>
#include <cerrno>

#include "base/check.h"
#include "tests/sim/file.h"

namespace sluice::sim {

class SimLock final : public io::FileLock {
 public:
  SimLock(SimDisk& disk, InodeId inode) : disk_(disk), inode_(inode) {}
  ~SimLock() override {
    disk_.locked_.erase(inode_);
    disk_.close(inode_);
  }

 private:
  SimDisk& disk_;
  const InodeId inode_;
};

std::string_view name_of(DiskOp op) {
  static constexpr std::array<std::string_view, kDiskOps> names = {"open",
                                                                   "read",
                                                                   "write",
                                                                   "sync",
                                                                   "write back",
                                                                   "allocate",
                                                                   "truncate",
                                                                   "map",
                                                                   "read ahead",
                                                                   "rename",
                                                                   "remove",
                                                                   "remove directory",
                                                                   "create directories",
                                                                   "sync directory",
                                                                   "list",
                                                                   "exists",
                                                                   "lock"};
  return names[static_cast<size_t>(op)];
}

bool DiskCall::mutates() const {
  switch (op) {
    case DiskOp::open:
    case DiskOp::write:
    case DiskOp::sync:
    case DiskOp::truncate:
    case DiskOp::rename:
    case DiskOp::remove:
    case DiskOp::remove_directory:
    case DiskOp::create_directories:
    case DiskOp::sync_directory:
    case DiskOp::lock:
      return true;
    case DiskOp::read:
    case DiskOp::write_back:
    case DiskOp::allocate:
    case DiskOp::map:
    case DiskOp::read_ahead:
    case DiskOp::list:
    case DiskOp::exists:
      return false;
  }
  return false;
}

bool DiskCall::takes_space() const {
  switch (op) {
    case DiskOp::open:
    case DiskOp::write:
    case DiskOp::sync:
    case DiskOp::allocate:
    case DiskOp::rename:
    case DiskOp::create_directories:
    case DiskOp::sync_directory:
    case DiskOp::lock:
      return true;
    case DiskOp::read:
    case DiskOp::write_back:
    case DiskOp::truncate:
    case DiskOp::map:
    case DiskOp::read_ahead:
    case DiskOp::remove:
    case DiskOp::remove_directory:
    case DiskOp::list:
    case DiskOp::exists:
      return false;
  }
  return false;
}

std::string DiskCall::to_string() const {
  std::string text = std::string(name_of(op)) + " " + path;
  if (position != 0 || length != 0) {
    text += " at " + std::to_string(position) + ", " + std::to_string(length) + " bytes";
  }
  return text + " (call " + std::to_string(number) + ")";
}

SimDisk::SimDisk(Scheduler& scheduler, std::string_view name, DiskImage image)
    : scheduler_(scheduler),
      random_(scheduler.fork_seed("disk " + std::string(name))),
      id_(mix(0, name)),
      image_(std::move(image)) {}

SimDisk::~SimDisk() { CHECK(open_.empty(), "a disk outlives what it opened"); }

DiskCall SimDisk::begin(DiskOp op, std::string_view path, uint64_t position, uint64_t length) {
  scheduler_.trace().note(name_of(op), id_, mix(0, path), position, length);
  return {op, std::string(path), position, length, ++calls_};
}

std::optional<Error> SimDisk::refusal(const DiskCall& call) const {
  const auto error = fault_ ? fault_(call) : std::nullopt;
  if (!error) return std::nullopt;
  return Error(*error, call.to_string() + ": made to fail by the simulation");
}

Error SimDisk::offline(const DiskCall& call) {
  return Error(Errc::disk_offline, call.to_string() + ": the node was killed");
}

Duration SimDisk::draw_latency(DiskOp op) {
  const auto& [least, most] = latencies_[static_cast<size_t>(op)];
  if (most == Duration::zero()) return most;
  return least + Duration(random_.below(static_cast<uint64_t>((most - least).count()) + 1));
}

void SimDisk::fail_call(uint64_t number, Errc error) {
  set_fault([=](const DiskCall& call) {
    return call.number == number ? std::optional(error) : std::nullopt;
  });
}

void SimDisk::fail_all(DiskOp op, Errc error) {
  set_fault(
      [=](const DiskCall& call) { return call.op == op ? std::optional(error) : std::nullopt; });
}

void SimDisk::set_latency(DiskOp op, Duration least, Duration most) {
  CHECK(Duration::zero() <= least && least <= most, "a latency's bounds are in order");
  latencies_[static_cast<size_t>(op)] = {least, most};
}

void SimDisk::set_latency(Duration least, Duration most) {
  for (size_t op = 0; op < kDiskOps; ++op) set_latency(static_cast<DiskOp>(op), least, most);
}

io::Task<Result<std::unique_ptr<io::File>>> SimDisk::open(std::string path, io::OpenMode mode) {
  auto call = begin(DiskOp::open, path, 0, 0);
  return perform<std::unique_ptr<io::File>>(std::move(call), [&] { return open_now(path, mode); });
}

Result<std::unique_ptr<io::File>> SimDisk::open_now(const std::string& path, io::OpenMode mode) {
  const bool may_create = mode == io::OpenMode::create || mode == io::OpenMode::create_new;
  auto inode = image_.find(path);
  if (!inode) {
    if (inode.error() != Errc::file_not_found || !may_create) {
      return fail(std::move(inode).error().with_context("open"));
    }
    inode = image_.create(path, false);
    if (!inode) return fail(std::move(inode).error().with_context("open"));
  } else if (mode == io::OpenMode::create_new) {
    return fail(error_from_errno(EEXIST, "open " + path));
  }
  if (image_.is_directory(*inode)) return fail(error_from_errno(EISDIR, "open " + path));
  open_.insert(*inode);
  return std::make_unique<SimFile>(*this, *inode, path, mode != io::OpenMode::read);
}

io::Task<Result<>> SimDisk::rename(std::string from, std::string to) {
  auto call = begin(DiskOp::rename, from + " to " + to);
  return perform<void>(std::move(call), [&] { return image_.rename(from, to); });
}

io::Task<Result<>> SimDisk::remove(std::string path) {
  return perform<void>(begin(DiskOp::remove, path), [&] { return image_.remove(path); });
}

io::Task<Result<>> SimDisk::remove_directory(std::string path, bool recursive) {
  return perform<void>(begin(DiskOp::remove_directory, path),
                       [&] { return image_.remove_directory(path, recursive); });
}

io::Task<Result<>> SimDisk::create_directories(std::string path) {
  return perform<void>(begin(DiskOp::create_directories, path),
                       [&] { return create_directories_now(path); });
}

Result<> SimDisk::create_directories_now(const std::string& path) {
  for (size_t end = 0; end != path.size();) {
    end = std::min(path.find('/', end + 1), path.size());
    const auto part = std::string_view(path).substr(0, end);
    const auto found = image_.find(part);
    if (found) {
      if (!image_.is_directory(*found)) {
        return fail(error_from_errno(ENOTDIR, "create directory " + std::string(part)));
      }
      continue;
    }
    RETURN_IF_ERROR(image_.create(part, true));
    const size_t slash = part.rfind('/');
    const auto parent =
        slash == std::string_view::npos ? std::string_view() : part.substr(0, slash);
    ASSIGN_OR_RETURN(const InodeId directory, image_.find(parent));
    image_.sync_directory(directory, image_.last_change());
  }
  return {};
}

io::Task<Result<>> SimDisk::sync_directory(std::string path) {
  auto call = begin(DiskOp::sync_directory, path);
  return perform_late<void>(std::move(call),
                            [this, path, through = image_.last_change()]() -> Result<> {
                              ASSIGN_OR_RETURN(const InodeId inode, image_.find(path));
                              if (!image_.is_directory(inode)) {
                                return fail(error_from_errno(ENOTDIR, "sync directory " + path));
                              }
                              image_.sync_directory(inode, through);
                              image_.collect({open_.begin(), open_.end()});
                              return {};
                            });
}

io::Task<Result<std::vector<io::DirectoryEntry>>> SimDisk::list(std::string path) {
  auto call = begin(DiskOp::list, path);
  return perform<std::vector<io::DirectoryEntry>>(std::move(call),
                                                  [&] { return image_.list(path); });
}

io::Task<Result<bool>> SimDisk::exists(std::string path) {
  return perform<bool>(begin(DiskOp::exists, path),
                       [&]() -> Result<bool> { return image_.find(path).has_value(); });
}

Result<io::DiskSpace> SimDisk::space(const std::string& path) {
  RETURN_IF_ERROR(image_.find(path));
  return io::DiskSpace{capacity_, capacity_ - std::min(capacity_, image_.space_used())};
}

io::Task<Result<std::unique_ptr<io::FileLock>>> SimDisk::lock(std::string path) {
  auto take = [&]() -> Result<std::unique_ptr<io::FileLock>> {
    auto inode = image_.find(path);
    if (!inode) inode = image_.create(path, false);
    if (!inode) return fail(std::move(inode).error());
    if (image_.is_directory(*inode)) return fail(error_from_errno(EISDIR, "lock " + path));
    if (!locked_.insert(*inode).second) {
      return fail(Errc::locked, "lock " + path + ": another process holds it");
    }
    open_.insert(*inode);
    return std::make_unique<SimLock>(*this, *inode);
  };
  return perform<std::unique_ptr<io::FileLock>>(begin(DiskOp::lock, path), take);
}

Result<> SimDisk::take_space(InodeId inode, const DiskCall& call, uint64_t end) const {
  constexpr uint64_t page = FileContent::kPage;
  const uint64_t has = image_.space_of(inode);
  const uint64_t wants = (end + page - 1) / page * page;
  if (wants <= has || wants - has <= capacity_ - std::min(capacity_, image_.space_used()))
    return {};
  return fail(error_from_errno(ENOSPC, call.to_string()));
}

Result<> SimDisk::write_now(InodeId inode, const DiskCall& call, std::span<const ByteView> parts) {
  auto room = take_space(inode, call, call.position + call.length);
  if (!room) {
    spoil_write(inode, call, parts);
    return room;
  }
  uint64_t at = call.position;
  for (const ByteView part : parts) {
    write_through(inode, at, part);
    at += part.size();
  }
  return {};
}

void SimDisk::spoil_write(InodeId inode, const DiskCall& call, std::span<const ByteView> parts) {
  uint64_t left = random_.below(call.length + 1);
  uint64_t at = call.position;
  for (ByteView part : parts) {
    part = part.first(std::min<uint64_t>(part.size(), left));
    if (!take_space(inode, call, at + part.size())) return;
    write_through(inode, at, part);
    at += part.size();
    left -= part.size();
  }
}

void SimDisk::write_through(InodeId inode, uint64_t position, ByteView bytes) {
  scheduler_.trace().note_bytes(bytes);
  image_.write(inode, position, bytes);
  if (const auto maps = mappings_.find(inode); maps != mappings_.end()) {
    for (SimMapping* map : maps->second) map->update(position, bytes);
  }
}

void SimDisk::truncate_through(InodeId inode, uint64_t size) {
  image_.truncate(inode, size);
  if (const auto maps = mappings_.find(inode); maps != mappings_.end()) {
    for (SimMapping* map : maps->second) map->clear_from(size);
  }
}

void SimDisk::close(InodeId inode) {
  open_.erase(open_.find(inode));
  if (open_.contains(inode)) return;
  cold_pages_.erase(inode);
  image_.collect({open_.begin(), open_.end()});
}

}  // namespace sluice::sim
