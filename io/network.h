#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"
#include "base/time.h"
#include "io/disk.h"
#include "io/loop.h"
#include "io/task.h"

namespace sluice::io {

/// "host:port", "[v6]:port"; port 0 lets the system choose when listening.
struct Endpoint {
  std::string host;
  uint16_t port = 0;

  static Result<Endpoint> parse(std::string_view text);
  std::string to_string() const;
  bool operator==(const Endpoint&) const = default;
};

/// A connected stream. Belongs to the loop it is attached to; the try_ calls never wait and fail
/// with would_block (without detail) when nothing can be done now; readable() and writable() wait,
/// one waiter each. Any other error is final.
class Socket {
 public:
  virtual ~Socket() = default;

  /// Once, on that loop, before anything else.
  virtual void attach(Loop& loop) = 0;

  /// 0 is the end of the stream.
  virtual Result<size_t> try_read(MutableBytes out) = 0;
  /// `more` says that more follows at once (MSG_MORE): a partial packet may wait for it.
  virtual Result<size_t> try_write(std::span<const ByteView> parts, bool more) = 0;
  /// From the file's page cache to the socket without a copy through user space where the system
  /// can. 0: the file ends before `position`.
  virtual Result<size_t> try_send_file(File& file, uint64_t position, size_t length, bool more) = 0;

  virtual Task<Result<>> readable() = 0;
  virtual Task<Result<>> writable() = 0;

  /// readable() waits until this many bytes are there (SO_RCVLOWAT), the stream ends or fails.
  virtual void set_read_threshold(size_t bytes) = 0;
  /// Closes for both sides; waiters get connection_closed.
  virtual void close() = 0;
  virtual const Endpoint& peer() const = 0;
};

class Listener {
 public:
  virtual ~Listener() = default;
  /// The next connection, not attached to a loop yet. connection_closed after close(); too_many or
  /// out_of_memory, after a rest, when the system is short of either: try again.
  virtual Task<Result<std::unique_ptr<Socket>>> accept() = 0;
  virtual void close() = 0;
  /// With the port that the system chose.
  virtual const Endpoint& local() const = 0;
};

class Network {
 public:
  virtual ~Network() = default;
  /// On the current loop.
  virtual Task<Result<std::unique_ptr<Listener>>> listen(Endpoint at) = 0;
  /// Connected and attached to the current loop; timed_out after `deadline`.
  virtual Task<Result<std::unique_ptr<Socket>>> connect(Endpoint to, TimePoint deadline) = 0;
};

/// All of `parts`, waiting as needed.
Task<Result<>> write_all(Socket& socket, std::span<const ByteView> parts);
/// Fills `out`; connection_closed when the stream ends before.
Task<Result<>> read_exactly(Socket& socket, MutableBytes out);

}  // namespace sluice::io
