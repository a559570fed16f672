#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "base/bytes.h"
#include "base/result.h"
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
  Connection(std::unique_ptr<io::Socket> socket, Worker& worker);

  io::Socket& socket() { return *socket_; }
  const io::Endpoint& peer() const { return socket_->peer(); }

  /// Sends all of `heads`, which live until it is done, and behind them the slices. One at a time.
  /// After an error the connection cannot be used any more. A slice that was cut, ends early or
  /// cannot be read is such an error too, after the partition's owner was told.
  io::Task<Result<>> send(std::span<const ByteView> heads,
                          std::span<const storage::FileSlice> slices);
  void close() { socket_->close(); }

 private:
  io::Task<Result<>> send_together(std::span<const ByteView> heads,
                                   std::span<const storage::FileSlice> slices, size_t bytes);
  io::Task<Result<>> send_in_turns(std::span<const ByteView> heads,
                                   std::span<const storage::FileSlice> slices);
  io::Task<Result<>> write(std::span<const ByteView> parts, bool more);
  io::Task<Result<>> send_slice(const storage::FileSlice& slice, bool more);
  io::Task<Result<>> copy(const storage::FileSlice& slice, uint64_t from, uint64_t length,
                          bool more);
  io::Task<Result<uint64_t>> send_file(const storage::FileSlice& slice, uint64_t from,
                                       uint64_t length, bool more);
  io::Task<Result<>> read(const storage::FileSlice& slice, uint64_t from, MutableBytes out);
  io::Task<Result<uint64_t>> warm(const storage::FileSlice& slice, uint64_t from, uint64_t length);
  io::Task<void> next_turn();
  void count_out(size_t bytes);
  Result<> check_current(const storage::FileSlice& slice);
  std::unexpected<Error> broken(const storage::FileSlice& slice, Error why);

  const std::unique_ptr<io::Socket> socket_;
  Worker& worker_;
  const bool copies_;
  uint32_t turn_left_;
};

}  // namespace sluice::broker
