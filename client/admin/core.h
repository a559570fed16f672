#pragma once

#include <map>
#include <string>
#include <vector>

#include "client/cluster.h"
#include "client/include/sluice/admin.h"

namespace sluice::client {

/// A message's repeated field of node ids.
template <class Repeated>
std::vector<NodeId> nodes_of(const Repeated& ids) {
  std::vector<NodeId> out;
  for (const int32_t id : ids) out.emplace_back(id);
  return out;
}

/// The admin behind the blocking facade, on the cluster's loop. Each call is one or two requests.
class AdminCore {
 public:
  explicit AdminCore(Cluster& cluster) : cluster_(cluster) {}

  Cluster& owner() { return cluster_; }
  io::Task<Result<ClusterInfo>> cluster();
  io::Task<Result<std::vector<TopicSummary>>> list_topics();
  io::Task<Result<TopicInfo>> describe_topic(std::string name);
  io::Task<Result<CreatedTopic>> create_topic(NewTopic topic);
  io::Task<Result<>> delete_topic(std::string name);
  io::Task<Result<>> alter_topic(std::string name, std::map<std::string, std::string> set,
                                 std::vector<std::string> remove, bool validate_only);
  io::Task<Result<>> add_partitions(std::string name, uint32_t total, bool validate_only);
  io::Task<Result<std::vector<PartitionOffset>>> list_offsets(std::string topic, OffsetSpec spec);
  io::Task<Result<Offset>> delete_records(Partition partition, Offset before);
  io::Task<Result<ClusterStatus>> cluster_status();
  /// Without replicas the move under way is cancelled.
  io::Task<Result<>> move_partition(Partition partition, std::vector<NodeId> replicas);
  io::Task<Result<std::vector<MoveInfo>>> list_moves();
  io::Task<Result<uint32_t>> drain_broker(NodeId broker, bool undo);
  io::Task<Result<BrokerIdentity>> identify();
  io::Task<Result<>> join_cluster(BrokerIdentity broker);
  io::Task<Result<>> leave_cluster(NodeId broker);

 private:
  io::Task<Result<std::vector<PartitionOffset>>> list_offsets_once(std::string topic,
                                                                   OffsetSpec spec);
  io::Task<Result<Offset>> delete_records_once(Partition partition, Offset before);
  io::Task<Result<native::ResponseHeader>> ask_controller(native::RequestHeader request);
  io::Task<Result<native::ResponseHeader>> ask_at(NodeId node, native::RequestHeader request);
  io::Task<Result<TopicInfo>> complete(TopicInfo info, std::string name);

  Cluster& cluster_;
};

}  // namespace sluice::client
