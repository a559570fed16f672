#include "broker/metadata/one_voter_log.h"

#include <algorithm>
#include <string>
#include <utility>

namespace sluice::broker {
namespace {

/// A group of one is in its first term for ever.
constexpr uint64_t kTerm = 1;

}  // namespace

OneVoterLog::OneVoterLog(Ports ports, OneVoterOptions options, Wal::Opened opened)
    : ports_(std::move(ports)), options_(options), wal_(std::move(opened.wal)) {}

io::Task<Result<std::unique_ptr<OneVoterLog>>> OneVoterLog::open(Ports ports, std::string directory,
                                                                 OneVoterOptions options) {
  CO_ASSIGN_OR_RETURN(auto opened,
                      co_await Wal::open(ports.disk, std::move(directory), options.wal));
  const Wal::Content content = std::move(opened.content);
  std::unique_ptr<OneVoterLog> log(new OneVoterLog(std::move(ports), options, std::move(opened)));
  CO_RETURN_IF_ERROR(log->replay(content));
  co_return log;
}

Result<> OneVoterLog::replay(const Wal::Content& content) {
  if (content.snapshot) {
    RETURN_IF_ERROR(ports_.subscriber.restore(content.snapshot->index, content.snapshot->data));
    last_index_ = content.snapshot->index;
  }
  for (const WalEntry& entry : content.entries) {
    // Refused the first time, refused again: the proposer was told.
    if (auto applied = ports_.subscriber.apply(entry.index, entry.data); !applied) {
      // To go on without it would be to serve another state than the one that was agreed.
      if (applied.error() == Errc::unsupported) {
        return fail(std::move(applied).error().with_context("metadata entry " +
                                                            std::to_string(entry.index)));
      }
      ports_.log.debug("metadata command refused again",
                       {{"index", entry.index}, {"cause", applied.error().message()}});
    }
    last_index_ = entry.index;
  }
  return {};
}

io::Task<Result<>> OneVoterLog::propose(std::vector<std::byte> command) {
  io::Loop& home = *io::Loop::current();
  co_await ports_.control.enter();
  Result<> outcome = fail(Errc::shutting_down);
  if (!closed_) {
    Proposal proposal{std::move(command), {}};
    waiting_.push_back(&proposal);
    if (!std::exchange(committing_, true)) commits_.start(commit_all());
    outcome = co_await proposal.done;
  }
  co_await home.enter();
  co_return outcome;
}

io::Task<void> OneVoterLog::commit_all() {
  while (!waiting_.empty()) co_await commit(next_group());
  committing_ = false;
}

std::vector<OneVoterLog::Proposal*> OneVoterLog::next_group() {
  size_t bytes = 0;
  const auto end = std::ranges::find_if(waiting_, [&](const Proposal* proposal) {
    bytes += proposal->command.size();
    return bytes > options_.commit_bytes;
  });
  // A larger one goes alone: what is too large for the log fails by itself.
  const auto taken = std::max(end, waiting_.begin() + 1);
  std::vector<Proposal*> group(waiting_.begin(), taken);
  waiting_.erase(waiting_.begin(), taken);
  return group;
}

io::Task<void> OneVoterLog::commit(std::vector<Proposal*> proposals) {
  WalBatch batch;
  for (const Proposal* proposal : proposals) {
    batch.entries.push_back({last_index_ + 1 + batch.entries.size(), kTerm, proposal->command});
  }
  if (auto written = co_await wal_->append(std::move(batch)); !written) {
    const Error error = std::move(written).error();
    const bool nothing_happened = error == Errc::disk_full || error == Errc::invalid_argument;
    if (!nothing_happened) ports_.on_failed(error);
    for (Proposal* proposal : proposals) {
      proposal->done.set(fail(nothing_happened ? error : Error(Errc::outcome_unknown)));
    }
    co_return;
  }
  for (Proposal* proposal : proposals) {
    proposal->done.set(ports_.subscriber.apply(++last_index_, proposal->command));
  }
  if (wal_->bytes_since_snapshot() >= options_.snapshot_every_bytes) co_await take_snapshot();
}

io::Task<void> OneVoterLog::take_snapshot() {
  auto saved = co_await wal_->save_snapshot({last_index_, kTerm, ports_.subscriber.snapshot()});
  if (saved) co_return;
  // The log still has everything; it is tried again after the next commit.
  ports_.log.warning("metadata snapshot failed", {{"cause", saved.error().message()}});
}

io::Task<void> OneVoterLog::close() {
  closed_ = true;
  co_await commits_.join();
}

}  // namespace sluice::broker
