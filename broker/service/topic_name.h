#pragma once

#include <string_view>

#include "base/result.h"

namespace sluice::broker {

/// Names that topics may have, as Kafka's: 1 to 249 of [a-zA-Z0-9._-], not "." or "..".
/// invalid_topic_name names the character and what is allowed.
Result<> check_topic_name(std::string_view name);

}  // namespace sluice::broker
