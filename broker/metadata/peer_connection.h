#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/memory_budget.h"
#include "base/result.h"
#include "broker/metadata/image.h"
#include "io/runtime.h"
#include "proto/native/framing.h"
#include "proto/native/protocol.pb.h"

namespace sluice::broker {

/// An answer of another broker, with the memory that its payload stands on.
struct PeerAnswer {
  native::ResponseHeader header;
  ByteView payload() const { return {bytes.get(), payload_size}; }

  std::unique_ptr<std::byte[]> bytes;
  size_t payload_size = 0;
  Reservation memory;
};

/// Who speaks, and who is meant to answer.
struct PeerHello {
  NodeId self{-1};
  /// Empty: has none yet.
  std::string cluster_id;
  /// Nobody in particular when a seed is asked who it is.
  std::optional<NodeId> expected;
  /// Nothing: has no metadata yet.
  std::optional<Lineage> lineage = {};
  /// Only raft and heartbeat requests follow.
  bool urgent = false;
};

struct PeerConnectionOptions {
  Duration connect_timeout = 1s;
  /// Requests sent and not answered; more wait.
  size_t max_in_flight = 64;
  /// What an answer's header and payload may have together.
  size_t max_answer_bytes = 128_MiB;
};

/// A broker's client side of the native protocol: one connection to another broker, on the loop
/// that opened it and only used there. Requests leave in the order of their calls and are
/// pipelined. Every failure of the connection ends all calls with a connection_ error that names
/// the broker and its address.
class PeerConnection {
 public:
  /// wrong_cluster when the broker there belongs to another cluster, connection_failed when it is
  /// not the expected one. Answers are charged to `memory`, which outlives the connection.
  static io::Task<Result<std::shared_ptr<PeerConnection>>> open(io::Runtime& runtime,
                                                                io::Endpoint to, PeerHello hello,
                                                                MemoryBudget& memory,
                                                                PeerConnectionOptions options);
  /// Shut down before it dies.
  ~PeerConnection();
  PeerConnection(const PeerConnection&) = delete;
  PeerConnection& operator=(const PeerConnection&) = delete;

  /// Its place in the order is taken before the first suspension; `payload` is borrowed until it is
  /// done. timed_out after `deadline`; as later answers stand behind it, a call that is the oldest
  /// one then closes the connection. An error for the whole request comes back as that Error.
  io::Task<Result<PeerAnswer>> call(native::RequestHeader request, ByteView payload,
                                    TimePoint deadline);

  bool closed() const { return failure_.has_value(); }
  const native::HelloResponse& hello() const { return said_; }
  /// Of the metadata of who answers; nothing while it has none.
  std::optional<Lineage> lineage() const;

  /// Ends all calls and closes; shut_down() is to follow.
  void cancel();
  /// Ends all calls, closes, and waits until its coroutines have ended.
  io::Task<void> shut_down();

 private:
  struct Call;
  class Watchdog;
  /// In the order of the requests; the call is null when it went on without its answer.
  struct Pending {
    uint64_t correlation;
    Call* call;
  };

  PeerConnection(std::string name, MemoryBudget& memory, PeerConnectionOptions options,
                 std::unique_ptr<io::Socket> socket);

  io::Task<Result<>> say_hello(PeerHello hello);
  Result<> check(const PeerHello& hello) const;
  void enqueue(Call& call, native::RequestHeader& request);
  bool may_send() const { return !queued_.empty() && unanswered_ < options_.max_in_flight; }
  io::Task<void> run_writer();
  io::Task<Result<>> write_queued();
  size_t gather(std::span<ByteView> parts) const;
  io::Task<void> run_reader();
  io::Task<Result<>> read_answer();
  io::Task<Result<Reservation>> reserve(size_t bytes);
  io::Task<Result<>> take(MutableBytes out);
  void deliver(PeerAnswer answer);
  void expire();
  bool give_up(Pending& pending);
  void watch();
  void close(const Error& why);
  Error named(const Error& why) const;

  io::Loop& loop_;
  const std::string name_;
  MemoryBudget& memory_;
  const PeerConnectionOptions options_;
  std::unique_ptr<io::Socket> socket_;
  native::HelloResponse said_;
  std::optional<Error> failure_;

  uint64_t next_correlation_ = 1;
  std::deque<Call*> queued_;
  size_t front_sent_ = 0;  ///< bytes of the first queued frame that are with the system
  std::deque<Pending> pending_;
  size_t unanswered_ = 0;  ///< of the pending: those written
  io::Signal work_;
  io::Scope scope_;
  std::unique_ptr<Watchdog> watchdog_;

  std::vector<std::byte> buffer_;
  size_t read_ = 0;
  size_t filled_ = 0;
};

}  // namespace sluice::broker
