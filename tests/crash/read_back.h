#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "proto/record/records.h"
#include "storage/log.h"

namespace sluice::storage {

/// A value as machine.h's batches carry it, and its timestamp.
struct NumberedValue {
  uint64_t value = 0;
  Timestamp timestamp = kNoTimestamp;
  bool operator==(const NumberedValue&) const = default;
};

inline std::unexpected<Error> broken(const std::string& what) {
  return fail(Errc::corrupt_file, what);
}

/// Everything from the log start to its end, by offset; an error says what does not fit together.
io::Task<Result<std::map<Offset, NumberedValue>>> read_back(Log& log);

/// Reads at every offset and looks up every timestamp: whatever the indexes say must agree with
/// `content`, which is what read_back() returned.
io::Task<Result<>> check_lookups(Log& log, const std::map<Offset, NumberedValue>& content);

}  // namespace sluice::storage
