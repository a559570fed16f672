#include "broker/service/topics.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "broker/metadata/partition_codec.h"
#include "broker/metadata/placement.h"
#include "broker/service/topic_name.h"
#include "broker/service/topics_ports.h"
#include "io/loop.h"

namespace sluice::broker {
namespace {

using TopicPointer = MetadataImage::TopicPointer;
using Records = std::vector<cluster::MetadataRecord>;

std::string bytes_of(const Uuid& id) { return std::string(as_text(id.bytes())); }

std::string counted(uint64_t n, std::string_view what) {
  return std::to_string(n) + " " + std::string(what) + (n == 1 ? "" : "s");
}

Result<TopicPointer> find_topic(const MetadataImage& image, const TopicRef& ref) {
  if (ref.id) {
    if (auto topic = image.topic(*ref.id)) return topic;
  } else if (auto topic = image.topic(ref.name)) {
    return topic;
  }
  return fail(unknown_topic(ref));
}

Result<> check_room(const MetadataImage& image, uint64_t more, const TopicDefaults& defaults) {
  if (more <= defaults.max_partitions - std::min(defaults.max_partitions, image.partitions)) {
    return {};
  }
  return fail(Errc::too_many, counted(more, "more partition") + " on top of " +
                                  std::to_string(image.partitions) + " are above max.partitions " +
                                  std::to_string(defaults.max_partitions) +
                                  "; ask for fewer, delete topics or raise the limit");
}

Result<ConfigMap> config_map(const std::vector<ConfigValue>& values) {
  ConfigMap configs;
  for (const ConfigValue& value : values) {
    if (!configs.emplace(value.key, value.value).second) {
      return fail(Errc::invalid_config, value.key + " is given twice; give it once");
    }
  }
  return configs;
}

Result<> check_name_is_free(const MetadataImage& image, const std::string& name) {
  if (image.topic(name) != nullptr) {
    return fail(Errc::topic_exists,
                "topic " + name + " exists already; delete it first or choose another name");
  }
  const Uuid* other = image.folded_names.find(folded_topic_name(name));
  if (other == nullptr) return {};
  return fail(Errc::invalid_topic_name,
              "topic name \"" + name + "\" collides with " + image.topic(*other)->name +
                  ", because '.' and '_' are the same in metric names; choose another name");
}

cluster::MetadataRecord deletion_of(const Uuid& id) {
  cluster::MetadataRecord record;
  record.mutable_topic_deleted()->set_id(bytes_of(id));
  return record;
}

}  // namespace

io::Task<Result<CreatedTopic>> Topics::create(Principal /*principal*/, CreateTopic request) {
  CO_RETURN_IF_ERROR(check_topic_name(request.name));
  auto growing = co_await growing_.lock();
  const auto image = ports_.store.image();
  CreatedTopic created{{},
                       request.partitions == 0 ? ports_.defaults.partitions : request.partitions,
                       request.replication_factor == 0 ? ports_.defaults.replication_factor
                                                       : request.replication_factor};
  CO_RETURN_IF_ERROR(check_name_is_free(*image, request.name));
  CO_RETURN_IF_ERROR(check_room(*image, created.partitions, ports_.defaults));
  CO_ASSIGN_OR_RETURN(const auto placed, place(*image, created.partitions,
                                               created.replication_factor, ports_.random.next()));
  CO_ASSIGN_OR_RETURN(ConfigMap configs, config_map(request.configs));
  configs.insert(ports_.defaults.at_creation.begin(), ports_.defaults.at_creation.end());
  CO_RETURN_IF_ERROR(topic_options(ports_.defaults.options, configs));
  if (request.validate_only) co_return created;

  created.id = Uuid::random(ports_.random);
  Records records(1);
  auto& topic = *records.front().mutable_topic_created();
  topic.set_id(bytes_of(created.id));
  topic.set_name(request.name);
  for (const auto& partition : placed) partition_to(partition, *topic.add_partitions());
  for (const auto& [key, value] : configs) {
    auto& config = *topic.add_configs();
    config.set_key(key);
    config.set_value(value);
  }
  CO_RETURN_IF_ERROR(co_await ports_.store.commit(std::move(records)));
  growing.unlock();
  co_await ports_.partitions.follow(ports_.store.image(), request.name);
  CO_RETURN_IF_ERROR(co_await undo_unless_served(created, request.name));
  co_return created;
}

io::Task<Result<>> Topics::undo_unless_served(CreatedTopic created, std::string name) {
  for (uint32_t i = 0; i < created.partitions; ++i) {
    const PartitionKey key{created.id, PartitionId{static_cast<int32_t>(i)}};
    auto failure = ports_.partitions.failure_of(key);
    if (!failure) continue;
    // A topic that cannot be used is worse than none.
    Records records;
    records.push_back(deletion_of(created.id));
    CO_RETURN_IF_ERROR(co_await ports_.store.commit(std::move(records)));
    co_await ports_.partitions.follow(ports_.store.image(), std::move(name));
    co_return fail(std::move(*failure));
  }
  co_return Result<>{};
}

io::Task<Result<>> Topics::remove(Principal /*principal*/, TopicRef ref) {
  CO_ASSIGN_OR_RETURN(const TopicPointer topic, find_topic(*ports_.store.image(), ref));
  Records records;
  records.push_back(deletion_of(topic->id));
  CO_RETURN_IF_ERROR(co_await ports_.store.commit(std::move(records)));
  co_await ports_.partitions.follow(ports_.store.image(), topic->name);
  co_return Result<>{};
}

io::Task<Result<>> Topics::alter(Principal /*principal*/, AlterTopic request) {
  CO_ASSIGN_OR_RETURN(const TopicPointer topic, find_topic(*ports_.store.image(), request.topic));
  CO_ASSIGN_OR_RETURN(const ConfigMap set, config_map(request.set));
  ConfigMap configs = topic->configs;
  Records records;
  const auto record_for = [&](const std::string& key) -> cluster::TopicConfigSet& {
    auto& record = *records.emplace_back().mutable_topic_config_set();
    record.set_topic_id(bytes_of(topic->id));
    record.set_key(key);
    return record;
  };
  for (const std::string& key : request.remove) {
    if (topic_settings().find(key) == nullptr && !configs.contains(key)) {
      co_return fail(Errc::invalid_config, key + " is no topic config; did you mean " +
                                               nearest_key(topic_settings().specs(), key) + "?");
    }
    configs.erase(key);
    auto& record = record_for(key);
    if (const auto back = ports_.defaults.at_creation.find(key);
        back != ports_.defaults.at_creation.end()) {
      configs.insert(*back);
      record.set_value(back->second);
    }
  }
  for (const auto& [key, value] : set) {
    configs.insert_or_assign(key, value);
    record_for(key).set_value(value);
  }
  CO_RETURN_IF_ERROR(topic_options(ports_.defaults.options, configs));
  if (request.validate_only || records.empty()) co_return Result<>{};
  CO_RETURN_IF_ERROR(co_await ports_.store.commit(std::move(records)));
  co_await ports_.partitions.follow(ports_.store.image(), topic->name);
  co_return Result<>{};
}

io::Task<Result<>> Topics::add_partitions(Principal /*principal*/, AddPartitions request) {
  auto growing = co_await growing_.lock();
  const auto image = ports_.store.image();
  CO_ASSIGN_OR_RETURN(const TopicPointer topic, find_topic(*image, request.topic));
  const auto now = static_cast<uint32_t>(topic->partitions.size());
  if (request.partitions <= now) {
    co_return fail(Errc::invalid_partitions, "topic " + topic->name + " has " +
                                                 counted(now, "partition") +
                                                 "; the new total must be larger than that, not " +
                                                 std::to_string(request.partitions));
  }
  CO_RETURN_IF_ERROR(check_room(*image, request.partitions - now, ports_.defaults));
  // As many replicas as the others have that are not on a move.
  const PartitionImage& first = topic->partitions.front();
  const auto replication = static_cast<uint32_t>(first.replicas.size() - first.adding.size());
  CO_ASSIGN_OR_RETURN(const auto placed,
                      place(*image, request.partitions - now, replication, ports_.random.next()));
  if (request.validate_only) co_return Result<>{};
  Records records(1);
  auto& added = *records.front().mutable_partitions_added();
  added.set_topic_id(bytes_of(topic->id));
  added.set_first(static_cast<int32_t>(now));
  for (const auto& partition : placed) partition_to(partition, *added.add_partitions());
  CO_RETURN_IF_ERROR(co_await ports_.store.commit(std::move(records)));
  growing.unlock();
  co_await ports_.partitions.follow(ports_.store.image(), topic->name);
  for (uint32_t i = now; i < request.partitions; ++i) {
    const PartitionKey key{topic->id, PartitionId{static_cast<int32_t>(i)}};
    if (auto failure = ports_.partitions.failure_of(key)) co_return fail(std::move(*failure));
  }
  co_return Result<>{};
}

TopicDescription::Partition Topics::describe_partition(const TopicImage& topic,
                                                       size_t index) const {
  const PartitionImage& image = topic.partitions[index];
  const PartitionKey key{topic.id, PartitionId{static_cast<int32_t>(index)}};
  TopicDescription::Partition shown{.id = key.partition,
                                    .leadership = {image.leader, image.leader_epoch},
                                    .replicas = image.replicas,
                                    .in_sync = image.in_sync,
                                    .eligible = image.eligible,
                                    .adding = image.adding,
                                    .removing = image.removing,
                                    .damaged = image.damaged};
  if (const auto partition = ports_.table.find(key)) {
    shown.status = partition->status();
    shown.followers = partition->followers(io::Loop::current()->now());
  } else if (const auto failure = ports_.partitions.failure_of(key)) {
    shown.status.problem = failure->message();
  }
  return shown;
}

io::Task<Result<TopicDescription>> Topics::describe(Principal /*principal*/, TopicRef ref) {
  CO_ASSIGN_OR_RETURN(const TopicPointer topic, find_topic(*ports_.store.image(), ref));
  TopicDescription description{.name = topic->name, .id = topic->id};
  description.configs = describe_topic_config(ports_.defaults.options, topic->configs);
  for (size_t i = 0; i < topic->partitions.size(); ++i) {
    description.partitions.push_back(describe_partition(*topic, i));
  }
  co_return description;
}

std::vector<MoveDescription> Topics::moves(const Principal& /*principal*/) const {
  std::vector<MoveDescription> moves;
  for (const TopicPointer& topic : ports_.store.image()->topics_by_name()) {
    for (size_t i = 0; i < topic->partitions.size(); ++i) {
      const PartitionImage& partition = topic->partitions[i];
      if (partition.adding.empty() && partition.removing.empty()) continue;
      moves.push_back({topic->name, describe_partition(*topic, i)});
    }
  }
  return moves;
}

}  // namespace sluice::broker
