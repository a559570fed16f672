#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <utility>

#include "base/log.h"
#include "base/memory_budget.h"
#include "broker/metadata/membership.h"
#include "broker/metadata/peer_connection.h"
#include "io/runtime.h"

namespace sluice::broker {

/// What a connection between brokers is for. Answers come in order, so that what may be slow or
/// large has one of its own and never delays a heartbeat.
enum class Purpose : uint8_t {
  consensus,
  heartbeat,
  control,
  replication,
  flushed_replication,
  repair,
};

struct PeersOptions {
  PeerConnectionOptions connection;
  /// After the first failure to connect, and the most; a fifth more or less, so that brokers that
  /// lost the same peer do not come back together.
  Duration backoff = 50ms;
  Duration longest_backoff = 500ms;
};

struct PeersPorts {
  io::Runtime& runtime;
  /// Who we are, and where the others are.
  const Membership& membership;
  /// For answers.
  MemoryBudget& memory;
  Logger log;
  /// A broker of our cluster has a later history of the metadata than we.
  std::function<void(const Error&)> on_outdated = {};
};

/// The other brokers, as one of this broker's loops talks to them: a pipelined connection for each
/// node and purpose, made when it is first needed and again after failures. Made, used and stopped
/// on one loop.
class Peers {
 public:
  explicit Peers(PeersPorts ports, PeersOptions options = {});
  ~Peers();
  Peers(const Peers&) = delete;
  Peers& operator=(const Peers&) = delete;

  /// Sends a request and waits for its answer; `payload` is borrowed until it is done. While a
  /// broker is not reached it fails at once with what failed last, between the tries to connect.
  /// connection_ errors name the broker and the address; timed_out; what the broker answered.
  io::Task<Result<PeerAnswer>> call(NodeId to, Purpose purpose, native::RequestHeader request,
                                    ByteView payload, TimePoint deadline);
  /// Calls leave in their order only while it is.
  bool connected(NodeId to, Purpose purpose) const;

  /// Ends all calls, once, before it dies.
  io::Task<void> stop();

 private:
  using Key = std::pair<NodeId, Purpose>;
  struct Link {
    std::shared_ptr<PeerConnection> connection;
    io::Endpoint address;
    bool connecting = false;
    uint32_t failures = 0;
    TimePoint next_try{};
    std::optional<Error> failure;
    io::Signal changed;
  };

  io::Task<Result<std::shared_ptr<PeerConnection>>> connection(Key key, TimePoint deadline);
  io::Task<void> connect(Key key, io::Endpoint address);
  Result<> check_history(NodeId peer, const PeerConnection& connection) const;
  void connect_failed(Key key, Link& link, Error why);
  void retire(Link& link);
  static io::Task<void> shut_down(std::shared_ptr<PeerConnection> connection);

  PeersPorts ports_;
  const PeersOptions options_;
  // Ordered, so that a simulated run does not depend on addresses; entries stay.
  std::map<Key, Link> links_;
  bool stopped_ = false;
  io::Scope scope_;
};

}  // namespace sluice::broker
