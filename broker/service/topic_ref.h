#pragma once

#include <optional>
#include <string>

#include "base/uuid.h"

namespace sluice::broker {

/// A topic by id or by name; the id wins.
struct TopicRef {
  std::optional<Uuid> id;
  std::string name;
};

}  // namespace sluice::broker
