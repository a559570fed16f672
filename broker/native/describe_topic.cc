#include "broker/native/connection.h"
#include "broker/native/wire.h"

namespace sluice::broker {
namespace {

const char* name_of(TopicDescription::Source source) {
  switch (source) {
    case TopicDescription::Source::fallback:
      return "default";
    case TopicDescription::Source::broker:
      return "broker";
    case TopicDescription::Source::topic:
      return "topic";
  }
}

void put_partition(const TopicDescription::Partition& partition,
                   native::DescribeTopicResponse::Partition& to) {
  to.set_id(partition.id.value());
  to.set_leader(partition.leadership.leader.value());
  to.set_leader_epoch(partition.leadership.epoch.value());
  put_nodes(partition.replicas, *to.mutable_replicas());
  put_nodes(partition.in_sync, *to.mutable_in_sync());
  put_nodes(partition.eligible, *to.mutable_eligible());
  put_nodes(partition.adding, *to.mutable_adding());
  put_nodes(partition.removing, *to.mutable_removing());
  put_nodes(partition.damaged, *to.mutable_damaged());
  put_followers(partition.followers, *to.mutable_followers());
  const auto& status = partition.status;
  to.set_log_start(status.log_start.value());
  to.set_high_watermark(status.high_watermark.value());
  to.set_log_end(status.log_end.value());
  to.set_synced_end(status.synced_end.value());
  to.set_bytes(status.bytes);
  to.set_problem(status.problem);
}

}  // namespace

io::Task<Result<>> answer_describe_topic(NativeCall& call) {
  CO_ASSIGN_OR_RETURN(auto topic, decode_topic_ref(call.request.describe_topic().topic()));
  auto& service = call.connection.services().topics;
  CO_ASSIGN_OR_RETURN(const auto found,
                      co_await service.describe(call.connection.principal(), std::move(topic)));
  auto& answer = *call.response.mutable_describe_topic();
  answer.set_name(found.name);
  answer.set_id(std::string(encode_topic_id(found.id)));
  for (const auto& config : found.configs) {
    auto& to = *answer.add_configs();
    to.set_key(config.key);
    to.set_value(config.value);
    to.set_source(name_of(config.source));
    to.set_documentation(config.documentation);
  }
  for (const auto& partition : found.partitions) put_partition(partition, *answer.add_partitions());
  co_return Result<>{};
}

}  // namespace sluice::broker
