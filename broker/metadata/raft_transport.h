#pragma once

#include <cstddef>
#include <deque>
#include <functional>
#include <map>
#include <vector>

#include "base/metrics.h"
#include "broker/metadata/peers.h"

namespace sluice::broker {

struct RaftTransportOptions {
  /// What may wait for one peer; beyond it the oldest goes: the newest says most.
  size_t max_queued_bytes = 8_MiB;
  size_t max_in_flight = 32;
  /// How long an answer may take, and more for what is large.
  Duration timeout = 1s;
  size_t least_bytes_per_second = 4_MiB;
};

struct RaftTransportPorts {
  Peers& peers;
  const Membership& membership;
  /// A message to that node was lost.
  std::function<void(NodeId)> unreachable;
  /// What became of a snapshot.
  std::function<void(NodeId, bool ok)> snapshot_sent;
  Counter& sent;
  Counter& dropped;
};

/// Carries the messages of the consensus: a bounded queue for each peer, sent in order, never
/// waited for. On the loop of its Peers.
class PeerRaftTransport {
 public:
  explicit PeerRaftTransport(RaftTransportPorts ports, RaftTransportOptions options = {});

  /// Never waits; may drop, and says so. What is for nobody that we know is dropped.
  void send(NodeId to, std::vector<std::byte> message);
  /// Peers to whom something went that are not forgotten yet.
  size_t lanes() const { return lanes_.size(); }
  /// Drops what waits; before the peers are stopped or after.
  io::Task<void> stop();

 private:
  struct Lane {
    std::deque<std::vector<std::byte>> queue;
    size_t queued_bytes = 0;
    size_t in_flight = 0;
    bool pumping = false;
  };
  void pump(NodeId to);
  std::vector<std::byte> pop(Lane& lane);
  void drop_oldest(NodeId to, Lane& lane);
  io::Task<void> deliver(NodeId to, std::vector<std::byte> message);
  void lost(NodeId to, ByteView message);
  bool known(NodeId to) const { return ports_.membership.address_of(to).has_value(); }
  void forget_idle(NodeId to);

  RaftTransportPorts ports_;
  const RaftTransportOptions options_;
  std::map<NodeId, Lane> lanes_;
  bool stopped_ = false;
  io::Scope scope_;
};

}  // namespace sluice::broker
