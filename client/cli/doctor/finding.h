#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace sluice::cli::doctor {

enum class Verdict : uint8_t { ok, warn, fail };
std::string_view name_of(Verdict verdict);

/// What one check says.
struct Finding {
  /// A stable name: "descriptors".
  std::string check;
  Verdict verdict = Verdict::ok;
  std::string found;
  std::string wanted;
  /// The exact sysctl, key or step; empty when all is well.
  std::string way_out;
};

/// The check of something that the machine does not tell.
Finding not_told(std::string check, std::string wanted, std::string_view file);

/// "23.5 GiB", "512 MiB": to one decimal, in the units of keys.
std::string size_text(uint64_t bytes);

}  // namespace sluice::cli::doctor
