#include "broker/service/fetch.h"

#include <algorithm>
#include <utility>

#include "broker/replication/partition_table.h"
#include "io/loop.h"
#include "proto/record/batch.h"

namespace sluice::broker {
namespace {

/// How long news for a replica wait for records to go with: an answer of their own, and the fetch
/// that follows it, cost as much as one with records.
constexpr Duration kNewsWait = 5ms;

FetchedPartition refused(const FetchSlot& slot, Error error) {
  FetchedPartition fetched{.key = slot.target.key};
  fetched.error = std::move(error);
  if (slot.partition == nullptr) return fetched;
  fetched.leadership = slot.partition->leadership();
  fetched.log_start = slot.partition->log().ends().start;
  return fetched;
}

FollowerFetch follower_fetch(const FetchTarget& target, ReplicaIdentity replica) {
  return {.replica = replica,
          .offset = target.offset,
          .synced_end = target.synced_end.value_or(Offset{-1}),
          .log_start = target.log_start.value_or(Offset{-1}),
          .leader_epoch = target.leader_epoch,
          .last_epoch = target.last_fetched_epoch};
}

/// Checked already.
void note(FetchSlot& slot, const FollowerFetch& fetch) {
  slot.noted = true;
  slot.partition->follower_fetched(fetch, io::Loop::current()->now());
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
  const auto kind = request.replica ? WatchKind::follower : WatchKind::reader;
  CO_RETURN_IF_ERROR(session.update(request.session_epoch, request.partitions, request.forgotten,
                                    partitions_, kind));
  // First: the answer tells of a high watermark that this moves.
  if (request.replica && !request.from_follower) note_replicas(session, request);
  TimePoint deadline{};
  bool last = request.max_wait <= Duration::zero();
  if (!last) deadline = io::Loop::current()->now() + request.max_wait;
  for (;;) {
    session.collect();
    answer.clear();
    const Gathered gathered = co_await gather(session, request, answer);
    if (last || gathered.urgent || gathered.bytes >= request.min_bytes) break;
    // The slices read so far are read again: they cost less than being kept up to date.
    answer.clear();
    const TimePoint from = io::Loop::current()->now();
    uint64_t missing = request.min_bytes - gathered.bytes;
    if (gathered.news) {
      deadline = std::min(deadline, from + kNewsWait);
      // More news count a byte each, records more than this.
      missing = std::max<uint64_t>(missing, record::kHeaderSize);
    }
    CO_ASSIGN_OR_RETURN(const bool moved, co_await session.wait(missing, deadline));
    if (request.waited != nullptr) *request.waited += io::Loop::current()->now() - from;
    last = !moved;
  }
  for (const FetchedPartition& fetched : answer) {
    session.told(fetched.key, fetched.high_watermark, fetched.log_start, fetched.bound);
  }
  co_return Result<>{};
}

io::Task<Fetch::Gathered> Fetch::gather(FetchSession& session, FetchRequest request,
                                        std::vector<FetchedPartition>& answer) {
  Gathered gathered;
  for (const PartitionKey& key : session.absent()) {
    answer.push_back({.key = key, .error = partitions_.refusal_of(key)});
    gathered.urgent = true;
  }
  FetchSlot* next = session.first_ready();
  while (next != nullptr) {
    FetchSlot& slot = *next;
    next = session.next_ready(slot);
    if (gathered.bytes >= request.max_bytes && gathered.bytes > 0) break;
    session.resolve(slot, partitions_);
    if (slot.partition == nullptr) {
      answer.push_back(refused(slot, partitions_.refusal_of(slot.target.key)));
      gathered.urgent = true;
      continue;
    }
    if (request.replica && slot.target.max_bytes == 0) {
      session.settle(slot);
      continue;
    }
    const bool first = gathered.bytes == 0;
    const size_t limit = std::min<size_t>(
        slot.target.max_bytes, request.max_bytes - std::min(request.max_bytes, gathered.bytes));
    auto fetched = !request.replica ? co_await read(slot, limit, first, request)
                   : request.from_follower
                       ? co_await read_copy(slot, limit, first)
                       : co_await read_replica(slot, limit, first, *request.replica);
    gathered.bytes += fetched.slice.length;
    const bool tells = fetched.error || fetched.divergence || fetched.slice.length > 0 ||
                       fetched.high_watermark != slot.told_high_watermark ||
                       fetched.log_start != slot.told_log_start;
    gathered.urgent |= fetched.error || fetched.divergence;
    gathered.news |= tells && request.replica;
    if (tells) {
      answer.push_back(std::move(fetched));
    } else if (slot.target.offset >= fetched.bound) {
      session.settle(slot);
    }
  }
  co_return gathered;
}

io::Task<FetchedPartition> Fetch::read(FetchSlot& slot, size_t limit, bool first,
                                       const FetchRequest& request) {
  Partition& partition = *slot.partition;
  const FetchTarget& target = slot.target;
  auto parts = partition.check_reader({.offset = target.offset,
                                       .leader_epoch = target.leader_epoch,
                                       .last_epoch = target.last_fetched_epoch,
                                       .from_follower = request.from_follower});
  if (!parts) co_return refused(slot, std::move(parts).error());
  if (*parts) {
    // Without a high watermark, so that the next answer names the partition whatever it has.
    FetchedPartition parted{.key = target.key};
    parted.log_start = partition.log().ends().start;
    parted.divergence = *parts;
    co_return parted;
  }
  // Before the read: what it finds may be more than the answer says, never less.
  const bool knows = partition.knows_committed();
  const Offset high_watermark = partition.high_watermark();
  auto read = co_await partition.read(slot.target.offset, limit, first, request.isolation);
  if (!read) {
    if (read.error() == Errc::offset_out_of_range) co_return refused(slot, out_of_range(slot));
    co_return refused(slot, partition.refusal_of(std::move(read).error()));
  }
  FetchedPartition fetched{.key = slot.target.key};
  fetched.bound = high_watermark;
  // A new leader's may be below what the one before told: untold, it never goes back.
  if (knows) {
    fetched.high_watermark = high_watermark;
    fetched.last_stable = partition.readable_end(Isolation::read_committed);
  }
  fetched.log_start = read->log_start;
  fetched.slice = std::move(read->slice);
  co_return fetched;
}

/// What the replica has got to counts from here on.
void Fetch::note_replicas(FetchSession& session, const FetchRequest& request) {
  for (const FetchTarget& target : request.partitions) {
    FetchSlot* const slot = session.find(target.key);
    if (slot == nullptr || slot->partition == nullptr) continue;
    Partition& partition = *slot->partition;
    if (target.corrupt_at) partition.suspect(*target.corrupt_at);
    const FollowerFetch fetch = follower_fetch(target, *request.replica);
    // What is wrong with it the answer tells, when its turn comes.
    if (const auto parts = partition.check_follower(fetch); parts && !*parts) note(*slot, fetch);
    if (target.max_bytes == 0) partition.follower_cannot_append(fetch);
  }
}

io::Task<FetchedPartition> Fetch::read_replica(FetchSlot& slot, size_t limit, bool first,
                                               ReplicaIdentity replica) {
  Partition& partition = *slot.partition;
  const Leadership before = partition.leadership();
  const FollowerFetch fetch = follower_fetch(slot.target, replica);
  auto parts = partition.check_follower(fetch);
  if (!parts) {
    if (parts.error() == Errc::offset_out_of_range) co_return refused(slot, out_of_range(slot));
    co_return refused(slot, std::move(parts).error());
  }
  // This broker began to lead after the request came: nobody says again where a replica stands that
  // lacks nothing.
  if (!*parts && !slot.noted) note(slot, fetch);
  FetchedPartition fetched{.key = slot.target.key};
  fetched.high_watermark = partition.high_watermark();
  fetched.divergence = *parts;
  if (fetched.divergence) {
    fetched.log_start = partition.log().ends().start;
    co_return fetched;
  }
  auto read = co_await partition.read_all(slot.target.offset, limit, first);
  // Another leader's records may stand there by now: only those of the log that was compared with
  // the follower's go on from what that has.
  if (const Leadership after = partition.leadership(); after != before) {
    auto leads = partition.check_leader(before.epoch);
    co_return refused(slot, leads ? Error(Errc::not_leader) : std::move(leads).error());
  }
  if (!read) {
    if (read.error() == Errc::offset_out_of_range) co_return refused(slot, out_of_range(slot));
    co_return refused(slot, std::move(read).error());
  }
  fetched.bound = read->log_end;
  fetched.last_stable = partition.readable_end(Isolation::read_committed);
  fetched.log_start = read->log_start;
  fetched.slice = std::move(read->slice);
  co_return fetched;
}

/// For a replica that lost records which only another may have, whoever leads.
io::Task<FetchedPartition> Fetch::read_copy(FetchSlot& slot, size_t limit, bool first) {
  Partition& partition = *slot.partition;
  auto read = co_await partition.read_all(slot.target.offset, limit, first);
  if (!read) {
    if (read.error() == Errc::offset_out_of_range) co_return refused(slot, out_of_range(slot));
    co_return refused(slot, std::move(read).error());
  }
  FetchedPartition fetched{.key = slot.target.key};
  fetched.high_watermark = partition.high_watermark();
  fetched.bound = read->log_end;
  fetched.log_start = read->log_start;
  fetched.slice = std::move(read->slice);
  co_return fetched;
}

}  // namespace sluice::broker
