#pragma once

#include <chrono>
#include <cstddef>

namespace sluice::bench {

/// The median time that so many bytes take to another thread over TCP on loopback and a small
/// answer takes back, both blocking: what one hop between two processes costs on this machine at
/// least.
std::chrono::nanoseconds ping_pong(size_t bytes, int rounds);

}  // namespace sluice::bench
