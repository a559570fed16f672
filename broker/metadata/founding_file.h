#pragma once

#include <optional>
#include <string>

#include "base/result.h"
#include "broker/metadata/forming.h"
#include "io/disk.h"
#include "io/task.h"

namespace sluice::broker {

/// `founding` in the metadata directory (FORMAT.md): written once, before anybody is told.
std::string render_founding(const Founding& founding);
/// corrupt_file, without naming the file.
Result<Founding> parse_founding(std::string_view text);

/// Nothing when there is none.
io::Task<Result<std::optional<Founding>>> read_founding(io::Disk& disk, std::string directory);
io::Task<Result<>> write_founding(io::Disk& disk, std::string directory, Founding founding);

}  // namespace sluice::broker
