#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace sluice::cli {

/// "1 partition", "4 partitions"; for nouns that take an s.
std::string counted(uint64_t count, std::string_view noun);
/// "104,334 records  985 KB  in 0.09 s  (1.2 M records/s)".
std::string throughput_line(uint64_t records, uint64_t bytes, double seconds);

}  // namespace sluice::cli
