#include "broker/metadata/raft_transport.h"

#include <utility>

#include "base/crc32c.h"
#include "broker/metadata/raft_core.h"

namespace sluice::broker {

PeerRaftTransport::PeerRaftTransport(RaftTransportPorts ports, RaftTransportOptions options)
    : ports_(std::move(ports)), options_(options) {}

void PeerRaftTransport::send(NodeId to, std::vector<std::byte> message) {
  if (stopped_) return;
  // Else whoever makes up names would leave a lane for each.
  if (!known(to)) return lost(to, message);
  Lane& lane = lanes_[to];
  while (!lane.queue.empty() && lane.queued_bytes + message.size() > options_.max_queued_bytes) {
    drop_oldest(to, lane);
  }
  lane.queued_bytes += message.size();
  lane.queue.push_back(std::move(message));
  pump(to);
}

std::vector<std::byte> PeerRaftTransport::pop(Lane& lane) {
  auto message = std::move(lane.queue.front());
  lane.queue.pop_front();
  lane.queued_bytes -= message.size();
  return message;
}

void PeerRaftTransport::drop_oldest(NodeId to, Lane& lane) {
  const auto message = pop(lane);
  lost(to, message);
}

void PeerRaftTransport::lost(NodeId to, ByteView message) {
  ports_.dropped.add(io::Loop::current()->index());
  if (RaftCore::carries_snapshot(message)) ports_.snapshot_sent(to, false);
  ports_.unreachable(to);
}

/// Starts what may be in flight. Until there is a connection only one message waits for it: calls
/// keep their order on a connection, not on the way to one.
void PeerRaftTransport::pump(NodeId to) {
  Lane& lane = lanes_[to];
  // A call that fails at once comes back here.
  if (std::exchange(lane.pumping, true)) return;
  while (!stopped_ && !lane.queue.empty()) {
    const bool connected = ports_.peers.connected(to, Purpose::consensus);
    if (lane.in_flight >= (connected ? options_.max_in_flight : 1)) break;
    ++lane.in_flight;
    scope_.start(deliver(to, pop(lane)));
  }
  lane.pumping = false;
}

io::Task<void> PeerRaftTransport::deliver(NodeId to, std::vector<std::byte> message) {
  native::RequestHeader request;
  auto& raft = *request.mutable_raft();
  const ClusterMember self = ports_.membership.self();
  raft.set_cluster_id(self.cluster_id);
  raft.set_from(self.node_id.value());
  raft.set_to(to.value());
  raft.set_crc(crc32c(message));
  const TimePoint deadline =
      io::Loop::current()->now() + options_.timeout +
      std::chrono::milliseconds(message.size() * 1000 / options_.least_bytes_per_second);
  const auto answer =
      co_await ports_.peers.call(to, Purpose::consensus, std::move(request), message, deadline);
  --lanes_[to].in_flight;
  if (stopped_) co_return;
  if (!answer) {
    lost(to, message);
  } else {
    ports_.sent.add(io::Loop::current()->index());
    if (RaftCore::carries_snapshot(message)) ports_.snapshot_sent(to, true);
  }
  pump(to);
  forget_idle(to);
}

/// Of who left.
void PeerRaftTransport::forget_idle(NodeId to) {
  const auto lane = lanes_.find(to);
  if (lane == lanes_.end() || known(to)) return;
  if (lane->second.in_flight == 0 && lane->second.queue.empty()) lanes_.erase(lane);
}

io::Task<void> PeerRaftTransport::stop() {
  stopped_ = true;
  for (auto& [to, lane] : lanes_) lane.queue.clear();
  co_await scope_.join();
}

}  // namespace sluice::broker
