#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sluice::io {

/// The small text files in which a Linux machine tells what it is (/proc, /sys), below a root that
/// a test may make. What cannot be read is as good as not there: kernels and containers differ in
/// what they show. For programs that people run; blocks the calling thread.
class SystemFiles {
 public:
  explicit SystemFiles(std::string root = "") : root_(std::move(root)) {}

  /// The text without blanks at its end.
  std::optional<std::string> read(std::string_view path) const;
  /// The names in a folder, sorted; empty when there is none.
  std::vector<std::string> list(std::string_view path) const;
  bool exists(std::string_view path) const;
  /// The path without links and dots; where its end does not exist, with that end as it stands.
  std::string resolve(std::string_view path) const;

 private:
  std::string root_;
};

/// Whether somebody keeps the machine's wall clock in step (adjtimex); nothing where the kernel
/// does not tell.
std::optional<bool> wall_clock_synchronised();

}  // namespace sluice::io
