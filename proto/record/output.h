#pragma once

#include <cstddef>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace sluice::record {

/// Makes `out` at least `needed` bytes long, which is at most `max_size`; contents stay. Grows in
/// steps that double, and never asks for more than `max_size`.
void make_room(std::vector<std::byte>& out, size_t needed, size_t max_size);

/// The two ways in which inflating fails.
std::unexpected<Error> inflates_beyond(size_t max_size);
std::unexpected<Error> undecodable(std::string_view codec);

}  // namespace sluice::record
