#include "broker/replication/range_fetch.h"

#include <string>
#include <utility>

namespace sluice::broker {
namespace {

constexpr uint32_t kBytesAtOnce = 1_MiB;

native::FetchRequest request_of(const PartitionKey& key, Offset from) {
  native::FetchRequest request;
  // A session of its own for each: what comes next is somewhere else.
  request.set_session_epoch(0);
  request.set_max_bytes(kBytesAtOnce);
  auto& partition = *request.add_partitions();
  partition.set_topic_id(std::string(as_text(key.topic_id.bytes())));
  partition.set_partition(key.partition.value());
  partition.set_offset(from.value());
  partition.set_max_bytes(kBytesAtOnce);
  return request;
}

}  // namespace

native::FetchRequest RangeFetch::request(Offset from) const {
  native::FetchRequest request = request_of(key_, from);
  request.mutable_partitions(0)->set_leader_epoch(leadership_.epoch.value());
  return request;
}

io::Task<Result<MutableBytes>> RangeFetch::fetch(Offset from, Offset /*to*/) {
  const std::string leader = "broker " + std::to_string(leadership_.leader.value());
  for (;;) {
    CO_ASSIGN_OR_RETURN(answer_, co_await link_.fetch(request(from)));
    if (answer_.header.partitions_size() != 1) {
      co_return fail(Errc::malformed_frame, leader + " answers for another partition");
    }
    const auto& said = answer_.header.partitions(0);
    if (said.has_error()) {
      Error why(errc_from_wire(said.error().code()), leader + ": " + said.error().message());
      const Offset start{said.log_start()};
      // The leader has deleted it meanwhile, and so shall we.
      if (why == Errc::offset_out_of_range && start > from) {
        from = start;
        continue;
      }
      co_return fail(std::move(why));
    }
    if (said.size() == 0 || said.size() > answer_.payload_size) {
      co_return fail(Errc::offset_not_available, leader + " does not know of offset " +
                                                     std::to_string(from.value()) +
                                                     " as committed, as yet");
    }
    co_return answer_.payload().first(said.size());
  }
}

io::Task<Result<MutableBytes>> CopyFetch::fetch(Offset from, Offset /*to*/) {
  const Copy& copy = copies_[current_];
  const std::string name = "broker " + std::to_string(copy.broker.value());
  native::FetchRequest request = request_of(key_, from);
  request.set_replica_id(self_.node.value());
  request.set_broker_epoch(self_.broker_epoch);
  request.set_from_follower(true);
  auto answer = co_await copy.link->fetch(std::move(request));
  if (!answer) co_return fail(std::move(answer).error().with_context(name));
  answer_ = std::move(*answer);
  // It has nothing new to say of an offset that its log ends at.
  if (answer_.header.partitions_size() == 0) co_return MutableBytes();
  const auto& said = answer_.header.partitions(0);
  if (said.has_error()) {
    const Errc code = errc_from_wire(said.error().code());
    // Before its log, or behind it.
    if (code == Errc::offset_out_of_range) co_return MutableBytes();
    co_return fail(code, name + ": " + said.error().message());
  }
  if (said.size() > answer_.payload_size) {
    co_return fail(Errc::malformed_frame, name + " sent less than it says");
  }
  co_return answer_.payload().first(said.size());
}

}  // namespace sluice::broker
