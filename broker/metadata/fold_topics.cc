#include <string>
#include <utility>

#include "broker/metadata/fold_draft.h"
#include "broker/metadata/partition_codec.h"

namespace sluice::broker {
namespace {

std::unexpected<Error> no_topic(const Uuid& id) {
  return fail(Errc::unknown_topic_id,
              "there is no topic with the id " + id.text() + "; it may have been deleted");
}

Result<> check_change(const std::string& name, const PartitionImage& before,
                      const cluster::PartitionChanged& record, const PartitionImage& to) {
  const std::string what = name + "-" + std::to_string(record.partition());
  if (before.partition_epoch != record.expected_epoch()) {
    return fail(Errc::fenced_leader_epoch,
                what + ": has partition epoch " + std::to_string(before.partition_epoch) +
                    " by now, not " + std::to_string(record.expected_epoch()) +
                    "; look again and repeat");
  }
  const bool new_leader = to.leader != before.leader;
  if (to.partition_epoch != before.partition_epoch + 1 || to.leader_epoch < before.leader_epoch ||
      (new_leader && to.leader_epoch == before.leader_epoch)) {
    return fail(Errc::invalid_argument, what + ": epochs grow with each change");
  }
  if (auto checked = check_partition(to); !checked) {
    return fail(std::move(checked).error().with_context(what));
  }
  return {};
}

}  // namespace

Result<> fold_record(FoldDraft& draft, const cluster::TopicCreated& record) {
  ASSIGN_OR_RETURN(const Uuid id, id_from(record.id()));
  MetadataImage& image = draft.image();
  if (image.topic_ids.find(record.name()) != nullptr || draft.topic(id) != nullptr) {
    return fail(Errc::topic_exists, "topic " + record.name() +
                                        " exists already; delete it first or choose another name");
  }
  const std::string folded = folded_topic_name(record.name());
  if (const Uuid* other = image.folded_names.find(folded)) {
    return fail(Errc::invalid_topic_name,
                record.name() + ": collides with " + draft.topic(*other)->name +
                    ", because '.' and '_' are the same in metric names; choose another name");
  }
  TopicImage topic{id, record.name(), {}, {}};
  for (const auto& config : record.configs()) topic.configs[config.key()] = config.value();
  topic.partitions.reserve(static_cast<size_t>(record.partitions_size()));
  for (const auto& partition : record.partitions()) {
    topic.partitions.push_back(partition_from(partition));
  }
  image.topic_ids.set(topic.name, id);
  image.folded_names.set(folded, id);
  image.partitions += topic.partitions.size();
  draft.add(std::move(topic));
  return {};
}

Result<> fold_record(FoldDraft& draft, const cluster::TopicDeleted& record) {
  ASSIGN_OR_RETURN(const Uuid id, id_from(record.id()));
  const auto topic = draft.topic(id);
  if (topic == nullptr) return no_topic(id);
  MetadataImage& image = draft.image();
  draft.remove(id);
  image.topic_ids.erase(topic->name);
  image.folded_names.erase(folded_topic_name(topic->name));
  image.partitions -= topic->partitions.size();
  image.deleted_topics = appended(image.deleted_topics, id, kDeletedTopics);
  return {};
}

Result<> fold_record(FoldDraft& draft, const cluster::PartitionsAdded& record) {
  ASSIGN_OR_RETURN(const Uuid id, id_from(record.topic_id()));
  const auto before = draft.topic(id);
  if (before == nullptr) return no_topic(id);
  if (std::cmp_not_equal(before->partitions.size(), record.first())) {
    return fail(Errc::invalid_partitions, before->name + ": has " +
                                              std::to_string(before->partitions.size()) +
                                              " partitions by now; look again and repeat");
  }
  TopicImage& topic = draft.edit(id);
  for (const auto& partition : record.partitions()) {
    topic.partitions.push_back(partition_from(partition));
  }
  draft.image().partitions += static_cast<uint64_t>(record.partitions_size());
  return {};
}

Result<> fold_record(FoldDraft& draft, const cluster::TopicConfigSet& record) {
  ASSIGN_OR_RETURN(const Uuid id, id_from(record.topic_id()));
  if (draft.topic(id) == nullptr) return no_topic(id);
  TopicImage& topic = draft.edit(id);
  if (record.has_value()) {
    topic.configs[record.key()] = record.value();
  } else {
    topic.configs.erase(record.key());
  }
  if (record.key() != "min.insync.replicas") return {};
  // Who left the set under the old bound may miss what the new one lets commit.
  for (PartitionImage& partition : topic.partitions) {
    if (partition.eligible.empty()) continue;
    partition.eligible.clear();
    ++partition.partition_epoch;
  }
  return {};
}

Result<> fold_record(FoldDraft& draft, const cluster::PartitionChanged& record) {
  ASSIGN_OR_RETURN(const Uuid id, id_from(record.topic_id()));
  const auto topic = draft.topic(id);
  if (topic == nullptr) return no_topic(id);
  if (record.partition() < 0 ||
      std::cmp_greater_equal(record.partition(), topic->partitions.size())) {
    return fail(Errc::unknown_topic_or_partition,
                topic->name + " has no partition " + std::to_string(record.partition()));
  }
  const auto index = static_cast<size_t>(record.partition());
  PartitionImage to = partition_from(record.to());
  RETURN_IF_ERROR(check_change(topic->name, topic->partitions[index], record, to));
  draft.edit(id).partitions[index] = std::move(to);
  return {};
}

}  // namespace sluice::broker
