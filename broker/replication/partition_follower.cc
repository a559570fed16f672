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
  const bool other = now.epoch != epoch && !mutated(Mutation::ignore_epoch);
  if (now.leader == ports_.self || other) return fail(Errc::fenced_leader_epoch);
  return {};
}

FollowerPosition Partition::follower_position() const {
  const storage::LogEnds ends = log_->ends();
  FollowerPosition position{
      .log_start = state_.lock()->kept_start, .log_end = ends.end, .synced_end = ends.synced_end};
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
    state_.lock()->uncommitted_bytes += batches.size();
  }
  agrees_.store(true, std::memory_order_release);
  go_along(mutated(Mutation::unbounded_watermark) ? fetched.high_watermark
                                                  : std::min(fetched.high_watermark, end));
  const Offset start = std::min(fetched.log_start, end);
  if (start > ends.start) CO_RETURN_IF_ERROR(co_await log_->advance_start(start));
  keep_start(start);
  co_return Result<>{};
}

void Partition::keep_start(Offset start) {
  {
    auto state = state_.lock();
    if (state->stopped || start <= state->kept_start) return;
    state->start_to_keep = std::max(state->start_to_keep, start);
    if (!ports_.keep_start) state->kept_start = start;
    if (!ports_.keep_start || std::exchange(state->keeps_start, true)) return;
  }
  flushes_.start(keep_starts());
}

/// Beside what is fetched, which does not wait for the device on account of it.
io::Task<void> Partition::keep_starts() {
  for (;;) {
    Offset start;
    {
      auto state = state_.lock();
      start = state->start_to_keep;
      if (state->stopped || start <= state->kept_start) {
        state->keeps_start = false;
        co_return;
      }
    }
    const auto kept = co_await ports_.keep_start(log_->partition(), start);
    auto state = state_.lock();
    if (!kept) {
      // The leader's next answer asks for it again.
      state->keeps_start = false;
      co_return;
    }
    state->kept_start = std::max(state->kept_start, start);
  }
}

void Partition::go_along(Offset committed) {
  Wakes wakes;
  {
    auto state = state_.lock();
    if (committed <= high_watermark()) return;
    const uint64_t bytes = take_committed_bytes(*state, committed, log_->ends().end);
    high_watermark_.store(committed.value(), std::memory_order_release);
    for (Watcher* reader : state->readers) reader->moved(bytes, wakes);
  }
  log_->set_high_watermark(committed);
  wakes.resume_all();
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
  // Its first segment says where it begins.
  {
    auto state = state_.lock();
    state->kept_start = state->start_to_keep = start;
  }
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
  auto state = state_.lock();
  // A fetch that ends late says nothing of one that leads by now.
  if (!state->leads) state->following_problem = std::move(problem);
}

}  // namespace sluice::broker
