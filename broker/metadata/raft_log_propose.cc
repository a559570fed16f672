#include <algorithm>
#include <string>

#include "broker/metadata/raft_log.h"

/// RaftLog: the way of a command, from whoever proposes it to where it is applied.
namespace sluice::broker {
namespace {

constexpr Duration kPause = 50ms;

/// Said by who did not put it into the log, or does not know: another attempt may do it.
bool may_be_tried_again(const Error& error) {
  switch (error.code()) {
    case Errc::not_controller:
    case Errc::not_leader:
    case Errc::would_block:
    case Errc::outcome_unknown:
    case Errc::timed_out:
    case Errc::cancelled:
    case Errc::shutting_down:
    case Errc::recovering:
    case Errc::connection_closed:
    case Errc::connection_refused:
    case Errc::connection_failed:
    case Errc::unresolved_host:
      return true;
    default:
      return false;
  }
}

Error unknown() {
  return Error(Errc::outcome_unknown,
               "the metadata log did not say in time whether the change was made; look, or make "
               "it again");
}

}  // namespace

Result<> RaftLog::refusal(const std::vector<std::byte>& command) const {
  if (closed_at_) return fail(Errc::shutting_down);
  if (failed_) return fail(*failed_);
  if (storage_->full()) return fail(Errc::disk_full, "no space is left for the metadata log");
  if (command.empty()) return fail(Errc::invalid_argument, "metadata: an empty change");
  if (command.size() > kMostCommandBytes) {
    return fail(Errc::invalid_argument, "metadata: a change of " + std::to_string(command.size()) +
                                            " bytes is larger than " +
                                            std::to_string(kMostCommandBytes) +
                                            "; make it in several steps");
  }
  return ports_.subscriber.check ? ports_.subscriber.check(command) : Result<>{};
}

RaftLog::ProposalPtr RaftLog::start(std::vector<std::byte> command) {
  auto proposal = std::make_shared<Proposal>();
  proposal->command = std::move(command);
  proposal->deadline = io::Loop::current()->now() + options_.propose_timeout;
  proposals_.push_back(proposal);
  return proposal;
}

io::Task<Result<>> RaftLog::propose(std::vector<std::byte> command, std::optional<uint64_t> term) {
  io::Loop& home = *io::Loop::current();
  co_await ports_.control.enter();
  Result<> result = refusal(command);
  if (result) {
    const ProposalPtr proposal = start(std::move(command));
    proposal->only_in = term;
    running_.start(term ? drive_here(proposal) : drive(proposal));
    const auto outcome = co_await proposal->done;
    if (!outcome) result = fail(outcome.error());
  }
  co_await home.enter();
  co_return result;
}

io::Task<Result<uint64_t>> RaftLog::propose_here(std::vector<std::byte> command) {
  CO_RETURN_IF_ERROR(refusal(command));
  if (!status_.leads) co_return fail(Errc::not_controller);
  const ProposalPtr proposal = start(std::move(command));
  running_.start(drive_here(proposal));
  co_return co_await proposal->done;
}

void RaftLog::settle(const WalEntry& entry, const Result<>& result) {
  for (const ProposalPtr& proposal : proposals_) {
    if (proposal->outcome || proposal->command != entry.data) continue;
    // An attempt before this one did it.
    const bool repeated =
        !result && result.error() == Errc::already_exists && proposal->attempts > 1;
    if (result || repeated) {
      proposal->outcome = entry.index;
    } else {
      proposal->outcome = fail(result.error());
    }
    proposal->changed.notify_all();
  }
}

void RaftLog::wake_proposals() {
  for (const ProposalPtr& proposal : proposals_) proposal->changed.notify_all();
}

TimePoint RaftLog::deadline_of(const Proposal& proposal) const {
  return closed_at_ ? std::min(proposal.deadline, *closed_at_) : proposal.deadline;
}

io::Task<void> RaftLog::wait(Proposal& proposal, uint64_t ticket, std::optional<Duration> at_most) {
  TimePoint until = deadline_of(proposal);
  if (at_most) until = std::min(until, io::Loop::current()->now() + *at_most);
  co_await proposal.changed.wait(ticket, until);
  if (proposal.outcome) co_return;
  if (failed_ || io::Loop::current()->now() >= deadline_of(proposal)) {
    proposal.outcome = fail(proposal.attempts > 0 ? unknown() : Error(Errc::not_controller));
  }
}

void RaftLog::finish(const ProposalPtr& proposal) {
  proposals_.remove(proposal);
  changed_.notify_all();
  proposal->done.set(std::move(*proposal->outcome));
}

io::Task<void> RaftLog::drive(ProposalPtr proposal) {
  while (!proposal->outcome) {
    const uint64_t ticket = proposal->changed.ticket();
    if (status_.leads) {
      co_await attempt_here(*proposal);
    } else if (status_.leader && ports_.forward) {
      co_await attempt_there(proposal, *status_.leader);
    } else {
      co_await wait(*proposal, ticket, kPause);
    }
  }
  finish(proposal);
}

io::Task<void> RaftLog::drive_here(ProposalPtr proposal) {
  co_await attempt_here(*proposal);
  if (!proposal->outcome) {
    proposal->outcome = fail(proposal->attempts > 0 ? unknown() : Error(Errc::not_controller));
  }
  finish(proposal);
}

/// Ends with an outcome, or when this node does not lead any more.
io::Task<void> RaftLog::attempt_here(Proposal& proposal) {
  const uint64_t term = proposal.only_in.value_or(status_.term);
  bool taken = false;
  while (!proposal.outcome && !failed_ && status_.leads && status_.term == term) {
    const uint64_t ticket = proposal.changed.ticket();
    if (!taken) {
      const auto place = core_.propose(proposal.command);
      taken = place.has_value();
      if (taken) {
        ++proposal.attempts;
      } else if (place.error() == Errc::internal) {
        fail_with(place.error());
      }
      pump();
      if (proposal.outcome) break;
    }
    co_await wait(proposal, ticket, taken ? std::nullopt : std::optional(kPause));
  }
  if (failed_ && !proposal.outcome) {
    proposal.outcome = fail(proposal.attempts > 0 ? unknown() : *failed_);
  }
}

/// Ends with an outcome, or when the leader has to be asked again.
io::Task<void> RaftLog::attempt_there(ProposalPtr proposal, NodeId leader) {
  const auto result = std::make_shared<Forwarded>();
  ++proposal->attempts;
  running_.start(forward(proposal, leader, result));
  while (!proposal->outcome) {
    const uint64_t ticket = proposal->changed.ticket();
    if (result->answer) {
      const auto& answer = *result->answer;
      if (answer && applied_ >= *answer) {
        // It is in a snapshot that was installed here: nobody applied it by itself.
        proposal->outcome = *answer;
        break;
      }
      const bool repeated =
          !answer && answer.error() == Errc::already_exists && proposal->attempts > 1;
      if (!answer && may_be_tried_again(answer.error())) {
        co_await wait(*proposal, ticket, kPause);
        co_return;
      }
      if (!answer && !repeated) {
        proposal->outcome = fail(answer.error());
        break;
      }
    }
    const bool moved = status_.leader && *status_.leader != leader;
    if (!result->answer && moved) co_return;
    // Until it is applied here, too.
    co_await wait(*proposal, ticket);
  }
}

io::Task<void> RaftLog::forward(ProposalPtr proposal, NodeId leader,
                                std::shared_ptr<Forwarded> result) {
  result->answer = co_await ports_.forward(leader, proposal->command);
  proposal->changed.notify_all();
}

}  // namespace sluice::broker
