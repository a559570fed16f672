#include "broker/service/list_offsets.h"

#include <utility>

#include "base/mutation.h"
#include "broker/replication/partition_table.h"
#include "broker/replication/session_lease.h"
#include "io/loop.h"

namespace sluice::broker {

using Found = Result<storage::TimestampOffset>;

/// The lease is asked before the end is: what was acknowledged while it held is in this log.
Result<Offset> ListOffsets::latest(const Partition& partition, Isolation isolation) const {
  const bool leads = lease_ == nullptr || lease_->holds(io::Loop::current()->now());
  if (!leads && !mutated(Mutation::tell_old_end)) {
    return fail(Errc::not_leader,
                "this broker has lost its session with the controller: another may lead, and know "
                "of a later end; ask for the metadata anew");
  }
  return partition.readable_end(isolation);
}

io::Task<Found> ListOffsets::find(Partition& partition, OffsetQuery query,
                                  Isolation isolation) const {
  switch (query.kind) {
    case OffsetQuery::Kind::earliest:
      co_return storage::TimestampOffset{.offset = partition.log().ends().start};
    case OffsetQuery::Kind::latest: {
      const auto end = latest(partition, isolation);
      if (!end) co_return fail(end.error());
      co_return storage::TimestampOffset{.offset = *end};
    }
    case OffsetQuery::Kind::max_timestamp:
      co_return co_await partition.log().find_max_timestamp();
    case OffsetQuery::Kind::at_time:
      break;
  }
  auto found = co_await partition.log().find_by_time(query.at);
  // What nobody may read yet is not there yet.
  if (found && found->offset >= partition.readable_end(isolation)) {
    co_return storage::TimestampOffset{};
  }
  co_return found;
}

io::Task<std::vector<OffsetAnswer>> ListOffsets::list(const Principal& /*principal*/,
                                                      std::span<const OffsetQuery> queries,
                                                      Isolation isolation) {
  std::vector<OffsetAnswer> answers(queries.size());
  for (size_t i = 0; i < queries.size(); ++i) {
    OffsetAnswer& answer = answers[i];
    const auto partition = partitions_.find(queries[i].key);
    if (partition == nullptr) {
      answer.error = partitions_.refusal_of(queries[i].key);
      continue;
    }
    if (auto leads = partition->check_readable(queries[i].leader_epoch); !leads) {
      answer.error = std::move(leads).error();
      continue;
    }
    auto found = co_await find(*partition, queries[i], isolation);
    if (!found) {
      answer.error = std::move(found).error();
      continue;
    }
    answer.offset = found->offset;
    answer.timestamp = found->timestamp;
    answer.leader_epoch = partition->leadership().epoch;
  }
  co_return answers;
}

}  // namespace sluice::broker
