#include "broker/native/cluster.h"

namespace sluice::broker {

Result<ClusterPorts*> cluster_of(const NativeCall& call) {
  ClusterPorts* const cluster = call.connection.front_end().cluster();
  if (cluster != nullptr) return cluster;
  return fail(Errc::unsupported, "this broker runs without a cluster");
}

Result<ConsensusPort*> consensus_of(const NativeCall& call) {
  ASSIGN_OR_RETURN(ClusterPorts* const cluster, cluster_of(call));
  ConsensusPort* const consensus = cluster->consensus.load(std::memory_order_acquire);
  if (consensus != nullptr) return consensus;
  return fail(Errc::recovering, "this broker's metadata is not open yet; try again");
}

Result<ControllerPort*> controller_of(const NativeCall& call) {
  ASSIGN_OR_RETURN(ClusterPorts* const cluster, cluster_of(call));
  ControllerPort* const controller = cluster->controller.load(std::memory_order_acquire);
  if (controller != nullptr) return controller;
  return fail(Errc::recovering, "this broker's controller has not begun yet; try again");
}

Result<> check_cluster_id(const NativeCall& call, const std::string& theirs) {
  const std::string ours = call.connection.front_end().cluster_id();
  if (ours == theirs && !ours.empty()) return {};
  if (ours.empty()) {
    return fail(Errc::recovering, "this broker has no cluster yet; try again");
  }
  return fail(Errc::wrong_cluster, "the request is for cluster \"" + theirs +
                                       "\", this broker belongs to \"" + ours +
                                       "\"; check the addresses and seeds of both");
}

Result<> check_member(const NativeCall& call) {
  RETURN_IF_ERROR(cluster_of(call));
  if (!call.connection.said_broker()) {
    return fail(Errc::invalid_request, "only brokers ask for this, and say so in their hello");
  }
  RETURN_IF_ERROR(check_cluster_id(call, call.connection.said_broker()->cluster_id));
  return check_history(call);
}

Result<> check_history(const NativeCall& call) {
  const auto& peer = call.connection.said_broker();
  if (!peer) return {};
  ASSIGN_OR_RETURN(const ClusterPorts* const cluster, cluster_of(call));
  return check_lineage(peer->id, cluster->membership.lineage(), peer->lineage);
}

}  // namespace sluice::broker
