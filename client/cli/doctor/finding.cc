#include "client/cli/doctor/finding.h"

#include <cstdio>
#include <utility>

#include "base/bytes.h"

namespace sluice::cli::doctor {

std::string_view name_of(Verdict verdict) {
  switch (verdict) {
    case Verdict::ok:
      return "ok";
    case Verdict::warn:
      return "warn";
    case Verdict::fail:
      return "fail";
  }
  std::unreachable();
}

Finding not_told(std::string check, std::string wanted, std::string_view file) {
  return {.check = std::move(check),
          .verdict = Verdict::warn,
          .found = "not known",
          .wanted = std::move(wanted),
          .way_out = std::string(file) + " cannot be read here: run this on the machine itself"};
}

std::string size_text(uint64_t bytes) {
  double value = static_cast<double>(bytes) / static_cast<double>(1_MiB);
  std::string_view unit = " MiB";
  for (const std::string_view larger : {" GiB", " TiB"}) {
    if (value < 1024) break;
    value /= 1024;
    unit = larger;
  }
  char text[32];
  std::snprintf(text, sizeof(text), "%.1f", value);
  std::string out = text;
  if (out.ends_with(".0")) out.resize(out.size() - 2);
  return out.append(unit);
}

}  // namespace sluice::cli::doctor
