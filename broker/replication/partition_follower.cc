#include <algorithm>
#include <string>
#include <utility>

#include "base/mutation.h"
#include "broker/replication/partition.h"
#include "proto/record/batch.h"

// What a follower does to its log.
namespace sluice::broker {
namespace {

/// Without the batches that end before the offset: an answer may begin with one that is there.
MutableBytes behind(MutableBytes batches, Offset from) {
  while (!batches.empty()) {
    const auto header = record::decode_header(batches);
    // What does not decode is the append's to refuse.
    if (!header || header->next_offset() > from || header->size_in_bytes() > batches.size()) break;
    batches = batches.subspan(header->size_in_bytes());
  }
  return batches;
}

}  // namespace

Result<> Partition::check_follows(LeaderEpoch epoch) const {
  if (stopped()) return fail(stopped_because());
  const Leadership now = leadership();
  const bool other = now.epoch != epoch && !mutated(Mutation::keep_fenced_epoch);
  if (now.leader == ports_.self || other) return fail(Errc::fenced_leader_epoch);
  return {};
}

FollowerPosition Partition::follower_position() const {
  const storage::LogEnds ends = log_->ends();
  FollowerPosition position{
      .log_start = ends.start, .log_end = ends.end, .synced_end = ends.synced_end};
  const LeaderEpoch last = log_->latest_epoch();
  if (last.value() >= 0) position.last_epoch = last;
  return position;
}

io::Task<Result<>> Partition::append_fetched(LeaderEpoch epoch, FetchedRecords fetched) {
  const auto turn = co_await changing_.lock();
  CO_RETURN_IF_ERROR(check_follows(epoch));
  const storage::LogEnds ends = log_->ends();
  if (ends.end != fetched.from) {
    co_return fail(Errc::offset_out_of_range, log_->partition().folder() + ": the log ends at " +
                                                  std::to_string(ends.end.value()) + ", not at " +
                                                  std::to_string(fetched.from.value()) +
                                                  " any more; fetch anew");
  }
  Offset end = fetched.from;
  const MutableBytes batches = behind(fetched.batches, fetched.from);
  if (!batches.empty()) {
    CO_ASSIGN_OR_RETURN(
        const auto appended,
        co_await log_->append(
            {.batch = batches, .leader_epoch = epoch, .origin = storage::AppendOrigin::replica}));
    end = appended.last_offset + 1;
  }
  go_along(mutated(Mutation::unbounded_watermark) ? fetched.high_watermark
                                                  : std::min(fetched.high_watermark, end));
  if (fetched.log_start > ends.start) {
    CO_RETURN_IF_ERROR(co_await log_->advance_start(std::min(fetched.log_start, end)));
  }
  co_return Result<>{};
}

void Partition::go_along(Offset committed) {
  {
    const auto state = state_.lock();
    if (committed <= high_watermark()) return;
    high_watermark_.store(committed.value(), std::memory_order_release);
  }
  log_->set_high_watermark(committed);
}

io::Task<Result<FollowerCut>> Partition::cut_to(LeaderEpoch epoch, Divergence divergence) {
  const auto turn = co_await changing_.lock();
  CO_RETURN_IF_ERROR(check_follows(epoch));
  const Offset before = log_->ends().end;
  const LeaderEpoch last = log_->latest_epoch();
  // Behind the end of the leader's epoch all is from elsewhere. When that epoch is not known here,
  // what is here of earlier ones may part from the leader's before: the next fetch tells.
  const Offset own_end = log_->end_of_epoch(divergence.epoch).second;
  const Offset to = own_end.value() < 0 ? divergence.end : std::min(divergence.end, own_end);
  CO_RETURN_IF_ERROR(co_await log_->truncate_to(to));
  if (log_->ends().end == before && log_->latest_epoch() == last) {
    co_return fail(Errc::internal,
                   log_->partition().folder() + ": the leader's log parts from this one at " +
                       std::to_string(divergence.end.value()) + " in epoch " +
                       std::to_string(divergence.epoch.value()) + ", and nothing is there to cut");
  }
  co_return lower_to_end(before);
}

io::Task<Result<FollowerCut>> Partition::restart_at(LeaderEpoch epoch, Offset start) {
  const auto turn = co_await changing_.lock();
  CO_RETURN_IF_ERROR(check_follows(epoch));
  const Offset before = log_->ends().end;
  CO_RETURN_IF_ERROR(co_await log_->restart_at(start));
  CO_RETURN_IF_ERROR(co_await log_->sync_to(start));
  const FollowerCut cut = lower_to_end(before);
  go_along(start);
  co_return cut;
}

FollowerCut Partition::lower_to_end(Offset before) {
  FollowerCut cut{.from = before, .to = log_->ends().end};
  const auto state = state_.lock();
  if (cut.to < high_watermark()) {
    cut.below_high_watermark = true;
    high_watermark_.store(cut.to.value(), std::memory_order_release);
  }
  return cut;
}

void Partition::set_following_problem(std::string problem) {
  state_.lock()->following_problem = std::move(problem);
}

}  // namespace sluice::broker
