#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "base/result.h"
#include "broker/server/connection.h"
#include "broker/server/deadlines.h"
#include "broker/server/exchange.h"
#include "broker/server/frame_reader.h"
#include "broker/server/protocol.h"
#include "broker/server/request_metrics.h"
#include "broker/server/wakeup.h"
#include "broker/server/worker.h"
#include "io/task.h"

namespace sluice::broker {

/// A front end of the port, and where its requests are counted.
struct ServedFrontEnd {
  FrontEnd& front_end;
  RequestMetrics& metrics;
};

/// A connection being served: reads what is there, starts the requests in order, sends the
/// responses in order, as many at once as are ready. Idle it is one frame that waits to be
/// readable. All on its worker's loop.
class Session final : private Deadline {
 public:
  Session(std::unique_ptr<io::Socket> socket, Worker& worker,
          std::shared_ptr<AddressAccount> account, std::span<const ServedFrontEnd> front_ends);
  ~Session();

  /// Until the connection is over.
  io::Task<void> run();

  /// Answers what was read and ends.
  void drain();
  /// Ends now.
  void abort();
  /// Since when nothing is going on here; max() while something is, and of another broker's.
  TimePoint idle_since() const;

 private:
  friend class Exchange;
  friend class Worker;
  /// Why no further frame is started now.
  enum class Stop : uint8_t { drained, order, full, delayed, failed };

  TimePoint due(TimePoint now) const override;
  void expired() override;

  bool waits_for_us(TimePoint now) const;
  io::Task<bool> serve();
  void received(size_t count);
  void keep_pace();
  void expect_part();
  void park();
  Stop start_frames();
  io::Task<bool> start_all_frames();
  bool full() const;
  bool choose_protocol();
  void start(FrameReader::Next next);
  io::Task<void> answer(Exchange& exchange);
  void refuse(const Error& why);
  Exchange& enqueue();
  void order_released(Exchange& exchange);
  void completed(Exchange& exchange);

  bool take_chunk();
  io::Task<bool> wait_for_chunk();
  io::Task<Result<bool>> read_head();
  io::Task<Result<Buffer>> take_buffer(size_t size);

  void flush_soon();
  io::Task<void> flush_next_turn();
  io::Task<void> flush();
  void retire(Exchange* last, bool sent);
  io::Task<void> wind_up();
  void close_after_reading();
  void progressed();

  Connection connection_;
  Worker& worker_;
  const std::shared_ptr<AddressAccount> account_;
  const std::span<const ServedFrontEnd> front_ends_;
  std::unique_ptr<Protocol> protocol_;
  RequestMetrics* metrics_ = nullptr;
  FrameReader reader_;

  // Exchanges in the order of their frames.
  Exchange* first_ = nullptr;
  Exchange* last_ = nullptr;
  size_t in_flight_ = 0;
  size_t in_flight_bytes_ = 0;
  /// The newest exchange, until it lets the next one begin.
  Exchange* holds_order_ = nullptr;

  TimePoint progress_{};
  /// Of a frame on its way so many bytes are to be there a frame time-out after `part_since_`.
  size_t part_end_ = 0;
  TimePoint part_since_{};
  TimePoint frame_begun_{};
  TimePoint read_at_{};
  TimePoint started_at_{};
  Timestamp arrived_{0};
  TimePoint delayed_until_{};
  Admission::Waiter* admission_waiter_ = nullptr;
  Wakeup may_start_;
  Wakeup quiet_;

  bool starting_ = false;
  bool flushing_ = false;
  bool waits_to_start_ = false;
  bool waits_for_memory_ = false;
  bool waits_for_quiet_ = false;
  bool draining_ = false;
  bool over_ = false;
  bool of_broker_ = false;

  // The worker's list.
  Session* previous_ = nullptr;
  Session* next_ = nullptr;
};

}  // namespace sluice::broker
