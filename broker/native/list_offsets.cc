#include "broker/native/connection.h"
#include "broker/native/wire.h"

namespace sluice::broker {
namespace {

Result<OffsetQuery::Kind> decode_kind(native::ListOffsetsRequest::Special special) {
  switch (special) {
    case native::ListOffsetsRequest::TIMESTAMP:
      return OffsetQuery::Kind::at_time;
    case native::ListOffsetsRequest::EARLIEST:
      return OffsetQuery::Kind::earliest;
    case native::ListOffsetsRequest::LATEST:
      return OffsetQuery::Kind::latest;
    case native::ListOffsetsRequest::MAX_TIMESTAMP:
      return OffsetQuery::Kind::max_timestamp;
    default:
      return fail(Errc::invalid_argument,
                  "there is no special offset " + std::to_string(static_cast<int>(special)));
  }
}

Result<OffsetQuery> decode_query(const native::ListOffsetsRequest::Partition& partition) {
  OffsetQuery query;
  ASSIGN_OR_RETURN(query.key.topic_id, decode_topic_id(partition.topic_id()));
  ASSIGN_OR_RETURN(query.kind, decode_kind(partition.special()));
  query.key.partition = PartitionId{partition.partition()};
  query.at = Timestamp{partition.timestamp()};
  if (partition.has_leader_epoch()) query.leader_epoch = LeaderEpoch{partition.leader_epoch()};
  return query;
}

}  // namespace

io::Task<Result<>> answer_list_offsets(NativeCall& call) {
  const auto& request = call.request.list_offsets();
  std::vector<OffsetQuery> queries;
  for (const auto& partition : request.partitions()) {
    CO_ASSIGN_OR_RETURN(auto query, decode_query(partition));
    queries.push_back(query);
  }
  const auto isolation = request.isolation() == native::FetchRequest::READ_COMMITTED
                             ? Isolation::read_committed
                             : Isolation::read_uncommitted;
  auto& service = call.connection.services().list_offsets;
  const auto results = co_await service.list(call.connection.principal(), queries, isolation);
  auto& answer = *call.response.mutable_list_offsets();
  for (const auto& result : results) {
    auto& to = *answer.add_partitions();
    if (result.error) put_error(*to.mutable_error(), *result.error);
    to.set_offset(result.offset.value());
    to.set_timestamp(result.timestamp.value());
    to.set_leader_epoch(result.leader_epoch.value());
  }
  co_return Result<>{};
}

}  // namespace sluice::broker
