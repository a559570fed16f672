#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "io/runtime.h"
#include "proto/native/framing.h"
#include "proto/native/protocol.pb.h"

namespace sluice::client {

/// Bytes on the heap that are not cleared first: fetched payloads are large and overwritten at
/// once.
class Payload {
 public:
  Payload() = default;
  explicit Payload(size_t size)
      : bytes_(std::make_unique_for_overwrite<std::byte[]>(size)), capacity_(size), size_(size) {}

  MutableBytes bytes() const { return {bytes_.get(), size_}; }
  size_t size() const { return size_; }
  size_t capacity() const { return capacity_; }
  /// `size` is at most the capacity.
  void resize(size_t size) { size_ = size; }

 private:
  std::unique_ptr<std::byte[]> bytes_;
  size_t capacity_ = 0;
  size_t size_ = 0;
};

struct Answer {
  native::ResponseHeader header;
  Payload payload;
};

struct ConnectionOptions {
  std::string client_id;
  Duration connect_timeout = 10s;
  Duration request_timeout = 30s;
  /// Requests sent and not answered; more wait.
  size_t max_in_flight = 64;
};

/// One connection to a broker, on the loop that opened it and only used there. Requests leave in
/// the order of their calls and are pipelined: frames that are queued within a turn leave in one
/// system call, answers come in order. A failure, and a request without an answer for
/// request_timeout, closes it and ends all calls under way with that error.
class Connection {
 public:
  static io::Task<Result<std::shared_ptr<Connection>>> open(io::Runtime& runtime, io::Endpoint to,
                                                            ConnectionOptions options);
  /// Closed and joined before it dies: see shut_down().
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  /// Sends a request, sets its correlation id, and waits for the answer; its place in the order is
  /// taken before the first suspension. The payload parts are borrowed until the task is done. A
  /// broker error for the whole request comes back as that Error. A `timeout` below request_timeout
  /// ends this call alone.
  io::Task<Result<Answer>> call(native::RequestHeader& request,
                                std::span<const ByteView> payload = {},
                                std::optional<Duration> timeout = std::nullopt);
  /// Sends a request that has no answer (acks 0); done when its bytes are with the system.
  io::Task<Result<>> send_only(native::RequestHeader& request, std::span<const ByteView> payload,
                               Duration timeout);

  /// Gives a payload back to be filled again by a later answer of about its size.
  void recycle(Payload payload) { spare_ = std::move(payload); }

  bool closed() const { return failure_.has_value(); }
  const io::Endpoint& peer() const { return peer_; }
  const native::HelloResponse& hello() const { return hello_; }

  /// Fails all calls with `why` and closes the socket.
  void close(Error why);
  /// Closes and waits until its coroutines have ended.
  io::Task<void> shut_down();

 private:
  struct Outgoing;
  struct Waiter;
  class Watchdog;
  /// A request whose answer is to come.
  struct Pending {
    uint64_t correlation;
    /// When the connection is given up without it.
    TimePoint give_up;
    /// Null when its caller has gone on: the answer will be dropped.
    Waiter* waiter;
  };

  Connection(io::Endpoint peer, ConnectionOptions options, std::unique_ptr<io::Socket> socket);

  io::Task<Result<>> say_hello();
  Result<> enqueue(native::RequestHeader& request, std::span<const ByteView> payload,
                   Outgoing& out);
  bool may_send() const;
  io::Task<void> run_writer();
  io::Task<Result<>> write_queued();
  io::Task<void> run_reader();
  io::Task<Result<>> read_frame();
  io::Task<Result<>> fill(size_t at_least);
  io::Task<Result<Payload>> read_payload(size_t size);
  void frame_written();
  void deliver(Answer answer);
  bool is_written(uint64_t correlation) const;
  void watch_until(TimePoint at);
  void watch();
  bool expire(Pending& pending);

  io::Loop& loop_;
  const io::Endpoint peer_;
  const ConnectionOptions options_;
  std::unique_ptr<io::Socket> socket_;
  native::HelloResponse hello_;
  std::optional<Error> failure_;

  uint64_t next_correlation_ = 1;
  // In the order of the calls, as are the correlation ids.
  std::deque<Outgoing*> queued_;
  size_t front_sent_ = 0;  ///< bytes of the first queued frame that are with the system
  std::deque<Pending> pending_;
  size_t unanswered_ = 0;  ///< of the pending: those written
  io::Signal work_;
  io::Scope scope_;
  std::unique_ptr<Watchdog> watchdog_;
  TimePoint watch_at_{};

  // What was received and not decoded yet: [read_, filled_) of a buffer that is made on first use.
  std::vector<std::byte> received_;
  size_t read_ = 0;
  size_t filled_ = 0;
  Payload spare_;
};

}  // namespace sluice::client
