#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace sluice::cli::doctor {

/// A file of config/profiles: what a broker may take of a machine of that size.
struct Profile {
  std::string_view name;
  uint64_t machine;
  /// memory.max.
  uint64_t broker;
  /// For the system and its other programs; the rest is page cache.
  uint64_t system;
  uint64_t partitions;
  uint64_t connections;
  uint64_t open_files;
};

/// From the smallest to the largest.
std::span<const Profile> profiles();

/// What the system needs of a machine of that size, and what memory.max should not exceed on it: on
/// the straight line between two profiles, in proportion below the smallest, as the largest's
/// above.
uint64_t system_share(uint64_t machine);
uint64_t broker_share(uint64_t machine);

}  // namespace sluice::cli::doctor
