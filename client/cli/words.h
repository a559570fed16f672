#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace sluice::cli {

/// "1 partition", "4 partitions"; without `plural` the noun takes an s.
std::string counted(uint64_t count, std::string_view noun, std::string_view plural = "");
/// "104,334 records  985 KB  in 0.09 s  (1.2 M records/s)".
std::string throughput_line(uint64_t records, uint64_t bytes, double seconds);

}  // namespace sluice::cli
