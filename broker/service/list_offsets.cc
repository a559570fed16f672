#include "broker/service/list_offsets.h"

#include <utility>

#include "broker/replication/partition_table.h"

namespace sluice::broker {
namespace {

using Found = Result<storage::TimestampOffset>;

io::Task<Found> find(Partition& partition, OffsetQuery query, Isolation isolation) {
  switch (query.kind) {
    case OffsetQuery::Kind::earliest:
      co_return storage::TimestampOffset{.offset = partition.log().ends().start};
    case OffsetQuery::Kind::latest:
      co_return storage::TimestampOffset{.offset = partition.readable_end(isolation)};
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

}  // namespace

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
