#include "broker/readiness.h"

#include <algorithm>

#include "broker/replication/partition.h"
#include "broker/service/describe_cluster.h"

namespace sluice::broker {
namespace {

constexpr size_t kNamesShown = 5;

bool is_served(const MetadataImage& image, NodeId leader) {
  const BrokerImage* broker = image.broker(leader);
  return broker != nullptr && !broker->fenced;
}

}  // namespace

std::vector<std::string> catching_up(const MetadataImage& image, const PartitionTable& table,
                                     NodeId self) {
  std::vector<std::string> names;
  image.topics.for_each([&](const Uuid& id, const MetadataImage::TopicPointer& topic) {
    for (size_t i = 0; i < topic->partitions.size(); ++i) {
      const PartitionImage& image_of = topic->partitions[i];
      if (!is_behind(image_of, self) || !is_served(image, image_of.leader)) continue;
      const auto partition = table.find({id, PartitionId{static_cast<int32_t>(i)}});
      if (partition == nullptr || partition->stopped() || partition->log().damage()) continue;
      names.push_back(topic->name + "-" + std::to_string(i));
    }
  });
  return names;
}

std::string listed(const std::vector<std::string>& names, std::string_view noun) {
  std::string text = std::to_string(names.size()) + " " + std::string(noun);
  if (names.size() != 1) text += "s";
  for (size_t i = 0; i < std::min(names.size(), kNamesShown); ++i) {
    text += (i == 0 ? ": " : ", ") + names[i];
  }
  if (names.size() > kNamesShown) text += ", ...";
  return text;
}

}  // namespace sluice::broker
