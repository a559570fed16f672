#include "client/cli/words.h"

#include <cstdio>

#include "base/size_text.h"

namespace sluice::cli {

std::string counted(uint64_t count, std::string_view noun) {
  std::string text = format_count(count) + " " + std::string(noun);
  if (count != 1) text += 's';
  return text;
}

std::string throughput_line(uint64_t records, uint64_t bytes, double seconds) {
  char time[32];
  std::snprintf(time, sizeof(time), "%.2f", seconds);
  const double rate = seconds > 0 ? static_cast<double>(records) / seconds : 0;
  return counted(records, "record") + "  " + format_rough_size(bytes) + "  in " + time + " s  (" +
         format_rough_count(rate) + " records/s)";
}

}  // namespace sluice::cli
