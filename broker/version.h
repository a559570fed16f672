#pragma once

#include "base/version.h"

namespace sluice::broker {

using sluice::kVersion;

}  // namespace sluice::broker
