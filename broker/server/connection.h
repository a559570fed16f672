#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "base/bytes.h"
#include "base/result.h"
#include "base/time.h"
#include "broker/server/deadlines.h"
#include "broker/server/worker.h"
#include "io/network.h"
#include "io/task.h"
#include "storage/file_slice.h"

namespace sluice::broker {

/// Owns a socket and how bytes leave through it, so that nobody else knows: together, copied or by
/// sendfile, in turns. A cold piece of a log is read ahead elsewhere before it is sent, so that
/// sending never waits for a disk.
class Connection {
 public:
  /// `deadline` is its owner's: filed anew when the peer stops taking what is sent.
  Connection(std::unique_ptr<io::Socket> socket, Worker& worker, Deadline& deadline);

  io::Socket& socket() { return *socket_; }
  const io::Endpoint& peer() const { return socket_->peer(); }

  /// Who is talked to from now on; a client unless set.
  void set_traffic(TrafficClass traffic) { traffic_ = traffic; }

  /// Sends all of `heads`, which live until it is done, and behind them the slices. One at a time.
  /// After an error the connection cannot be used any more. A slice that was cut, ends early or
  /// cannot be read is such an error too, after the partition's owner was told.
  io::Task<Result<>> send(std::span<const ByteView> heads,
                          std::span<const storage::FileSlice> slices);
  /// Since when the peer has taken nothing of what is being sent; max() while nothing waits for it.
  TimePoint blocked_since() const { return blocked_ ? taken_at_ : TimePoint::max(); }
  void close();

 private:
  struct Pause;

  io::Task<Result<>> send_together(std::span<const ByteView> heads,
                                   std::span<const storage::FileSlice> slices, size_t bytes);
  io::Task<Result<>> send_in_turns(std::span<const ByteView> heads,
                                   std::span<const storage::FileSlice> slices);
  io::Task<Result<>> write(std::span<const ByteView> parts, bool more);
  io::Task<Result<>> write_rest(std::span<const ByteView> parts, size_t written, bool more);
  io::Task<Result<>> await_peer();
  io::Task<Result<>> send_slice(const storage::FileSlice& slice, bool more);
  io::Task<Result<>> copy(const storage::FileSlice& slice, uint64_t from, uint64_t length,
                          bool more);
  io::Task<Result<uint64_t>> send_file(const storage::FileSlice& slice, uint64_t from,
                                       uint64_t length, bool more);
  io::Task<Result<>> read(const storage::FileSlice& slice, uint64_t from, MutableBytes out);
  Result<> whole(const storage::FileSlice& slice, uint64_t from, uint64_t wanted,
                 Result<size_t> count);
  Result<uint64_t> warm_bytes(const storage::FileSlice& slice, uint64_t from, uint64_t length);
  io::Task<Result<uint64_t>> read_any(const storage::FileSlice& slice, MutableBytes out);
  io::Task<Result<uint64_t>> send_cold(const storage::FileSlice& slice, uint64_t from, bool more);
  io::Task<Result<>> read_cold(const storage::FileSlice& slice, uint64_t from, MutableBytes out);
  void count_fetched(uint64_t sent, uint64_t found);
  io::Task<Result<>> pause_until(TimePoint when);
  io::Task<void> next_turn();
  void count_out(size_t bytes);
  Result<> check_current(const storage::FileSlice& slice);
  std::unexpected<Error> broken(const storage::FileSlice& slice, Error why);

  const std::unique_ptr<io::Socket> socket_;
  Worker& worker_;
  Deadline& deadline_;
  const bool copies_;
  TrafficClass traffic_ = TrafficClass::client;
  /// Where the last cold piece ended, and how large it might be.
  const io::File* cold_file_ = nullptr;
  uint64_t cold_end_ = 0;
  uint64_t cold_piece_ = 0;
  bool blocked_ = false;
  bool closed_ = false;
  uint32_t turn_left_;
  /// When the peer last took a byte, or was last offered one after it had taken all.
  TimePoint taken_at_{};
  Pause* pause_ = nullptr;
};

}  // namespace sluice::broker
