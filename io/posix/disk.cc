#include "io/posix/disk.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <system_error>
#include <utility>

#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include "io/posix/file.h"

namespace sluice::io {
namespace {

int flags_of(OpenMode mode) {
  switch (mode) {
    case OpenMode::read:
      return O_RDONLY;
    case OpenMode::write:
      return O_RDWR;
    case OpenMode::create:
      return O_RDWR | O_CREAT;
    case OpenMode::create_new:
      return O_RDWR | O_CREAT | O_EXCL;
  }
  std::unreachable();
}

int64_t open_file(const std::string& path, int flags) {
  const int descriptor = ::open(path.c_str(), flags | O_CLOEXEC, 0644);
  return descriptor < 0 ? -errno : descriptor;
}

/// `sync_failed` is set when it was the sync and not the opening.
int64_t sync_path(const std::string& directory, bool& sync_failed) {
  const int64_t opened = open_file(directory, O_RDONLY | O_DIRECTORY);
  if (opened < 0) return opened;
  const OwnedDescriptor descriptor(static_cast<int>(opened));
  sync_failed = fsync(descriptor.get()) < 0;
  return sync_failed ? -errno : 0;
}

int64_t make_directories(const std::filesystem::path& path, bool& sync_failed) {
  struct stat status{};
  if (stat(path.c_str(), &status) == 0) return S_ISDIR(status.st_mode) ? 0 : -ENOTDIR;
  if (errno != ENOENT) return -errno;
  const auto parent = path.has_parent_path() ? path.parent_path() : std::filesystem::path(".");
  if (const int64_t result = make_directories(parent, sync_failed); result < 0) return result;
  if (mkdir(path.c_str(), 0755) != 0 && errno != EEXIST) return -errno;
  return sync_path(parent.string(), sync_failed);
}

int64_t list_into(const std::string& path, std::vector<DirectoryEntry>& entries) {
  const std::unique_ptr<DIR, int (*)(DIR*)> directory(opendir(path.c_str()), &closedir);
  if (!directory) return -errno;
  for (errno = 0; const dirent* found = readdir(directory.get()); errno = 0) {
    const std::string name = found->d_name;
    if (name == "." || name == "..") continue;
    struct stat status{};
    if (fstatat(dirfd(directory.get()), found->d_name, &status, 0) != 0) {
      if (errno == ENOENT) continue;  // removed since, or a link to nowhere
      return -errno;
    }
    entries.push_back({name, S_ISDIR(status.st_mode), static_cast<uint64_t>(status.st_size)});
  }
  if (errno != 0) return -errno;
  std::ranges::sort(entries, {}, &DirectoryEntry::name);
  return 0;
}

class PosixLock final : public FileLock {
 public:
  explicit PosixLock(int descriptor) : descriptor_(descriptor) {}

 private:
  const OwnedDescriptor descriptor_;
};

/// Who holds the lock file, as its holder wrote it.
std::string holder_of(int descriptor) {
  std::array<char, 32> text{};
  const ssize_t size = pread(descriptor, text.data(), text.size(), 0);
  std::string pid(text.data(), size > 0 ? static_cast<size_t>(size) : 0);
  while (!pid.empty() && pid.back() == '\n') pid.pop_back();
  return pid.empty() ? "another process" : "process " + pid;
}

Result<std::unique_ptr<FileLock>> take_lock(const std::string& path) {
  const int64_t opened = open_file(path, O_RDWR | O_CREAT);
  if (opened < 0) return fail(file_error(opened, "open the lock file", path));
  const int descriptor = static_cast<int>(opened);
  auto lock = std::make_unique<PosixLock>(descriptor);
  // Of the open file, not of the process as fcntl locks are: a second one in this process is
  // refused too, and none is lost when some other descriptor of the file is closed.
  if (flock(descriptor, LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) return fail(file_error(errno, "lock", path));
    return fail(Errc::locked, path + " is locked by " + holder_of(descriptor) +
                                  "; stop it or use another directory");
  }
  const std::string pid = std::to_string(getpid()) + "\n";
  if (ftruncate(descriptor, 0) != 0 ||
      pwrite(descriptor, pid.data(), pid.size(), 0) != static_cast<ssize_t>(pid.size())) {
    return fail(file_error(errno, "write the lock file", path));
  }
  return lock;
}

}  // namespace

Task<Result<std::unique_ptr<File>>> PosixDisk::open(std::string path, OpenMode mode) {
  const int64_t descriptor = co_await async_.run([&] { return open_file(path, flags_of(mode)); });
  if (descriptor < 0) co_return fail(file_error(descriptor, "open", path));
  co_return std::make_unique<PosixFile>(static_cast<int>(descriptor), std::move(path), async_);
}

Task<Result<>> PosixDisk::rename(std::string from, std::string to) {
  const int64_t result = co_await async_.run(
      [&]() -> int64_t { return std::rename(from.c_str(), to.c_str()) != 0 ? -errno : 0; });
  if (result < 0) co_return fail(file_error(result, "rename " + from + " to", to));
  co_return Result<>{};
}

Task<Result<>> PosixDisk::remove(std::string path) {
  const int64_t result =
      co_await async_.run([&]() -> int64_t { return unlink(path.c_str()) != 0 ? -errno : 0; });
  if (result < 0) co_return fail(file_error(result, "remove", path));
  co_return Result<>{};
}

Task<Result<>> PosixDisk::remove_directory(std::string path, bool recursive) {
  const int64_t result = co_await async_.run([&]() -> int64_t {
    if (!recursive) return rmdir(path.c_str()) != 0 ? -errno : 0;
    std::error_code error;
    const auto removed = std::filesystem::remove_all(path, error);
    if (error) return -error.value();
    return removed == 0 ? -ENOENT : 0;
  });
  if (result < 0) co_return fail(file_error(result, "remove directory", path));
  co_return Result<>{};
}

Task<Result<>> PosixDisk::create_directories(std::string path) {
  bool sync_failed = false;
  const int64_t result = co_await async_.run([&] { return make_directories(path, sync_failed); });
  if (result < 0) {
    const Error error = file_error(result, "create directory", path);
    // No room for the directory may pass; no room found at the sync is final.
    if (sync_failed) co_return fail(Errc::disk_failed, std::string(error.message()));
    co_return fail(Error(error));
  }
  co_return Result<>{};
}

Task<Result<>> PosixDisk::sync_directory(std::string path) {
  bool sync_failed = false;
  const int64_t result = co_await async_.run([&] { return sync_path(path, sync_failed); });
  if (result < 0) co_return fail(file_error(result, "sync directory", path));
  co_return Result<>{};
}

Task<Result<std::vector<DirectoryEntry>>> PosixDisk::list(std::string path) {
  std::vector<DirectoryEntry> entries;
  const int64_t result = co_await async_.run([&] { return list_into(path, entries); });
  if (result < 0) co_return fail(file_error(result, "list", path));
  co_return entries;
}

Task<Result<bool>> PosixDisk::exists(std::string path) {
  const int64_t result = co_await async_.run(
      [&]() -> int64_t { return access(path.c_str(), F_OK) != 0 ? -errno : 0; });
  if (result == -ENOENT || result == -ENOTDIR) co_return false;
  if (result < 0) co_return fail(file_error(result, "look for", path));
  co_return true;
}

Result<DiskSpace> PosixDisk::space(const std::string& path) {
  struct statvfs status{};
  if (statvfs(path.c_str(), &status) != 0) return fail(file_error(errno, "ask for space of", path));
  return DiskSpace{status.f_blocks * status.f_frsize, status.f_bavail * status.f_frsize};
}

Task<Result<std::unique_ptr<FileLock>>> PosixDisk::lock(std::string path) {
  Result<std::unique_ptr<FileLock>> result;
  co_await async_.run([&]() -> int64_t {
    result = take_lock(path);
    return 0;
  });
  co_return result;
}

}  // namespace sluice::io
