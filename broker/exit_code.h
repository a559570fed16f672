#pragma once

#include <string_view>

#include "base/result.h"

namespace sluice::broker {

inline constexpr int kWrongUsage = 2;

/// What sluiced exits with when it cannot start or go on, so that scripts and supervisors can tell
/// what is worth trying again: 2 wrong usage or configuration, 3 an address is in use, 4 another
/// broker uses the directory, 5 the directory belongs to another cluster or node, 6 it may not be
/// read or written, 7 no space is left, 8 what is on disk is damaged, 9 the disk failed, 1 anything
/// else.
constexpr int exit_code_of(Errc code) {
  switch (code) {
    case Errc::invalid_config:
    case Errc::invalid_argument:
      return kWrongUsage;
    case Errc::address_in_use:
      return 3;
    case Errc::locked:
      return 4;
    case Errc::wrong_cluster:
      return 5;
    case Errc::permission_denied:
      return 6;
    case Errc::disk_full:
      return 7;
    case Errc::corrupt_file:
      return 8;
    case Errc::disk_failed:
    case Errc::disk_offline:
      return 9;
    default:
      return 1;
  }
}

/// What a person can do about it, for messages of the system that do not say; empty when nothing
/// general can be said.
constexpr std::string_view way_out_of(Errc code) {
  switch (code) {
    case Errc::address_in_use:
      return "stop whoever listens there or choose another address";
    case Errc::permission_denied:
      return "give the user that runs the broker the right to it, or name another place";
    case Errc::disk_full:
      return "free some space on that device or name a directory on another one";
    case Errc::disk_failed:
      return "check the device and the kernel's log; restart once it is sound";
    default:
      return {};
  }
}

}  // namespace sluice::broker
