#pragma once

#include <memory>
#include <string>
#include <vector>

#include "io/disk.h"
#include "io/posix/async_io.h"

namespace sluice::io {

/// The files of the machine.
class PosixDisk final : public Disk {
 public:
  /// `async` outlives the disk and all that was opened through it.
  explicit PosixDisk(AsyncIo& async) : async_(async) {}

  Task<Result<std::unique_ptr<File>>> open(std::string path, OpenMode mode) override;
  Task<Result<>> rename(std::string from, std::string to) override;
  Task<Result<>> remove(std::string path) override;
  Task<Result<>> remove_directory(std::string path, bool recursive) override;
  Task<Result<>> create_directories(std::string path) override;
  Task<Result<>> sync_directory(std::string path) override;
  Task<Result<std::vector<DirectoryEntry>>> list(std::string path) override;
  Task<Result<bool>> exists(std::string path) override;
  Result<DiskSpace> space(const std::string& path) override;
  Task<Result<std::unique_ptr<FileLock>>> lock(std::string path) override;

 private:
  AsyncIo& async_;
};

}  // namespace sluice::io
