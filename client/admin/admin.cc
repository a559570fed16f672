#include "client/include/sluice/admin.h"

#include <utility>

#include "client/facades.h"

namespace sluice::client {

Admin::Admin(std::shared_ptr<Core> core) : core_(std::move(core)) {}
Admin::~Admin() = default;

Result<ClusterInfo> Admin::cluster() { return wait_for(*core_->client, core_->admin.cluster()); }
Result<std::vector<TopicSummary>> Admin::list_topics() {
  return wait_for(*core_->client, core_->admin.list_topics());
}
Result<TopicInfo> Admin::describe_topic(std::string_view name) {
  return wait_for(*core_->client, core_->admin.describe_topic(std::string(name)));
}
Result<CreatedTopic> Admin::create_topic(const NewTopic& topic) {
  return wait_for(*core_->client, core_->admin.create_topic(topic));
}
Result<> Admin::delete_topic(std::string_view name) {
  return wait_for(*core_->client, core_->admin.delete_topic(std::string(name)));
}
Result<> Admin::alter_topic(std::string_view name, const std::map<std::string, std::string>& set,
                            const std::vector<std::string>& remove, bool validate_only) {
  return wait_for(*core_->client,
                  core_->admin.alter_topic(std::string(name), set, remove, validate_only));
}
Result<> Admin::add_partitions(std::string_view name, uint32_t total, bool validate_only) {
  return wait_for(*core_->client,
                  core_->admin.add_partitions(std::string(name), total, validate_only));
}
Result<std::vector<PartitionOffset>> Admin::list_offsets(std::string_view topic, OffsetSpec spec) {
  return wait_for(*core_->client, core_->admin.list_offsets(std::string(topic), spec));
}
Result<Offset> Admin::delete_records(const Partition& partition, Offset before) {
  return wait_for(*core_->client, core_->admin.delete_records(partition, before));
}

Result<ClusterStatus> Admin::cluster_status() {
  return wait_for(*core_->client, core_->admin.cluster_status());
}
Result<> Admin::move_partition(const Partition& partition, const std::vector<NodeId>& replicas) {
  return wait_for(*core_->client, core_->admin.move_partition(partition, replicas));
}
Result<> Admin::cancel_move(const Partition& partition) {
  return wait_for(*core_->client, core_->admin.move_partition(partition, {}));
}
Result<std::vector<MoveInfo>> Admin::list_moves() {
  return wait_for(*core_->client, core_->admin.list_moves());
}
Result<uint32_t> Admin::drain_broker(NodeId broker, bool undo) {
  return wait_for(*core_->client, core_->admin.drain_broker(broker, undo));
}
Result<BrokerIdentity> Admin::identify() {
  return wait_for(*core_->client, core_->admin.identify());
}
Result<> Admin::join_cluster(const BrokerIdentity& broker) {
  return wait_for(*core_->client, core_->admin.join_cluster(broker));
}
Result<> Admin::leave_cluster(NodeId broker) {
  return wait_for(*core_->client, core_->admin.leave_cluster(broker));
}

}  // namespace sluice::client
