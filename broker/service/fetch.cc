#include "broker/service/fetch.h"

#include <algorithm>
#include <utility>

#include "broker/replication/partition_table.h"
#include "io/loop.h"

namespace sluice::broker {
namespace {

FetchedPartition refused(const FetchSlot& slot, Error error) {
  FetchedPartition fetched{.key = slot.target.key};
  fetched.error = std::move(error);
  if (slot.partition != nullptr) fetched.leadership = slot.partition->leadership();
  return fetched;
}

Error out_of_range(const FetchSlot& slot) {
  const PartitionStatus status = slot.partition->status();
  const storage::TopicPartition& name = slot.partition->log().partition();
  return Error(Errc::offset_out_of_range,
               name.folder() + ": offset " + std::to_string(slot.target.offset.value()) +
                   " is outside of " + std::to_string(status.log_start.value()) + " to " +
                   std::to_string(status.log_end.value()) + "; ask for the earliest or latest");
}

}  // namespace

io::Task<Result<>> Fetch::fetch(FetchSession& session, FetchRequest request,
                                std::vector<FetchedPartition>& answer) {
  answer.clear();
  CO_RETURN_IF_ERROR(
      session.update(request.session_epoch, request.partitions, request.forgotten, partitions_));
  TimePoint deadline{};
  bool last = request.max_wait <= Duration::zero();
  if (!last) deadline = io::Loop::current()->now() + request.max_wait;
  for (;;) {
    session.collect();
    answer.clear();
    const Gathered gathered = co_await gather(session, request, answer);
    if (last || gathered.failed || gathered.bytes >= request.min_bytes) break;
    // The slices read so far are read again: they cost less than being kept up to date.
    answer.clear();
    const TimePoint from = io::Loop::current()->now();
    CO_ASSIGN_OR_RETURN(const bool moved,
                        co_await session.wait(request.min_bytes - gathered.bytes, deadline));
    if (request.waited != nullptr) *request.waited += io::Loop::current()->now() - from;
    last = !moved;
  }
  for (const FetchedPartition& fetched : answer) {
    session.told(fetched.key, fetched.high_watermark, fetched.log_start);
  }
  co_return Result<>{};
}

io::Task<Fetch::Gathered> Fetch::gather(FetchSession& session, FetchRequest request,
                                        std::vector<FetchedPartition>& answer) {
  Gathered gathered;
  for (const PartitionKey& key : session.absent()) {
    answer.push_back({.key = key, .error = partitions_.refusal_of(key)});
    gathered.failed = true;
  }
  FetchSlot* next = session.first_ready();
  while (next != nullptr) {
    FetchSlot& slot = *next;
    next = session.next_ready(slot);
    if (gathered.bytes >= request.max_bytes && gathered.bytes > 0) break;
    session.resolve(slot, partitions_);
    if (slot.partition == nullptr) {
      answer.push_back(refused(slot, partitions_.refusal_of(slot.target.key)));
      gathered.failed = true;
      continue;
    }
    const bool first = gathered.bytes == 0;
    const size_t limit = std::min<size_t>(
        slot.target.max_bytes, request.max_bytes - std::min(request.max_bytes, gathered.bytes));
    auto fetched = co_await read(slot, limit, first, request.isolation);
    gathered.failed |= fetched.error.has_value();
    gathered.bytes += fetched.slice.length;
    const bool tells = fetched.error || fetched.slice.length > 0 ||
                       fetched.high_watermark != slot.told_high_watermark ||
                       fetched.log_start != slot.told_log_start;
    if (tells) {
      answer.push_back(std::move(fetched));
    } else if (slot.target.offset >= fetched.high_watermark) {
      session.settle(slot);
    }
  }
  co_return gathered;
}

io::Task<FetchedPartition> Fetch::read(FetchSlot& slot, size_t limit, bool first,
                                       Isolation isolation) {
  Partition& partition = *slot.partition;
  if (auto leads = partition.check_leader(slot.target.leader_epoch); !leads) {
    co_return refused(slot, std::move(leads).error());
  }
  // Before the read: what it finds may be more than the answer says, never less.
  const Offset high_watermark = partition.high_watermark();
  auto read = co_await partition.read(slot.target.offset, limit, first, isolation);
  if (!read) {
    if (read.error() == Errc::offset_out_of_range) co_return refused(slot, out_of_range(slot));
    co_return refused(slot, std::move(read).error());
  }
  FetchedPartition fetched{.key = slot.target.key};
  fetched.high_watermark = high_watermark;
  fetched.last_stable = partition.readable_end(Isolation::read_committed);
  fetched.log_start = read->log_start;
  fetched.slice = std::move(read->slice);
  co_return fetched;
}

}  // namespace sluice::broker
