#pragma once

#include "base/result.h"

namespace sluice::cli {

/// What a script learns from how `sluice` ended; the numbers are an interface.
enum class ExitCode : int {
  done = 0,
  failed = 1,
  usage = 2,
  unreachable = 3,
  not_found = 4,
  refused = 5,
  timed_out = 6,
  interrupted = 130,
};

ExitCode exit_code_of(Errc code);

}  // namespace sluice::cli
