#pragma once

#include <array>
#include <coroutine>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "io/movable_socket.h"

namespace sluice::sim {

class SimHost;
class SimNetwork;

/// A stream between two hosts: what both of its sockets, and the packets on their way, share. Bytes
/// arrive in order, in pieces and delays that the network draws. What was written and not yet read
/// by the other program counts against the direction's buffer until the news of it is back.
class SimConnection : public std::enable_shared_from_this<SimConnection> {
 public:
  enum class Wait : uint8_t { read, write };

  /// Side 0 connected, side 1 accepted. `names` are the hosts', `ends` what each side calls itself.
  SimConnection(SimNetwork& network, uint64_t id, std::array<std::string, 2> names,
                std::array<io::Endpoint, 2> ends);

  void attach(size_t side, io::Loop& loop);
  Result<size_t> try_read(size_t side, MutableBytes out);
  Result<size_t> try_peek(size_t side, MutableBytes out) const;
  Result<size_t> try_write(size_t side, std::span<const ByteView> parts);
  /// Bytes that a write would take now; the error that a write would give when it is none.
  Result<size_t> room(size_t side) const;
  io::Task<Result<>> wait(size_t side, Wait what);
  io::Task<Result<>> readable_by(size_t side, TimePoint deadline);
  void set_read_threshold(size_t side, size_t bytes);
  /// The peer reads what is on its way and then the end; with bytes left unread here, a reset.
  void close(size_t side);
  const io::Endpoint& end(size_t side) const { return sides_[side].end; }

  bool between(std::string_view a, std::string_view b) const;
  /// Both sides fail at once, and what is on its way is lost.
  void reset(std::string_view why);
  /// The host of `side` is no more; `silently`: without a packet to tell the peer.
  void host_died(const std::string& host, bool silently);
  /// Holds back what goes from one host to the other, or no longer does.
  void stall(std::string_view from, std::string_view to, bool held);
  void end_stall();
  /// Packets that were held back are sent again.
  void resend();

 private:
  /// What travels towards a side.
  struct Packet {
    enum class Kind : uint8_t { data, end, reset, acknowledgement } kind;
    Duration due;
    std::vector<std::byte> bytes;
    size_t acknowledged = 0;
  };
  struct Side {
    std::string host;
    io::Endpoint end;
    io::Loop* loop = nullptr;
    std::array<std::coroutine_handle<>, 2> waiting{};  // by Wait
    std::deque<Packet> incoming;
    bool stalled = false;
    std::vector<std::byte> received;
    size_t read_threshold = 1;
    size_t unacknowledged = 0;  // bytes written by this side and not known to be read
    bool ended = false;
    bool closed = false;
    bool dead = false;
    std::optional<Error> failed;
  };
  struct Park;
  struct Deadline;

  static size_t other(size_t side) { return 1 - side; }
  static io::Task<Result<>> wait_for(std::shared_ptr<SimConnection> self, size_t side, Wait what);
  std::optional<Result<>> waited(size_t side, Wait what) const;
  bool readable(const Side& side) const;
  void wake(size_t side, Wait what);
  void wake_all(size_t side);
  void fail_side(size_t side, Error error);
  void send(size_t to, Packet packet);
  void send_bytes(size_t to, std::vector<std::byte> bytes);
  void schedule_arrival(size_t to, Duration delay);
  void arrive(size_t to);
  void take(size_t to, Packet packet);

  SimNetwork& network_;
  const uint64_t id_;
  std::array<Side, 2> sides_;
};

/// One side of a connection, as the programs of a node hold it.
class SimSocket final : public io::MovableSocket {
 public:
  SimSocket(std::shared_ptr<SimConnection> connection, size_t side)
      : connection_(std::move(connection)), side_(side) {}
  ~SimSocket() override { connection_->close(side_); }

  void attach(io::Loop& loop) override;
  Result<size_t> try_read(MutableBytes out) override;
  Result<size_t> try_write(std::span<const ByteView> parts, bool more) override;
  Result<size_t> try_send_file(io::File& file, uint64_t position, size_t length,
                               bool more) override;
  io::Task<Result<>> readable() override;
  io::Task<Result<>> writable() override;
  io::Task<Result<>> readable_by(TimePoint deadline) override;
  Result<size_t> try_peek(MutableBytes out) override;
  void detach() override;
  void set_read_threshold(size_t bytes) override;
  void close() override { connection_->close(side_); }
  const io::Endpoint& peer() const override { return connection_->end(1 - side_); }

 private:
  void check_loop() const;
  const std::shared_ptr<SimConnection> connection_;
  const size_t side_;
  io::Loop* loop_ = nullptr;
};

}  // namespace sluice::sim
