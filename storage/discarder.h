#pragma once

#include <string>
#include <vector>

#include "base/guarded.h"
#include "base/log.h"
#include "base/time.h"
#include "io/disk.h"

namespace sluice::storage {

/// Files and folders that were renamed away and wait to be removed. What a crash leaves of them is
/// removed at the next start. add() from any loop.
class Discarder {
 public:
  explicit Discarder(Logger log) : log_(log) {}

  /// `disk` outlives the last remove_due().
  void add_files(io::Disk& disk, std::vector<std::string> paths, TimePoint due);
  void add_folder(io::Disk& disk, std::string path, TimePoint due);
  /// Removes what is due. A failure is logged; the next start tries again.
  io::Task<void> remove_due(TimePoint now);

 private:
  struct Item {
    io::Disk* disk = nullptr;
    std::string path;
    bool folder = false;
    TimePoint due{};
  };
  static io::Task<Result<>> remove_folder(io::Disk& disk, std::string path);
  Guarded<std::vector<Item>> waiting_;
  const Logger log_;
};

}  // namespace sluice::storage
