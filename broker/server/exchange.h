#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "base/bytes.h"
#include "base/time.h"
#include "broker/server/chunk.h"
#include "broker/server/response.h"
#include "broker/server/traffic.h"

namespace sluice::broker {

class Session;

/// When a request reached each stage, from which the phases follow: see RequestMetrics.
struct ExchangeTimes {
  TimePoint begun;     ///< the first byte of its frame was there
  TimePoint complete;  ///< all of its frame was there
  TimePoint started;   ///< its handler began
  TimePoint ordered;   ///< the next request of the connection could begin
  TimePoint answered;  ///< the response was ready
  /// What was asked of the disk was done; unset: when the response was ready.
  TimePoint stored{};
  /// How long it waited for others to write what it asked for.
  Duration waited{0};
};

/// One request on its way, from a complete frame to the sent response. Pooled; belongs to one
/// session at a time and never leaves its loop.
class Exchange {
 public:
  /// The whole frame as it was on the wire; may be written to. Until release_frame().
  MutableBytes frame;
  TrafficClass traffic = TrafficClass::client;
  /// Wall time of arrival.
  Timestamp arrived{0};
  ExchangeTimes times;
  Response response;
  /// Which API it is, for metrics; the front end's index.
  uint8_t api = 0;
  /// After this request the connection is not read for so long.
  Duration delay{0};

  /// The next request of this connection may begin; without a call it does when the handler ends.
  void release_order();
  /// The frame's bytes are no longer needed.
  void release_frame() {
    frame = {};
    chunk_ = ChunkRef();
  }
  /// Memory for what the handler decodes into, instead of the heap.
  std::span<char> scratch() { return scratch_; }

 private:
  friend class Session;
  friend class ExchangePool;
  static constexpr size_t kScratchBytes = 2048;

  Session* session_ = nullptr;
  ChunkRef chunk_;
  /// Of the frame, and of the response once it is there.
  size_t held_bytes_ = 0;
  bool order_released_ = false;
  bool done_ = false;
  Exchange* next_ = nullptr;
  alignas(16) std::array<char, kScratchBytes> scratch_;
};

/// One per worker; keeps a few exchanges warm so that a request allocates nothing.
class ExchangePool {
 public:
  std::unique_ptr<Exchange> take() {
    if (idle_.empty()) return std::make_unique<Exchange>();
    auto exchange = std::move(idle_.back());
    idle_.pop_back();
    return exchange;
  }
  void give_back(std::unique_ptr<Exchange> exchange) {
    if (idle_.size() >= kMostIdle) return;
    exchange->release_frame();
    exchange->response.clear();
    exchange->order_released_ = exchange->done_ = false;
    exchange->delay = Duration{0};
    idle_.push_back(std::move(exchange));
  }

 private:
  static constexpr size_t kMostIdle = 256;
  std::vector<std::unique_ptr<Exchange>> idle_;
};

}  // namespace sluice::broker
