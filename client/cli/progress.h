#pragma once

#include <cstdint>
#include <string>

#include "client/cli/shell.h"

namespace sluice::cli {

/// How far a long command has come, as one line on standard error that is drawn again a few times a
/// second; nothing when that is no terminal or with -q. The line goes when this dies.
class Progress {
 public:
  explicit Progress(const Shell& shell);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  void update(uint64_t records, uint64_t bytes);

 private:
  void draw(const std::string& line);

  const Clock& clock_;
  const bool shown_;
  const TimePoint started_;
  TimePoint next_;
  size_t drawn_ = 0;
};

}  // namespace sluice::cli
