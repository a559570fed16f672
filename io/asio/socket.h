#pragma once

// Only io/asio/*.cc include this: it brings Asio along.
#include <optional>

#include "io/asio/descriptor.h"
#include "io/movable_socket.h"

namespace sluice::io {

/// A connected TCP socket. Holds no buffer.
class AsioSocket final : public MovableSocket {
 public:
  /// Takes the connected, non-blocking descriptor over; without a loop yet.
  AsioSocket(int descriptor, Endpoint peer);
  ~AsioSocket() override;

  void attach(Loop& loop) override;
  Result<size_t> try_read(MutableBytes out) override;
  Result<size_t> try_write(std::span<const ByteView> parts, bool more) override;
  Result<size_t> try_send_file(File& file, uint64_t position, size_t length, bool more) override;
  Task<Result<>> readable() override;
  Task<Result<>> writable() override;
  Task<Result<>> readable_by(TimePoint deadline) override;
  Result<size_t> try_peek(MutableBytes out) override;
  void detach() override;
  void set_read_threshold(size_t bytes) override;
  void close() override;
  const Endpoint& peer() const override { return peer_; }

  /// Until the connection that was begun is there; attached.
  Task<Result<>> connected(TimePoint deadline);

 private:
  /// Of a failed system call; would_block without a detail.
  std::unexpected<Error> failed(std::string_view verb) const;
  Result<size_t> receive(MutableBytes out, int flags);
  Task<Result<>> wait(WaitingDescriptor::Event event, std::optional<TimePoint> deadline = {});

  int unattached_;
  int read_threshold_ = 1;
  std::optional<WaitingDescriptor> descriptor_;
  const Endpoint peer_;
};

}  // namespace sluice::io
