#include "broker/metadata/image.h"

#include <algorithm>

namespace sluice::broker {

MetadataImage::TopicPointer MetadataImage::topic(const Uuid& id) const {
  const TopicPointer* found = topics.find(id);
  return found == nullptr ? nullptr : *found;
}

MetadataImage::TopicPointer MetadataImage::topic(std::string_view name) const {
  const Uuid* id = topic_ids.find(std::string(name));
  return id == nullptr ? nullptr : topic(*id);
}

std::vector<MetadataImage::TopicPointer> MetadataImage::topics_by_name() const {
  std::vector<TopicPointer> sorted;
  sorted.reserve(topics.size());
  topics.for_each([&](const Uuid&, const TopicPointer& topic) { sorted.push_back(topic); });
  std::ranges::sort(sorted, {},
                    [](const TopicPointer& t) -> const std::string& { return t->name; });
  return sorted;
}

const BrokerImage* MetadataImage::broker(NodeId id) const {
  const auto at = std::ranges::find(brokers, id, &BrokerImage::id);
  return at == brokers.end() ? nullptr : &*at;
}

std::string folded_topic_name(std::string_view name) {
  std::string folded(name);
  std::ranges::replace(folded, '.', '_');
  return folded;
}

}  // namespace sluice::broker
