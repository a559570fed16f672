#include "broker/service/describe_cluster.h"

#include <algorithm>
#include <chrono>
#include <string>

#include "broker/native/cluster.h"
#include "broker/native/wire.h"

namespace sluice::broker {
namespace {

using Response = native::DescribeClusterResponse;

void put_broker(const ClusterDescription::Broker& broker, const ConsensusState& consensus,
                Response::Broker& to) {
  to.set_node_id(broker.image.id.value());
  to.set_host(broker.image.host);
  to.set_port(broker.image.port);
  to.set_rack(broker.image.rack);
  to.set_epoch(broker.image.epoch);
  to.set_fenced(broker.image.fenced);
  to.set_draining(broker.image.draining);
  to.set_voter(std::ranges::find(consensus.voters, broker.image.id) != consensus.voters.end());
  to.set_leaders(broker.leaders);
  to.set_replicas(broker.replicas);
  to.set_behind(broker.behind);
  const auto session = std::ranges::find(consensus.sessions, broker.image.id, &Sessions::Sight::id);
  if (session == consensus.sessions.end()) return;
  const auto silent = std::chrono::duration_cast<std::chrono::milliseconds>(session->silent);
  to.set_silent_ms(static_cast<uint64_t>(silent.count()));
  for (const std::string& problem : session->problems) to.add_problems(problem);
}

void put_partitions(const ClusterDescription& cluster, Response& to) {
  to.set_partitions(cluster.partitions);
  to.set_offline(cluster.offline.count);
  to.set_under_min_in_sync(cluster.under_min_in_sync.count);
  to.set_under_replicated(cluster.under_replicated.count);
  to.set_moving(cluster.moving.count);
  to.set_damaged(cluster.damaged.count);
  const auto put = [](const ClusterDescription::Some& some, auto& names) {
    for (const std::string& name : some.names) *names.Add() = name;
  };
  put(cluster.offline, *to.mutable_offline_names());
  put(cluster.under_min_in_sync, *to.mutable_under_min_in_sync_names());
  put(cluster.under_replicated, *to.mutable_under_replicated_names());
  put(cluster.moving, *to.mutable_moving_names());
  put(cluster.damaged, *to.mutable_damaged_names());
}

void put_consensus(const ConsensusState& consensus, Response& to) {
  to.set_controller(consensus.leader.value_or(NodeId{-1}).value());
  to.set_term(consensus.term);
  to.set_fenced_because(consensus.fenced_because);
  for (const NodeId id : consensus.voters) {
    auto& voter = *to.add_voters();
    voter.set_node_id(id.value());
    voter.set_reached(std::ranges::find(consensus.unreached, id) == consensus.unreached.end());
  }
}

void put_move(const MoveDescription& move, native::DescribeClusterResponse::Move& to) {
  const auto& partition = move.partition;
  to.set_topic(move.topic);
  to.set_partition(partition.id.value());
  to.set_leader(partition.leadership.leader.value());
  put_nodes(partition.replicas, *to.mutable_replicas());
  put_nodes(partition.adding, *to.mutable_adding());
  put_nodes(partition.removing, *to.mutable_removing());
  to.set_log_start(partition.status.log_start.value());
  to.set_log_end(partition.status.log_end.value());
  to.set_bytes(partition.status.bytes);
  put_followers(partition.followers, *to.mutable_followers());
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
  answer.set_metadata_version(known.image->version);
  answer.set_answered_by(metadata.node_id().value());
  put_consensus(consensus, answer);
  for (const auto& broker : cluster.brokers) {
    put_broker(broker, consensus, *answer.add_brokers());
  }
  put_partitions(cluster, answer);
  if (call.request.describe_cluster().moves()) {
    const auto& topics = call.connection.services().topics;
    for (const auto& move : topics.moves(call.connection.principal())) {
      put_move(move, *answer.add_moves());
    }
  }
  co_return Result<>{};
}

}  // namespace sluice::broker
