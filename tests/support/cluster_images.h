#pragma once

#include <array>
#include <functional>
#include <initializer_list>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "broker/metadata/fold.h"
#include "broker/metadata/partition_codec.h"

namespace sluice::testing {

inline std::vector<NodeId> nodes(std::initializer_list<int32_t> ids) {
  std::vector<NodeId> made;
  for (const int32_t id : ids) made.push_back(NodeId{id});
  return made;
}

inline Uuid topic_id(uint8_t number) {
  std::array<std::byte, Uuid::kSize> bytes{};
  bytes[0] = std::byte{number};
  return Uuid(bytes);
}
inline std::string bytes_text(const Uuid& id) { return std::string(as_text(id.bytes())); }

/// In sync and led by the first.
inline broker::PartitionImage partition_of(std::vector<NodeId> replicas) {
  broker::PartitionImage partition;
  partition.in_sync = replicas;
  partition.leader = replicas.front();
  partition.replicas = std::move(replicas);
  return partition;
}

/// An image that grows command by command, as the brokers of a cluster have it.
class FoldedCluster {
 public:
  using Records = std::vector<cluster::MetadataRecord>;

  Result<> fold_in(Records records) {
    cluster::MetadataCommand command;
    command.set_id(bytes_text(Uuid::random(random_)));
    for (auto& record : records) *command.add_records() = std::move(record);
    ASSIGN_OR_RETURN(image, broker::fold(image, command, image.version + 1));
    if (on_fold) on_fold();
    return {};
  }
  Result<> fold_in(cluster::MetadataRecord record) {
    Records records;
    records.push_back(std::move(record));
    return fold_in(std::move(records));
  }
  Result<> register_broker(int32_t id, bool unclean = false, const std::string& rack = "",
                           const Uuid& directory = {}) {
    cluster::MetadataRecord record;
    auto& broker = *record.mutable_broker_registered();
    broker.set_node_id(id);
    broker.set_host("broker-" + std::to_string(id));
    broker.set_port(9092);
    broker.set_rack(rack);
    broker.set_unclean(unclean);
    if (!directory.is_zero()) broker.set_directory_id(bytes_text(directory));
    return fold_in(std::move(record));
  }
  Result<> set_fenced(int32_t id, bool fenced) {
    cluster::MetadataRecord record;
    if (fenced) {
      record.mutable_broker_fenced()->set_node_id(id);
      record.mutable_broker_fenced()->set_epoch(epoch_of(id));
    } else {
      record.mutable_broker_unfenced()->set_node_id(id);
      record.mutable_broker_unfenced()->set_epoch(epoch_of(id));
    }
    return fold_in(std::move(record));
  }
  /// Brokers 1, 2, ... that serve.
  void start_brokers(int32_t count, int racks = 1) {
    for (int32_t id = 1; id <= count; ++id) {
      const std::string rack(1, static_cast<char>('a' + id % racks));
      ASSERT_TRUE(register_broker(id, false, rack));
      ASSERT_TRUE(set_fenced(id, false));
    }
  }
  Result<> create(uint8_t number, const std::vector<broker::PartitionImage>& partitions,
                  const broker::ConfigMap& configs = {}) {
    cluster::MetadataRecord record;
    auto& topic = *record.mutable_topic_created();
    topic.set_id(bytes_text(topic_id(number)));
    topic.set_name("topic-" + std::to_string(number));
    for (const auto& partition : partitions) {
      broker::partition_to(partition, *topic.add_partitions());
    }
    for (const auto& [key, value] : configs) {
      auto& config = *topic.add_configs();
      config.set_key(key);
      config.set_value(value);
    }
    return fold_in(std::move(record));
  }
  const broker::PartitionImage& partition(uint8_t topic, size_t index = 0) const {
    return image.topic(topic_id(topic))->partitions[index];
  }
  uint64_t epoch_of(int32_t id) const {
    const auto* broker = image.broker(NodeId{id});
    return broker == nullptr ? 0 : broker->epoch;
  }

  broker::MetadataImage image;
  /// Called after each command.
  std::function<void()> on_fold;

 private:
  SeededRandom random_{7};
};

}  // namespace sluice::testing
