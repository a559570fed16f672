#include "broker/replication/range_fetch.h"

#include <string>
#include <utility>

namespace sluice::broker {
namespace {

constexpr uint32_t kBytesAtOnce = 1_MiB;

}  // namespace

native::FetchRequest RangeFetch::request(Offset from) const {
  native::FetchRequest request;
  // A session of its own for each: what comes next is somewhere else.
  request.set_session_epoch(0);
  request.set_max_bytes(kBytesAtOnce);
  auto& partition = *request.add_partitions();
  partition.set_topic_id(std::string(as_text(key_.topic_id.bytes())));
  partition.set_partition(key_.partition.value());
  partition.set_offset(from.value());
  partition.set_max_bytes(kBytesAtOnce);
  partition.set_leader_epoch(leadership_.epoch.value());
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

}  // namespace sluice::broker
