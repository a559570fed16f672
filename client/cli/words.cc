#include "client/cli/words.h"

#include <cstdio>

#include "base/size_text.h"

namespace sluice::cli {

std::string counted(uint64_t count, std::string_view noun, std::string_view plural) {
  const std::string number = format_count(count) + " ";
  if (count == 1) return number + std::string(noun);
  return number + (plural.empty() ? std::string(noun) + "s" : std::string(plural));
}

std::string throughput_line(uint64_t records, uint64_t bytes, double seconds) {
  char time[32];
  std::snprintf(time, sizeof(time), "%.2f", seconds);
  const double rate = seconds > 0 ? static_cast<double>(records) / seconds : 0;
  return counted(records, "record") + "  " + format_rough_size(bytes) + "  in " + time + " s  (" +
         format_rough_count(rate) + " records/s)";
}

}  // namespace sluice::cli
