#include "broker/service/produce.h"

#include <utility>

#include "base/check.h"
#include "base/mutation.h"
#include "broker/replication/partition_table.h"
#include "io/loop.h"
#include "io/sync.h"

namespace sluice::broker {
namespace {

void settle(ProduceResult& result, Result<storage::Appended> outcome) {
  if (!outcome) {
    result.error = std::move(outcome).error();
    if (result.partition != nullptr) result.leadership = result.partition->leadership();
    result.partition = nullptr;
    return;
  }
  result.base_offset = outcome->base_offset;
  result.last_offset = outcome->last_offset;
  result.log_append_time = outcome->log_append_time;
  result.log_start = outcome->log_start;
  result.duplicate = outcome->duplicate;
}

/// Whether the acknowledgement stands for the flush or for other replicas.
bool must_wait(const ProduceResult& result, Acks acks) {
  if (result.partition == nullptr || acks == Acks::none) return false;
  if (mutated(Mutation::ack_before_replication)) return false;
  if (acks == Acks::leader && !result.partition->flushes_every()) return false;
  return !result.partition->is_committed(result.last_offset + 1, result.appended_in);
}

/// Followers are waited for by who asks for all.
io::Task<Result<>> reached(const ProduceResult& result, Acks acks, TimePoint deadline) {
  const Offset end = result.last_offset + 1;
  if (acks == Acks::leader && result.partition->replicated()) return result.partition->flushed(end);
  return result.partition->committed(end, result.appended_in, deadline);
}

io::Task<void> append_one(ProducePartition target, const ProduceCall& call, ProduceResult& result) {
  settle(result, co_await result.partition->append(target.batch, target.leader_epoch, call.arrived,
                                                   call.acks == Acks::all));
}

}  // namespace

io::Task<void> Produce::append(ProduceCall call) {
  CHECK(call.results.size() == call.partitions.size(), "every partition has its result");
  if (call.partitions.size() == 1) return append_single(call);
  return append_several(call);
}

bool Produce::may_acknowledge() const {
  return lease_ == nullptr || lease_->holds(io::Loop::current()->now());
}

void Produce::give_receipt(ProduceResult& result) const {
  if (result.partition == nullptr) return;
  if (!result.error && !may_acknowledge()) result.error = SessionLease::doubt();
  result.receipt = result.partition->receipt(result.last_offset + 1);
  result.partition = nullptr;
}

bool Produce::place(const ProducePartition& target, ProduceResult& result) const {
  if (!may_acknowledge()) {
    result.error = SessionLease::refusal();
    return false;
  }
  result.partition = partitions_.find({target.topic_id, target.partition});
  if (result.partition != nullptr) {
    result.appended_in = result.partition->leadership().epoch;
    return true;
  }
  result.error = partitions_.refusal_of({target.topic_id, target.partition});
  return false;
}

io::Task<void> Produce::append_single(const ProduceCall& call) {
  const ProducePartition& target = call.partitions.front();
  ProduceResult& result = call.results.front();
  if (!place(target, result)) return io::Task<void>::ready();
  auto append = result.partition->append(target.batch, target.leader_epoch, call.arrived,
                                         call.acks == Acks::all);
  if (!append.is_ready()) {
    return [](ProduceResult& to, io::Task<Result<storage::Appended>> owned) -> io::Task<void> {
      settle(to, co_await std::move(owned));
    }(result, std::move(append));
  }
  settle(result, append.await_resume());
  return io::Task<void>::ready();
}

io::Task<void> Produce::append_several(ProduceCall call) {
  io::Scope appends;
  for (size_t i = 0; i < call.partitions.size(); ++i) {
    if (!place(call.partitions[i], call.results[i])) continue;
    // Runs until it stands in the log's queue: the next one does not wait for its write.
    appends.start(append_one(call.partitions[i], call, call.results[i]));
  }
  co_await appends.join();
}

io::Task<void> Produce::wait(ProduceCall call) {
  bool waits = false;
  for (const ProduceResult& result : call.results) waits |= must_wait(result, call.acks);
  if (waits) return wait_all(call);
  for (ProduceResult& result : call.results) give_receipt(result);
  return io::Task<void>::ready();
}

io::Task<void> Produce::wait_all(ProduceCall call) {
  const TimePoint deadline = io::Loop::current()->now() + call.timeout;
  for (ProduceResult& result : call.results) {
    if (must_wait(result, call.acks)) {
      if (auto done = co_await reached(result, call.acks, deadline); !done) {
        result.error = std::move(done).error();
        result.leadership = result.partition->leadership();
      }
    }
    give_receipt(result);
  }
}

}  // namespace sluice::broker
