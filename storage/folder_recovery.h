#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "io/disk.h"

namespace sluice::storage {

/// Compaction's output while it is written, and once it is sure to replace its originals.
inline constexpr std::string_view kCleanedSuffix = ".cleaned";
inline constexpr std::string_view kSwapSuffix = ".swap";

/// Brings a log's folder, before the log is opened, to a state without temporary files: removes
/// those that were `.deleted` and producer snapshots that were torn; undoes a compaction that had
/// not renamed its log to `.swap`, finishes one that had (FORMAT.md, "Compaction"). Its indexes are
/// left to be built again. Repeatable after a crash. Error: corrupt_batch or corrupt_file when what
/// compaction wrote is no segment.
io::Task<Result<>> settle_folder(io::Disk& disk, std::string folder);

}  // namespace sluice::storage
