#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"
#include "broker/server/exchange.h"
#include "broker/server/traffic.h"
#include "io/network.h"
#include "io/task.h"

namespace sluice::broker {

class Worker;

/// What the first bytes of a frame tell of it.
struct FrameHead {
  /// With all that is around it; 0: more bytes are needed to know.
  size_t size = 0;
  TrafficClass traffic = TrafficClass::client;
};

/// A connection's side of a wire protocol: how frames are cut and what they ask for. Lives on the
/// connection's worker.
class Protocol {
 public:
  /// A frame's head is known from at most this many bytes.
  static constexpr size_t kHeadBytes = 64;

  virtual ~Protocol() = default;

  /// Looks at what begins a frame, at least one byte. Errors end the connection, after refuse().
  virtual Result<FrameHead> measure(ByteView begin) = 0;
  /// Answers the frame that is there and completes `exchange.response`. Exchanges are started in
  /// the order of their frames, each after the one before released the order.
  virtual io::Task<void> handle(Exchange& exchange) = 0;
  /// The answer, if any, to bytes that are no frame or a frame too large; sent in its turn, before
  /// the connection closes.
  virtual void refuse(Exchange& exchange, const Error& why) = 0;
  /// The connection is ending: handlers that wait for something to happen stop waiting. No handler
  /// is started after it.
  virtual void end() = 0;
};

/// What a connection's protocol works with; all outlive it.
struct ProtocolPorts {
  Worker& worker;
  const io::Endpoint& peer;
};

enum class Caller : uint8_t {
  client,
  broker,  ///< another one of the cluster
  urgent,  ///< and what it says must not wait behind a worker's work
};

/// A wire protocol that the port speaks. Shared by all workers.
class FrontEnd {
 public:
  static constexpr size_t kOpeningBytes = 4;

  virtual ~FrontEnd() = default;
  /// Whether a connection that begins with these four bytes speaks it.
  virtual bool recognises(std::span<const std::byte, kOpeningBytes> opening) const = 0;
  /// Who says that on a connection; nothing while more bytes are needed to tell.
  virtual std::optional<Caller> who_calls(ByteView begin) const {
    static_cast<void>(begin);
    return Caller::client;
  }
  /// How many of the opening bytes are not part of the first frame.
  virtual size_t preamble() const = 0;
  virtual std::unique_ptr<Protocol> open(ProtocolPorts ports) = 0;
  /// For metrics: the protocol, and its APIs in the order of Exchange::api, the last of which
  /// stands for frames that ask for none.
  virtual std::string_view name() const = 0;
  virtual std::span<const std::string_view> apis() const = 0;
};

}  // namespace sluice::broker
