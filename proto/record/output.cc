#include "proto/record/output.h"

#include <algorithm>
#include <string>

#include "base/check.h"

namespace sluice::record {

void make_room(std::vector<std::byte>& out, size_t needed, size_t max_size) {
  CHECK(needed <= max_size, "an output stays below its limit");
  if (needed <= out.size()) return;
  if (needed > out.capacity()) {
    // reserve() takes exactly so much, where resize() alone may take more than the limit.
    out.reserve(std::min(std::max(needed, 2 * out.capacity()), max_size));
  }
  out.resize(std::max(needed, std::min(out.capacity(), max_size)));
}

std::unexpected<Error> inflates_beyond(size_t max_size) {
  return fail(Errc::batch_too_large,
              "the batch inflates to more than " + std::to_string(max_size) + " bytes");
}

std::unexpected<Error> undecodable(std::string_view codec) {
  std::string detail = "the payload is not valid ";
  detail += codec;
  return fail(Errc::invalid_record, std::move(detail));
}

}  // namespace sluice::record
