#include "broker/metadata/raft_log.h"

#include <algorithm>
#include <string>

#include "base/check.h"

namespace sluice::broker {
namespace {

/// What stays in memory for followers that lag a little; others get a snapshot.
constexpr KeptEntries kKept{.count = 1000, .bytes = 8_MiB};
/// Of one kind of warning that anybody can cause.
constexpr Duration kWarnEvery = 10s;
/// A session rests on the answers, and is ten times as long.
constexpr Duration kAgreeEvery = 100ms;
/// Longer than the election time-out, after which the engine gives a transfer up.
constexpr Duration kHandOverPause = 1s;
/// Proposals under way get so much longer when the log is closed.
constexpr Duration kCloseGrace = 1s;
/// Behind this entry of this term every group begins (FORMAT.md).
constexpr uint64_t kFirstIndex = 1;
constexpr uint64_t kFirstTerm = 1;

/// Nothing was ever written: a node that joins has a hard state before it has entries.
bool is_empty(const Wal::Content& content) {
  return !content.snapshot && !content.start && content.entries.empty() &&
         content.hard_state == HardState{};
}

/// Where the log begins on disk; of a node that joins, nowhere yet.
LogStart start_of(const Wal::Content& content) {
  if (content.snapshot) {
    return {content.snapshot->index, content.snapshot->term, content.snapshot->configuration};
  }
  return content.start.value_or(LogStart{});
}

/// Every log names the node that it is of, unless that was removed.
Result<> check_owner(const Wal::Content& content, NodeId self, const std::string& directory) {
  const auto [voters, learners] = start_of(content).configuration;
  const auto names = [&](const std::vector<NodeId>& ids) {
    return std::ranges::find(ids, self) != ids.end();
  };
  if (voters.empty() || names(voters) || names(learners)) return {};
  return fail(Errc::wrong_cluster,
              directory + ": this metadata log is not of node " + std::to_string(self.value()) +
                  ", or that was removed from its cluster; set node.id to the node it is of, or "
                  "empty the directory to join as a new node");
}

Error of_entry(uint64_t index, Error error) {
  return std::move(error).with_context("metadata entry " + std::to_string(index));
}

}  // namespace

RaftLog::RaftLog(Ports ports, RaftOptions options, RaftCore core)
    : ports_(std::move(ports)), options_(std::move(options)), core_(std::move(core)) {}

io::Task<Result<std::unique_ptr<RaftLog>>> RaftLog::open(Ports ports, std::string directory,
                                                         RaftOptions options) {
  CO_ASSIGN_OR_RETURN(auto opened, co_await Wal::open(ports.disk, directory, options.wal));
  CO_RETURN_IF_ERROR(check_owner(opened.content, options.self, directory));
  CO_ASSIGN_OR_RETURN(auto log,
                      co_await make(std::move(ports), std::move(options), std::move(opened)));
  if (auto begun = co_await log->begin(); !begun) {
    co_await log->close();
    co_return fail(std::move(begun).error());
  }
  co_return log;
}

io::Task<Result<std::unique_ptr<RaftLog>>> RaftLog::make(Ports ports, RaftOptions options,
                                                         Wal::Opened opened) {
  const Wal::Content& content = opened.content;
  RaftState state{content.hard_state, start_of(content), content.entries};
  WalBatch first;
  if (content.snapshot) {
    CO_RETURN_IF_ERROR(ports.subscriber.restore(content.snapshot->index, content.snapshot->data));
  }
  if (is_empty(content) && options.bootstrap) {
    state.hard_state = {kFirstTerm, 0, kFirstIndex};
    state.start = {kFirstIndex, kFirstTerm, {options.bootstrap->voters, {}}};
    first.hard_state = state.hard_state;
    first.start = state.start;
  }
  const bool has_something = content.snapshot.has_value() || !content.entries.empty();
  if (has_something && state.start.configuration.voters.empty()) {
    CO_ASSIGN_OR_RETURN(state, co_await import_older(ports, options.self, *opened.wal, content));
  }
  CO_ASSIGN_OR_RETURN(auto core,
                      RaftCore::make({.self = options.self, .seed = ports.random.next()}, state));
  std::unique_ptr<RaftLog> log(new RaftLog(std::move(ports), std::move(options), std::move(core)));
  log->applied_ = state.start.index;
  log->applied_term_ = state.start.term;
  log->use(std::move(opened.wal), std::move(first));
  co_return log;
}

/// Versions without clusters agreed with nobody: what is in the log is committed. It becomes the
/// snapshot that a group begins with.
io::Task<Result<RaftState>> RaftLog::import_older(Ports& ports, NodeId self, Wal& wal,
                                                  const Wal::Content& content) {
  LogStart start = start_of(content);
  start.configuration = {{self}, {}};
  for (const WalEntry& entry : content.entries) {
    const auto applied = ports.subscriber.apply(entry.index, entry.data);
    if (!applied && applied.error() == Errc::unsupported) {
      co_return fail(of_entry(entry.index, applied.error()));
    }
    start.index = entry.index;
    start.term = entry.term;
  }
  CO_RETURN_IF_ERROR(co_await wal.save_snapshot(
      {start.index, start.term, ports.subscriber.snapshot()(), start.configuration}));
  co_return RaftState{{start.term, 0, start.index}, start, {}};
}

void RaftLog::use(std::unique_ptr<Wal> wal, WalBatch first) {
  storage_ = std::make_unique<RaftStorage>(
      RaftStorage::Ports{
          ports_.log, [this](RaftStorage::Written done) { written(std::move(done)); },
          [this](uint64_t index) {
            check(core_.compact(index, ports_.transport == nullptr ? KeptEntries{} : kKept));
          },
          [this](const Error& error) { fail_with(error); }},
      std::move(wal), std::move(first));
}

io::Task<Result<>> RaftLog::begin() {
  // What is known to be committed, and with it who votes.
  pump();
  refresh();
  if (!failed_ && status_.configuration.voters == std::vector<NodeId>{options_.self}) {
    check(core_.campaign());
    pump();
    // Without anybody to ask, all that the log holds is committed with the first entry of the term.
    while (!failed_ && !storage_->full() && applied_term_ != status_.term) {
      co_await changed_.wait(changed_.ticket(), io::Loop::current()->now() + options_.tick);
    }
    if (!failed_ && storage_->full()) co_return fail(Errc::disk_full);
  }
  if (failed_) co_return fail(*failed_);
  opening_ = false;
  running_.start(announce_later());
  if (ports_.transport != nullptr) running_.start(tick_all());
  co_return Result<>{};
}

io::Task<void> RaftLog::announce_later() {
  // Who opened the log has it by then.
  co_await ports_.control.yield();
  announce_role();
}

io::Task<void> RaftLog::tick_all() {
  TimePoint next = io::Loop::current()->now();
  while (!closed_at_ && !failed_) {
    // Ticks that a blocked loop missed are not made up for: the others were not silent.
    next = std::max(next + options_.tick, io::Loop::current()->now());
    co_await io::sleep_until(next);
    if (closed_at_ || failed_) break;
    watch_storage(io::Loop::current()->now());
    check(core_.tick());
    ask_for_agreement(io::Loop::current()->now());
    pump();
  }
}

/// The time is the number: what comes back says when it was asked.
void RaftLog::ask_for_agreement(TimePoint now) {
  if (!status_.leads || now < next_question_) return;
  next_question_ = now + kAgreeEvery;
  check(core_.confirm(static_cast<uint64_t>(now.time_since_epoch().count())));
}

/// A leader's heartbeats need no disk: it would lead on while nothing it says takes effect here.
void RaftLog::watch_storage(TimePoint now) {
  const bool stuck = storage_->stuck(now);
  if (stuck != stuck_) {
    stuck_ = stuck;
    check(core_.hold(stuck));
    hand_overs_ = 0;
    next_hand_over_ = now;
    if (stuck) {
      ports_.log.warning("metadata log cannot be written; another broker shall lead it");
    } else {
      ports_.log.info("metadata log is written again");
    }
  }
  if (!stuck_ || !status_.leads || now < next_hand_over_) return;
  // One that does not take it may be dead, or as badly off: then the next one.
  next_hand_over_ = now + kHandOverPause;
  const std::vector<NodeId> others = other_voters();
  if (!others.empty()) check(core_.transfer(others[hand_overs_++ % others.size()]));
}

/// Those that have most first.
std::vector<NodeId> RaftLog::other_voters() const {
  std::vector<NodeId> others = status_.configuration.voters;
  std::erase(others, options_.self);
  const auto has = [&](NodeId id) {
    const auto found = status_.matched.find(id);
    return found == status_.matched.end() ? 0 : found->second;
  };
  std::ranges::sort(
      others, [&](NodeId a, NodeId b) { return std::pair(has(b), a) < std::pair(has(a), b); });
  return others;
}

bool RaftLog::check(const Result<>& result) {
  if (!result && result.error() == Errc::internal) fail_with(result.error());
  return result.has_value();
}

void RaftLog::fail_with(Error error) {
  if (failed_) return;
  failed_ = std::move(error);
  if (!opening_) ports_.on_failed(*failed_);
  wake_proposals();
  changed_.notify_all();
}

void RaftLog::pump() {
  if (pumping_ || failed_) return;
  pumping_ = true;
  while (!failed_) {
    auto ready = core_.ready();
    if (!ready) fail_with(ready.error());
    if (!ready || !*ready) break;
    work_on(std::move(**ready));
  }
  pumping_ = false;
  if (failed_) return;
  refresh();
  announce_role();
  take_snapshot_when_due();
  changed_.notify_all();
}

void RaftLog::work_on(RaftReady ready) {
  send(std::move(ready.messages));
  const auto committed = std::move(ready.committed);
  if (ready.confirmed != 0) {
    const TimePoint asked{Duration(static_cast<int64_t>(ready.confirmed))};
    agreed_at_ = std::max(agreed_at_, asked);
  }
  storage_->add(std::move(ready));
  if (!failed_) apply(committed);
}

void RaftLog::send(std::vector<RaftMessage> messages) {
  if (ports_.transport == nullptr || closed_at_) return;
  for (RaftMessage& message : messages) {
    ports_.transport->send(message.to, std::move(message.bytes));
  }
}

void RaftLog::written(RaftStorage::Written done) {
  if (failed_) return;
  check(core_.persisted(done.number));
  if (done.installed) installed(*done.installed);
  if (failed_) return;
  send(std::move(done.messages));
  pump();
}

void RaftLog::installed(const WalSnapshot& snapshot) {
  if (auto restored = ports_.subscriber.restore(snapshot.index, snapshot.data); !restored) {
    fail_with(std::move(restored).error().with_context("metadata snapshot " +
                                                       std::to_string(snapshot.index)));
    return;
  }
  applied_ = snapshot.index;
  applied_term_ = snapshot.term;
  check(core_.applied(applied_));
  ports_.log.info("metadata snapshot installed", {{"index", snapshot.index}});
  wake_proposals();
}

void RaftLog::apply(const std::vector<WalEntry>& entries) {
  if (entries.empty()) return;
  for (const WalEntry& entry : entries) {
    apply(entry);
    if (failed_) return;
  }
  check(core_.applied(applied_));
}

void RaftLog::apply(const WalEntry& entry) {
  CHECK(entry.index == applied_ + 1, "entries are applied in their order, each once");
  Result<> result;
  if (entry.configuration) {
    check(core_.apply_change(entry));
  } else if (!entry.data.empty()) {
    result = ports_.subscriber.apply(entry.index, entry.data);
  }
  // To go on without it would be to serve another state than the one that was agreed.
  if (!result && result.error() == Errc::unsupported) {
    fail_with(of_entry(entry.index, result.error()));
    return;
  }
  applied_ = entry.index;
  applied_term_ = entry.term;
  if (!result) {
    // Refused the first time, refused again: the proposer was told.
    ports_.log.debug("metadata command refused",
                     {{"index", entry.index}, {"cause", result.error().message()}});
  }
  if (!entry.configuration && !entry.data.empty()) settle(entry, result);
}

void RaftLog::refresh() {
  auto now = core_.status();
  if (!now) return fail_with(now.error());
  const bool other_term = now->term != status_.term || now->leader != status_.leader;
  const bool led = status_.leads && now->term == status_.term;
  status_ = std::move(*now);
  if (!status_.leads) {
    agreed_at_ = TimePoint::min();
  } else if (!led) {
    // It acts once something of its term is committed, which most voters agree to after this.
    agreed_at_ = io::Loop::current()->now();
    next_question_ = {};
  }
  leader_.store(status_.leader ? status_.leader->value() : -1, std::memory_order_relaxed);
  if (other_term) wake_proposals();
}

void RaftLog::announce_role() {
  if (opening_ || closed_at_ || failed_) return;
  std::optional<uint64_t> leads_in;
  if (status_.leads && applied_term_ == status_.term) leads_in = status_.term;
  if (leads_in == announced_term_) return;
  announced_term_ = leads_in;
  if (ports_.on_role) ports_.on_role(leads_in.has_value(), status_.term);
}

/// All logs grow alike: brokers that take their snapshots at the same moment are slow together.
uint64_t RaftLog::snapshot_every_bytes() const {
  const uint64_t share = static_cast<uint64_t>(options_.self.value()) % 8;
  return options_.snapshot_every_bytes + options_.snapshot_every_bytes * share / 16;
}

void RaftLog::take_snapshot_when_due() {
  if (opening_ || closed_at_ || encoding_) return;
  const bool save = !storage_->saving() && storage_->snapshot_due(snapshot_every_bytes());
  if (!save && !status_.wants_snapshot) return;
  encoding_ = true;
  running_.start(take_snapshot(save, status_.wants_snapshot));
}

/// Not on the loop, which has ticks to do: a large cluster's state takes its time to encode.
io::Task<void> RaftLog::take_snapshot(bool save, bool offer) {
  WalSnapshot snapshot{applied_, applied_term_, {}, status_.configuration};
  const auto encode = ports_.subscriber.snapshot();
  if (ports_.executor != nullptr) {
    snapshot.data = co_await ports_.executor->offload(encode);
  } else {
    snapshot.data = encode();
  }
  encoding_ = false;
  if (failed_ || closed_at_) co_return;
  // It names who is in the group; where that changed meanwhile the next one is asked for.
  if (offer && status_.configuration == snapshot.configuration) {
    check(core_.offer_snapshot(snapshot.index, snapshot.data));
  }
  if (save) storage_->save(std::move(snapshot));
}

void RaftLog::receive(NodeId from, ByteView message) {
  if (failed_ || closed_at_) return;
  if (status_.leader == from) other_led_at_ = io::Loop::current()->now();
  const auto taken = core_.step(from, message);
  if (!check(taken)) tell_of_nonsense(from, taken.error());
  pump();
}

/// Its sender is no member, or lost what it had promised.
void RaftLog::tell_of_nonsense(NodeId from, const Error& why) {
  const TimePoint now = io::Loop::current()->now();
  if (now < next_warning_) return;
  next_warning_ = now + kWarnEvery;
  ports_.log.warning("message of the consensus dropped",
                     {{"from", from.value()}, {"cause", why.message()}});
}

void RaftLog::unreachable(NodeId peer) {
  if (failed_ || closed_at_) return;
  check(core_.unreachable(peer));
  pump();
}

void RaftLog::snapshot_sent(NodeId peer, bool arrived) {
  if (failed_ || closed_at_) return;
  check(core_.snapshot_sent(peer, arrived));
  pump();
}

std::optional<NodeId> RaftLog::leader() const {
  const int32_t id = leader_.load(std::memory_order_relaxed);
  return id < 0 ? std::nullopt : std::optional(NodeId{id});
}

RaftLog::Status RaftLog::status() const {
  return {.self = options_.self,
          .leader = status_.leader,
          .term = status_.term,
          .applied = applied_,
          .committed = status_.committed,
          .last = status_.last,
          .voters = status_.configuration.voters,
          .learners = status_.configuration.learners,
          .matched = status_.matched,
          .leads = announced_term_.has_value(),
          .agreed_at = agreed_at_,
          .other_led_at = other_led_at_};
}

io::Task<void> RaftLog::close() {
  closed_at_ = io::Loop::current()->now() + kCloseGrace;
  wake_proposals();
  changed_.notify_all();
  // Proposals first: they wait for what is still to be written.
  while (!proposals_.empty() && !failed_) {
    co_await changed_.wait(changed_.ticket(), closed_at_);
    if (io::Loop::current()->now() >= *closed_at_) break;
  }
  co_await storage_->close();
  co_await running_.join();
}

}  // namespace sluice::broker
