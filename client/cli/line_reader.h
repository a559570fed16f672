#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"

namespace sluice::cli {

/// Cuts a stream into lines. What stands behind the last delimiter is a line too, unless empty.
class LineReader {
 public:
  /// Fills the front of the span; 0 at the end.
  using Source = std::function<Result<size_t>(MutableBytes)>;

  LineReader(Source source, std::string delimiter = "\n");

  /// Without its delimiter, valid until the next call; nothing at the end. invalid_argument for a
  /// line above 256 MiB, else what the source says.
  Result<std::optional<std::string_view>> next();
  /// Of the line that next() returned last, from 1.
  uint64_t line_number() const { return line_number_; }

 private:
  Result<> fill();
  std::string_view unread() const;

  Source source_;
  const std::string delimiter_;
  std::vector<char> buffer_;
  size_t begin_ = 0;
  size_t end_ = 0;
  /// Up to here nothing that begins is a delimiter.
  size_t searched_ = 0;
  bool at_end_ = false;
  uint64_t line_number_ = 0;
};

}  // namespace sluice::cli
