#include "io/random.h"

#include <sys/random.h>

#include "base/check.h"

namespace sluice::io {
namespace {

uint64_t seed_from_kernel() {
  uint64_t seed = 0;
  // Up to 256 bytes are never cut short nor interrupted (getrandom(2)).
  const bool filled = getrandom(&seed, sizeof seed, 0) == sizeof seed;
  CHECK(filled, "the kernel gives randomness");
  return seed;
}

}  // namespace

uint64_t SystemRandom::next() {
  static thread_local SeededRandom generator(seed_from_kernel());
  return generator.next();
}

}  // namespace sluice::io
