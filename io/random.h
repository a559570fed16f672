#pragma once

#include "base/random.h"

namespace sluice::io {

/// A generator per thread, each seeded by the kernel (getrandom). Thread-safe; not for secrets.
class SystemRandom final : public Random {
 public:
  uint64_t next() override;
};

}  // namespace sluice::io
