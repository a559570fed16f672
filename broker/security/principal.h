#pragma once

#include <string>

namespace sluice::broker {

/// On whose behalf a request is served. Without authentication everybody is "anonymous".
struct Principal {
  std::string name = "anonymous";
};

}  // namespace sluice::broker
