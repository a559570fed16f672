#include <algorithm>

#include "broker/metadata/raft_log.h"

/// RaftLog: who votes, who learns, who leads.
namespace sluice::broker {
namespace {

constexpr Duration kTimeout = 10s;
constexpr Duration kPause = 50ms;
/// A learner that lacks more would hold up every commit once its voice counts.
constexpr uint64_t kLagMax = 100;

bool contains(const std::vector<NodeId>& ids, NodeId id) {
  return std::ranges::find(ids, id) != ids.end();
}

}  // namespace

io::Task<Result<>> RaftLog::add_learner(NodeId id) {
  co_return co_await change_until(VotingRole::learner, id, io::Loop::current()->now() + kTimeout);
}

io::Task<Result<>> RaftLog::promote(NodeId id) {
  co_return co_await change_until(VotingRole::voter, id, io::Loop::current()->now() + kTimeout);
}

io::Task<Result<>> RaftLog::remove(NodeId id) {
  co_return co_await change_until(VotingRole::none, id, io::Loop::current()->now() + kTimeout);
}

Result<bool> RaftLog::is_so(VotingRole role, NodeId id) const {
  const auto& [voters, learners] = status_.configuration;
  const bool votes = contains(voters, id);
  const bool learns = contains(learners, id);
  switch (role) {
    case VotingRole::learner:
      return votes || learns;
    case VotingRole::none:
      if (id == options_.self) {
        return fail(Errc::invalid_request,
                    "the leader of the metadata log cannot be removed; hand leadership over first");
      }
      return !votes && !learns;
    case VotingRole::voter:
      break;
  }
  if (votes) return true;
  if (!learns) return fail(Errc::not_found, "it does not learn the metadata log; add it first");
  const auto matched = status_.matched.find(id);
  if (matched == status_.matched.end() || matched->second + kLagMax < status_.last) {
    return fail(Errc::recovering, "it has not caught up with the metadata log; try again later");
  }
  return false;
}

io::Task<Result<>> RaftLog::change_until(VotingRole role, NodeId id, TimePoint deadline) {
  while (true) {
    if (closed_at_) co_return fail(Errc::shutting_down);
    if (failed_) co_return fail(*failed_);
    refresh();
    if (!status_.leads) co_return fail(Errc::not_controller);
    CO_ASSIGN_OR_RETURN(const bool so, is_so(role, id));
    if (so) co_return Result<>{};
    const auto place = core_.propose_change(role, id);
    if (place) {
      pump();
      co_return co_await applied_in_term(*place, deadline);
    }
    if (place.error() != Errc::would_block) {
      check(fail(place.error()));
      co_return fail(place.error());
    }
    // Another change is under way.
    const TimePoint now = io::Loop::current()->now();
    if (now >= deadline) co_return fail(Errc::timed_out);
    co_await changed_.wait(changed_.ticket(), std::min(deadline, now + kPause));
  }
}

io::Task<Result<>> RaftLog::applied_in_term(RaftCore::Place place, TimePoint deadline) {
  while (applied_ < place.index) {
    // Another leader may have put something else there.
    const bool over = io::Loop::current()->now() >= deadline || closed_at_ || failed_;
    if (over || status_.term != place.term) co_return fail(Errc::outcome_unknown);
    co_await changed_.wait(changed_.ticket(), deadline);
  }
  co_return Result<>{};
}

io::Task<Result<>> RaftLog::transfer(NodeId to) {
  if (failed_) co_return fail(*failed_);
  if (auto begun = core_.transfer(to); !begun) {
    check(begun);
    co_return begun;
  }
  pump();
  const TimePoint deadline = io::Loop::current()->now() + kTimeout;
  while (!status_.leader || *status_.leader == options_.self) {
    const TimePoint now = io::Loop::current()->now();
    if (now >= deadline || closed_at_ || failed_) {
      co_return fail(Errc::timed_out, "nobody took over the metadata log; try again");
    }
    co_await changed_.wait(changed_.ticket(), deadline);
  }
  co_return Result<>{};
}

}  // namespace sluice::broker
