#include "broker/service/describe_cluster.h"

#include <algorithm>

#include "broker/native/cluster.h"

namespace sluice::broker {
namespace {

void put_broker(const ClusterDescription::Broker& broker, const std::vector<NodeId>& voters,
                native::DescribeClusterResponse::Broker& to) {
  to.set_node_id(broker.image.id.value());
  to.set_host(broker.image.host);
  to.set_port(broker.image.port);
  to.set_rack(broker.image.rack);
  to.set_epoch(broker.image.epoch);
  to.set_fenced(broker.image.fenced);
  to.set_draining(broker.image.draining);
  to.set_voter(std::ranges::find(voters, broker.image.id) != voters.end());
  to.set_leaders(broker.leaders);
  to.set_replicas(broker.replicas);
  to.set_behind(broker.behind);
}

/// A broker that runs alone is its own voter.
io::Task<ConsensusState> consensus_state(NativeCall& call, ConsensusState alone) {
  const auto consensus = consensus_of(call);
  if (!consensus) co_return alone;
  co_return co_await on_control(
      call, [port = *consensus] { return io::Task<ConsensusState>::ready(port->state()); });
}

}  // namespace

io::Task<Result<>> answer_describe_cluster(NativeCall& call) {
  const auto& metadata = call.connection.services().metadata;
  const auto known = metadata.describe(call.connection.principal(), {}, false);
  ConsensusState alone;
  if (known.controller.value() >= 0) alone.leader = known.controller;
  alone.voters = {metadata.node_id()};
  const ConsensusState consensus = co_await consensus_state(call, std::move(alone));
  const ClusterDescription cluster = describe_cluster(*known.image, metadata.defaults());
  auto& answer = *call.response.mutable_describe_cluster();
  answer.set_cluster_id(known.image->cluster_id);
  if (const auto* ports = call.connection.front_end().cluster()) {
    answer.set_cluster_name(ports->membership.self().cluster_name);
  }
  answer.set_controller(consensus.leader.value_or(NodeId{-1}).value());
  answer.set_term(consensus.term);
  answer.set_metadata_version(known.image->version);
  for (const auto& broker : cluster.brokers) {
    put_broker(broker, consensus.voters, *answer.add_brokers());
  }
  answer.set_partitions(cluster.partitions);
  answer.set_under_replicated(cluster.under_replicated);
  answer.set_under_min_in_sync(cluster.under_min_in_sync);
  answer.set_offline(cluster.offline);
  answer.set_moving(cluster.moving);
  co_return Result<>{};
}

}  // namespace sluice::broker
