#pragma once

#include <array>
#include <functional>
#include <memory>
#include <string>

#include "base/metrics.h"
#include "base/time.h"
#include "io/disk.h"

namespace sluice::io {

/// Where a directory's times are counted; null ones are not taken, which spares hot operations two
/// readings of the clock. The cells are the loops'.
struct DirectoryTimes {
  Histogram* read = nullptr;
  Histogram* write = nullptr;
  Histogram* sync = nullptr;
};

struct LaneOptions {
  /// Operations in flight by lane, indexed by Lane; more wait their turn. What the page cache
  /// serves at once counts in no lane.
  std::array<size_t, kLanes> in_flight = {64, 256, 16, 4};
  /// `disk.timeout.ms`: an operation that takes longer takes the directory offline.
  Duration timeout = 30s;
  DirectoryTimes times{};
  /// Called once, with the cause, on the loop that found it.
  std::move_only_function<void(const Error&)> on_offline{};
};

class LaneDirectory;

/// Of a failed sync_directory: the directory could not even be opened, because of its name or for
/// want of descriptors. Nothing was synced, so nothing was lost. No fsync fails for these reasons.
inline bool directory_not_opened(const Error& error) {
  return error == Errc::file_not_found || error == Errc::too_many ||
         error == Errc::permission_denied;
}

/// The disk of one data directory: bounds what is in flight by lane, and goes offline for good when
/// a sync fails or an operation takes too long. From then on all fails with disk_offline, naming
/// the directory and the first cause; what hangs in the kernel stays suspended, since the kernel
/// still uses its buffers. Thread-safe. Files may outlive it.
class LaneDisk final : public Disk {
 public:
  /// `inner` and `clock` outlive the disk and its files; `directory` is only for messages.
  LaneDisk(Disk& inner, const Clock& clock, std::string directory, LaneOptions options);
  ~LaneDisk() override;

  bool offline() const;
  /// For failures found by others: a write that failed, a file that changed below us.
  void take_offline(const Error& cause);
  /// Operations that wait for the device now.
  size_t in_flight(Lane lane) const;

  Task<Result<std::unique_ptr<File>>> open(std::string path, OpenMode mode) override;
  Task<Result<>> rename(std::string from, std::string to) override;
  Task<Result<>> remove(std::string path) override;
  Task<Result<>> remove_directory(std::string path, bool recursive) override;
  /// Tells a failed sync of what it made by disk_failed, whatever the reason: it is final too.
  Task<Result<>> create_directories(std::string path) override;
  Task<Result<>> sync_directory(std::string path) override;
  Task<Result<std::vector<DirectoryEntry>>> list(std::string path) override;
  Task<Result<bool>> exists(std::string path) override;
  Result<DiskSpace> space(const std::string& path) override;
  Task<Result<std::unique_ptr<FileLock>>> lock(std::string path) override;

 private:
  Disk& inner_;
  const std::shared_ptr<LaneDirectory> directory_;
};

}  // namespace sluice::io
