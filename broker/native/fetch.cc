#include <algorithm>
#include <optional>
#include <string>

#include "broker/native/cluster.h"
#include "broker/native/connection.h"
#include "broker/native/wire.h"

namespace sluice::broker {
namespace {

constexpr Duration kLongestWait = std::chrono::minutes(5);
/// Of a request that holds memory while it waits.
constexpr Duration kLongestLargeWait = std::chrono::seconds(1);
/// What one answer carries at most, whatever the reader asks for.
constexpr size_t kMostBytes = 64_MiB;

Result<FetchTarget> decode_target(const native::FetchRequest::Partition& partition) {
  FetchTarget target;
  ASSIGN_OR_RETURN(target.key.topic_id, decode_topic_id(partition.topic_id()));
  target.key.partition = PartitionId{partition.partition()};
  target.offset = Offset{partition.offset()};
  target.max_bytes = partition.max_bytes();
  if (partition.has_leader_epoch()) target.leader_epoch = LeaderEpoch{partition.leader_epoch()};
  if (partition.has_last_fetched_epoch()) {
    target.last_fetched_epoch = LeaderEpoch{partition.last_fetched_epoch()};
  }
  if (partition.has_synced_end()) target.synced_end = Offset{partition.synced_end()};
  if (partition.has_corrupt_at()) target.corrupt_at = Offset{partition.corrupt_at()};
  if (partition.has_log_start()) target.log_start = Offset{partition.log_start()};
  return target;
}

/// What a request names, owned: the request itself may be long gone while it waits.
struct Named {
  std::vector<FetchTarget> partitions;
  std::vector<PartitionKey> forgotten;
};

Result<Named> decode_named(const native::FetchRequest& request) {
  Named named;
  named.partitions.reserve(static_cast<size_t>(request.partitions_size()));
  for (const auto& partition : request.partitions()) {
    ASSIGN_OR_RETURN(auto target, decode_target(partition));
    named.partitions.push_back(target);
  }
  named.forgotten.reserve(static_cast<size_t>(request.forgotten_size()));
  for (const auto& forgotten : request.forgotten()) {
    ASSIGN_OR_RETURN(const auto topic, decode_topic_id(forgotten.topic_id()));
    named.forgotten.push_back({topic, PartitionId{forgotten.partition()}});
  }
  return named;
}

void put_fetched(const FetchedPartition& fetched, native::FetchResponse::Partition& to) {
  to.set_topic_id(std::string(encode_topic_id(fetched.key.topic_id)));
  to.set_partition(fetched.key.partition.value());
  if (fetched.error) put_error(*to.mutable_error(), *fetched.error);
  to.set_high_watermark(fetched.high_watermark.value());
  to.set_last_stable(fetched.last_stable.value());
  to.set_log_start(fetched.log_start.value());
  to.set_size(static_cast<uint32_t>(fetched.slice.length));
  if (fetched.leadership) {
    to.set_leader(fetched.leadership->leader.value());
    to.set_leader_epoch(fetched.leadership->epoch.value());
  }
  if (fetched.divergence) {
    to.set_diverging_epoch(fetched.divergence->epoch.value());
    to.set_diverging_end(fetched.divergence->end.value());
  }
}

std::optional<ReplicaIdentity> decode_replica(const native::FetchRequest& request) {
  if (!request.has_replica_id()) return std::nullopt;
  return ReplicaIdentity{.node = NodeId{request.replica_id()},
                         .broker_epoch = request.broker_epoch()};
}

/// What a replica says that it has moves the high watermark: only the broker itself may say so, and
/// only in the epoch that it is registered with.
Result<> check_replica(const NativeCall& call, const std::optional<ReplicaIdentity>& replica) {
  if (!replica) return {};
  RETURN_IF_ERROR(check_member(call));
  if (call.connection.said_broker()->id != replica->node) {
    return fail(Errc::invalid_request,
                "replica_id is " + std::to_string(replica->node.value()) +
                    ", but the hello came from broker " +
                    std::to_string(call.connection.said_broker()->id.value()));
  }
  return call.connection.services().metadata.check_broker(replica->node, replica->broker_epoch);
}

FetchRequest to_service(NativeCall& call, const Named& named) {
  const auto& request = call.request.fetch();
  auto& connection = call.connection;
  const Duration longest = call.exchange.frame.empty() ? kLongestWait : kLongestLargeWait;
  const auto pressure = connection.worker().pressure();
  const size_t most = std::min({size_t{request.max_bytes()}, kMostBytes,
                                connection.worker().options().max_frame_bytes}) /
                      // Smaller answers to replicas would only shrink the in-sync sets.
                      (request.has_replica_id() ? 1 : pressure.fetch_divisor);
  return {.principal = connection.principal(),
          .session_epoch = request.session_epoch(),
          .partitions = named.partitions,
          .forgotten = named.forgotten,
          .max_wait = std::min<Duration>(std::chrono::milliseconds(request.max_wait_ms()), longest),
          // More than the answer may carry never comes.
          .min_bytes = std::min<size_t>(request.min_bytes(), std::max<size_t>(most, 1)),
          .max_bytes = most,
          .isolation = request.isolation() == native::FetchRequest::READ_COMMITTED
                           ? Isolation::read_committed
                           : Isolation::read_uncommitted,
          .replica = decode_replica(request),
          .from_follower = request.from_follower(),
          .waited = &call.exchange.times.waited};
}

}  // namespace

io::Task<Result<>> answer_fetch(NativeCall& call) {
  auto& connection = call.connection;
  CO_RETURN_IF_ERROR(check_replica(call, decode_replica(call.request.fetch())));
  CO_ASSIGN_OR_RETURN(const auto named, decode_named(call.request.fetch()));
  std::vector<FetchedPartition> fetched;
  CO_RETURN_IF_ERROR(co_await connection.services().fetch.fetch(connection.fetch_session(),
                                                                to_service(call, named), fetched));
  auto& answer = *call.response.mutable_fetch();
  for (auto& partition : fetched) {
    put_fetched(partition, *answer.add_partitions());
    if (partition.slice.length > 0) {
      call.exchange.response.slices.push_back(std::move(partition.slice));
    }
  }
  co_return Result<>{};
}

}  // namespace sluice::broker
