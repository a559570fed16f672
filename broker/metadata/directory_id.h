#pragma once

#include <string>

#include "base/random.h"
#include "base/result.h"
#include "base/uuid.h"
#include "io/disk.h"
#include "io/task.h"

namespace sluice::broker {

/// The id of a metadata directory, made with it: a wiped disk under an old node id has another.
/// Durable before this returns. corrupt_file when the file holds something else.
io::Task<Result<Uuid>> open_directory_id(io::Disk& disk, std::string directory, Random& random);

}  // namespace sluice::broker
