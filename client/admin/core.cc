#include "client/admin/core.h"

#include <set>
#include <utility>

#include "base/uuid.h"

namespace sluice::client {
namespace {

std::string id_text(const std::string& bytes) {
  return bytes.size() == Uuid::kSize ? Uuid::from_bytes(as_bytes(bytes)).text() : std::string();
}

Result<> result_of(const native::ErrorInfo& error, std::string_view what) {
  if (error.code() == 0) return {};
  return fail(Error(errc_from_wire(error.code()),
                    error.message().empty() ? std::string(text_of(errc_from_wire(error.code())))
                                            : error.message())
                  .with_context(what));
}

template <class Repeated>
std::vector<FollowerInfo> followers(const Repeated& said) {
  std::vector<FollowerInfo> out;
  for (const auto& follower : said) {
    out.push_back({.id = NodeId(follower.node_id()),
                   .log_end = Offset(follower.log_end()),
                   .behind = Milliseconds(follower.behind_ms())});
  }
  return out;
}

PartitionInfo partition_info(const native::DescribeTopicResponse::Partition& said) {
  return {.id = PartitionId(said.id()),
          .leader = NodeId(said.leader()),
          .leader_epoch = LeaderEpoch(said.leader_epoch()),
          .replicas = nodes_of(said.replicas()),
          .in_sync = nodes_of(said.in_sync()),
          .log_start = Offset(said.log_start()),
          .high_watermark = Offset(said.high_watermark()),
          .log_end = Offset(said.log_end()),
          .synced_end = Offset(said.synced_end()),
          .bytes = said.bytes(),
          .problem = said.problem(),
          .followers = followers(said.followers()),
          .eligible = nodes_of(said.eligible()),
          .adding = nodes_of(said.adding()),
          .removing = nodes_of(said.removing()),
          .damaged = nodes_of(said.damaged())};
}

native::ListOffsetsRequest::Special special(OffsetSpec::Kind kind) {
  switch (kind) {
    case OffsetSpec::Kind::earliest:
      return native::ListOffsetsRequest::EARLIEST;
    case OffsetSpec::Kind::latest:
      return native::ListOffsetsRequest::LATEST;
    case OffsetSpec::Kind::max_timestamp:
      return native::ListOffsetsRequest::MAX_TIMESTAMP;
    case OffsetSpec::Kind::at_timestamp:
      return native::ListOffsetsRequest::TIMESTAMP;
  }
  return native::ListOffsetsRequest::LATEST;
}

/// How often a request to a leader is made before its error is told.
constexpr uint32_t kTries = 6;

bool leader_moved(const Error& why) {
  return why == Errc::not_leader || why == Errc::fenced_leader_epoch ||
         why == Errc::unknown_leader_epoch || why == Errc::not_controller;
}

std::string label_of(const std::string& topic, int32_t partition) {
  return topic + "-" + std::to_string(partition);
}

/// Those of the leader, who knows how far the partition is.
void take_status(const PartitionInfo& said, PartitionInfo& partition) {
  partition.log_start = said.log_start;
  partition.high_watermark = said.high_watermark;
  partition.log_end = said.log_end;
  partition.synced_end = said.synced_end;
  partition.bytes = said.bytes;
  partition.problem = said.problem;
  partition.followers = said.followers;
}

}  // namespace

io::Task<Result<ClusterInfo>> AdminCore::cluster() {
  auto answer = co_await cluster_.metadata({});
  if (!answer) co_return fail(std::move(answer).error());
  ClusterInfo info{.cluster_id = answer->cluster_id(),
                   .controller = NodeId(answer->controller()),
                   .brokers = {}};
  for (const auto& broker : answer->brokers()) {
    info.brokers.push_back({.id = NodeId(broker.node_id()),
                            .host = broker.host(),
                            .port = static_cast<uint16_t>(broker.port()),
                            .rack = broker.rack()});
  }
  co_return info;
}

io::Task<Result<std::vector<TopicSummary>>> AdminCore::list_topics() {
  native::MetadataRequest request;
  request.set_all(true);
  auto answer = co_await cluster_.metadata(std::move(request));
  if (!answer) co_return fail(std::move(answer).error());
  std::vector<TopicSummary> topics;
  for (const auto& topic : answer->topics()) {
    topics.push_back(
        {.name = topic.name(),
         .id = id_text(topic.id()),
         .internal = topic.internal(),
         .partitions = static_cast<uint32_t>(topic.partitions_size()),
         .replication_factor = topic.partitions().empty()
                                   ? 0
                                   : static_cast<uint32_t>(topic.partitions(0).replicas_size())});
  }
  co_return topics;
}

io::Task<Result<TopicInfo>> AdminCore::describe_topic(std::string name) {
  native::RequestHeader request;
  request.mutable_describe_topic()->mutable_topic()->set_name(name);
  auto answer = co_await cluster_.ask(std::move(request));
  if (!answer) co_return fail(std::move(answer).error());
  const auto& said = answer->describe_topic();
  TopicInfo info{.name = said.name(), .id = id_text(said.id()), .partitions = {}, .configs = {}};
  for (const auto& partition : said.partitions()) {
    info.partitions.push_back(partition_info(partition));
  }
  for (const auto& config : said.configs()) {
    info.configs.push_back({.key = config.key(),
                            .value = config.value(),
                            .source = config.source(),
                            .documentation = config.documentation()});
  }
  co_return co_await complete(std::move(info), std::move(name));
}

/// How far each partition is, which only its leader knows, and where its replicas are away.
io::Task<Result<TopicInfo>> AdminCore::complete(TopicInfo info, std::string name) {
  native::MetadataRequest ask;
  ask.add_topics()->set_name(name);
  auto metadata = co_await cluster_.metadata(std::move(ask));
  if (!metadata) co_return fail(std::move(metadata).error());
  if (metadata->topics_size() != 1) co_return info;
  std::set<NodeId> leaders;
  for (const auto& said : metadata->topics(0).partitions()) {
    const auto at = static_cast<size_t>(said.id());
    if (at >= info.partitions.size()) continue;
    info.partitions[at].offline = nodes_of(said.offline());
    if (said.leader() >= 0) leaders.insert(NodeId(said.leader()));
  }
  // Who was asked knows all.
  if (metadata->brokers_size() == 1) co_return info;
  native::RequestHeader request;
  request.mutable_describe_topic()->mutable_topic()->set_name(name);
  for (const NodeId leader : leaders) {
    auto answer = co_await ask_at(leader, request);
    for (PartitionInfo& partition : info.partitions) {
      if (partition.leader != leader) continue;
      if (!answer) {
        partition.problem = "its leader: " + std::string(answer.error().message());
        continue;
      }
      const int at = partition.id.value();
      if (at >= answer->describe_topic().partitions_size()) continue;
      take_status(partition_info(answer->describe_topic().partitions(at)), partition);
    }
  }
  co_return info;
}

io::Task<Result<CreatedTopic>> AdminCore::create_topic(NewTopic topic) {
  native::RequestHeader request;
  auto& create = *request.mutable_create_topic();
  create.set_name(topic.name);
  create.set_partitions(topic.partitions);
  create.set_replication_factor(topic.replication_factor);
  create.set_validate_only(topic.validate_only);
  for (const auto& [key, value] : topic.configs) {
    auto& entry = *create.add_configs();
    entry.set_key(key);
    entry.set_value(value);
  }
  auto answer = co_await cluster_.ask(std::move(request));
  if (!answer) co_return fail(std::move(answer).error());
  const auto& said = answer->create_topic();
  co_return CreatedTopic{.id = id_text(said.id()),
                         .partitions = said.partitions(),
                         .replication_factor = said.replication_factor()};
}

io::Task<Result<>> AdminCore::delete_topic(std::string name) {
  native::RequestHeader request;
  request.mutable_delete_topic()->mutable_topic()->set_name(name);
  auto answer = co_await cluster_.ask(std::move(request));
  if (!answer) co_return fail(std::move(answer).error());
  co_return Result<>{};
}

io::Task<Result<>> AdminCore::alter_topic(std::string name, std::map<std::string, std::string> set,
                                          std::vector<std::string> remove, bool validate_only) {
  native::RequestHeader request;
  auto& alter = *request.mutable_alter_topic();
  alter.mutable_topic()->set_name(name);
  alter.set_validate_only(validate_only);
  for (const auto& [key, value] : set) {
    auto& entry = *alter.add_set();
    entry.set_key(key);
    entry.set_value(value);
  }
  for (auto& key : remove) alter.add_remove(std::move(key));
  auto answer = co_await cluster_.ask(std::move(request));
  if (!answer) co_return fail(std::move(answer).error());
  co_return Result<>{};
}

io::Task<Result<>> AdminCore::add_partitions(std::string name, uint32_t total, bool validate_only) {
  native::RequestHeader request;
  auto& add = *request.mutable_add_partitions();
  add.mutable_topic()->set_name(name);
  add.set_partitions(total);
  add.set_validate_only(validate_only);
  auto answer = co_await cluster_.ask(std::move(request));
  if (!answer) co_return fail(std::move(answer).error());
  co_return Result<>{};
}

io::Task<Result<native::ResponseHeader>> AdminCore::ask_at(NodeId node,
                                                           native::RequestHeader request) {
  auto connection = co_await cluster_.to(node);
  if (!connection) co_return fail(std::move(connection).error());
  auto answer = co_await (*connection)->call(request);
  if (!answer) co_return fail(std::move(answer).error());
  co_return std::move(answer->header);
}

io::Task<Result<std::vector<PartitionOffset>>> AdminCore::list_offsets(std::string topic,
                                                                       OffsetSpec spec) {
  for (uint32_t attempt = 1;; ++attempt) {
    auto offsets = co_await list_offsets_once(topic, spec);
    if (offsets || !leader_moved(offsets.error()) || attempt == kTries) co_return offsets;
    co_await io::sleep_for(cluster_.backoff(attempt));
  }
}

/// One request to each leader.
io::Task<Result<std::vector<PartitionOffset>>> AdminCore::list_offsets_once(std::string topic,
                                                                            OffsetSpec spec) {
  auto metadata = co_await cluster_.topic(topic, true);
  if (!metadata) co_return fail(std::move(metadata).error());
  std::map<NodeId, native::RequestHeader> by_leader;
  for (size_t i = 0; i < (*metadata)->leaders.size(); ++i) {
    auto& request = by_leader[(*metadata)->leaders[i].node];
    auto& partition = *request.mutable_list_offsets()->add_partitions();
    partition.set_topic_id((*metadata)->id);
    partition.set_partition(static_cast<int32_t>(i));
    partition.set_special(special(spec.kind));
    partition.set_timestamp(spec.timestamp.value());
  }
  std::vector<PartitionOffset> offsets((*metadata)->leaders.size());
  for (const auto& [leader, request] : by_leader) {
    if (leader.value() < 0) {
      co_return fail(Errc::not_leader,
                     label_of(topic, request.list_offsets().partitions(0).partition()) +
                         " has no leader now; see sluice topic describe " + topic);
    }
    auto answer = co_await ask_at(leader, request);
    if (!answer) co_return fail(std::move(answer).error());
    const auto& asked = request.list_offsets();
    if (answer->list_offsets().partitions_size() != asked.partitions_size()) {
      co_return fail(Errc::malformed_frame, "the broker did not answer for each partition");
    }
    for (int i = 0; i < asked.partitions_size(); ++i) {
      const auto& said = answer->list_offsets().partitions(i);
      const int32_t id = asked.partitions(i).partition();
      CO_RETURN_IF_ERROR(result_of(said.error(), label_of(topic, id)));
      offsets[static_cast<size_t>(id)] = {.partition = PartitionId(id),
                                          .offset = Offset(said.offset()),
                                          .timestamp = Timestamp(said.timestamp())};
    }
  }
  co_return offsets;
}

io::Task<Result<Offset>> AdminCore::delete_records(Partition partition, Offset before) {
  for (uint32_t attempt = 1;; ++attempt) {
    auto done = co_await delete_records_once(partition, before);
    if (done || !leader_moved(done.error()) || attempt == kTries) co_return done;
    co_await io::sleep_for(cluster_.backoff(attempt));
  }
}

io::Task<Result<Offset>> AdminCore::delete_records_once(Partition partition, Offset before) {
  auto metadata = co_await cluster_.topic(partition.topic, true);
  if (!metadata) co_return fail(std::move(metadata).error());
  native::RequestHeader request;
  auto& asked = *request.mutable_delete_records()->add_partitions();
  asked.set_topic_id((*metadata)->id);
  asked.set_partition(partition.id.value());
  asked.set_before(before.value());
  const auto at = static_cast<size_t>(partition.id.value());
  if (partition.id.value() < 0 || at >= (*metadata)->leaders.size()) {
    co_return fail(Errc::unknown_topic_or_partition,
                   "there is no " + label_of(partition.topic, partition.id.value()));
  }
  auto answer = co_await ask_at((*metadata)->leaders[at].node, std::move(request));
  if (!answer) co_return fail(std::move(answer).error());
  if (answer->delete_records().partitions_size() != 1) {
    co_return fail(Errc::malformed_frame, "the broker did not answer for one partition with one");
  }
  const auto& said = answer->delete_records().partitions(0);
  CO_RETURN_IF_ERROR(
      result_of(said.error(), partition.topic + "-" + std::to_string(partition.id.value())));
  co_return Offset(said.log_start());
}

}  // namespace sluice::client
