#include "broker/metadata/raft_core.h"

#include <algorithm>
#include <utility>

#include "base/crc32c.h"
#include "broker/metadata/raft_core/raft_core.h"
#include "broker/metadata/raft_flat.h"

namespace sluice::broker {
namespace {

/// To the engine 0 is nobody.
uint64_t engine_id(NodeId id) { return static_cast<uint64_t>(id.value()) + 1; }
NodeId node_id(uint64_t id) { return NodeId(static_cast<int32_t>(id - 1)); }

const uint8_t* pointer(ByteView bytes) { return reinterpret_cast<const uint8_t*>(bytes.data()); }

void write_ids(FlatWriter& to, const std::vector<NodeId>& ids) {
  to.number(ids.size());
  for (const NodeId id : ids) to.number(engine_id(id));
}

/// Sorted: the engine's order says nothing.
std::vector<NodeId> read_ids(FlatReader& from) {
  std::vector<NodeId> ids;
  for (uint64_t count = from.number(); count > 0; --count) ids.push_back(node_id(from.number()));
  std::ranges::sort(ids);
  return ids;
}

GroupConfiguration read_configuration(FlatReader& from) {
  GroupConfiguration configuration;
  configuration.voters = read_ids(from);
  configuration.learners = read_ids(from);
  return configuration;
}

std::vector<WalEntry> read_entries(FlatReader& from) {
  std::vector<WalEntry> entries;
  for (uint64_t count = from.number(); count > 0; --count) {
    WalEntry& entry = entries.emplace_back();
    entry.index = from.number();
    entry.term = from.number();
    entry.configuration = from.number() != 0;
    entry.data = from.bytes();
  }
  return entries;
}

constexpr size_t kCrcSize = 4;

/// Flipped bits that a checksum on the way missed make logs differ for ever.
std::vector<std::byte> sealed(ByteView message) {
  std::vector<std::byte> bytes(kCrcSize + message.size());
  store_be<uint32_t>(bytes.data(), crc32c(message));
  std::ranges::copy(message, bytes.begin() + kCrcSize);
  return bytes;
}

}  // namespace

void RaftCore::Free::operator()(SluiceRaft* raft) const { sluice_raft_free(raft); }

RaftCore::RaftCore(Handle handle, uint32_t snapshot_ticks)
    : handle_(std::move(handle)), snapshot_ticks_(snapshot_ticks) {}
RaftCore::RaftCore(RaftCore&&) noexcept = default;
RaftCore& RaftCore::operator=(RaftCore&&) noexcept = default;
RaftCore::~RaftCore() = default;

Result<RaftCore> RaftCore::make(const RaftSettings& settings, const RaftState& state) {
  FlatWriter to;
  to.number(engine_id(settings.self));
  to.number(settings.seed);
  to.number(settings.election_ticks);
  to.number(settings.heartbeat_ticks);
  to.number(settings.message_bytes);
  to.number(settings.messages_in_flight);
  to.number(settings.uncommitted_bytes);
  // FORMAT.md, rule 8: what of the hard state a crash may have left behind or ahead.
  const uint64_t last = state.entries.empty() ? state.start.index : state.entries.back().index;
  const bool older = state.hard_state.term < state.start.term;
  to.number(older ? state.start.term : state.hard_state.term);
  to.number(older ? 0 : state.hard_state.vote);
  to.number(std::clamp(state.hard_state.commit, state.start.index, last));
  to.number(state.start.index);
  to.number(state.start.term);
  write_ids(to, state.start.configuration.voters);
  write_ids(to, state.start.configuration.learners);
  to.number(state.entries.size());
  for (const WalEntry& entry : state.entries) {
    to.number(entry.index);
    to.number(entry.term);
    to.number(entry.configuration ? 1 : 0);
    to.bytes(entry.data);
  }
  Handle handle(sluice_raft_new(to.written().data(), to.written().size()));
  RaftCore core(std::move(handle), settings.snapshot_ticks);
  RETURN_IF_ERROR(core.status());
  return core;
}

Result<> RaftCore::outcome(int32_t code) const {
  switch (code) {
    case SLUICE_RAFT_OK:
      return {};
    case SLUICE_RAFT_NOT_LEADER:
      return fail(Errc::not_controller);
    case SLUICE_RAFT_DROPPED:
    case SLUICE_RAFT_BUSY:
      return fail(Errc::would_block, "the metadata log does not take this now; try again");
    case SLUICE_RAFT_INVALID:
      return fail(Errc::invalid_argument, "the metadata's group cannot do this");
    default:
      return fail(Errc::internal,
                  std::string("the consensus engine broke: ") + sluice_raft_error(handle_.get()));
  }
}

Result<> RaftCore::tick() {
  for (auto it = snapshots_.begin(); it != snapshots_.end();) {
    const NodeId peer = it->first;
    const bool lost = --it->second == 0;
    ++it;
    if (lost) RETURN_IF_ERROR(snapshot_sent(peer, false));
  }
  return outcome(sluice_raft_tick(handle_.get()));
}

Result<> RaftCore::hold(bool held) { return outcome(sluice_raft_hold(handle_.get(), held)); }

Result<> RaftCore::campaign() { return outcome(sluice_raft_campaign(handle_.get())); }

Result<> RaftCore::step(NodeId from, ByteView message) {
  if (message.size() < kCrcSize) return {};
  const ByteView content = message.subspan(kCrcSize);
  if (load_be<uint32_t>(message.data()) != crc32c(content)) return {};
  const int32_t code =
      sluice_raft_step(handle_.get(), engine_id(from), pointer(content), content.size());
  if (code == SLUICE_RAFT_DROPPED) return {};
  if (code == SLUICE_RAFT_INVALID) {
    return fail(Errc::invalid_request, "a message that no member of this group can have sent");
  }
  return outcome(code);
}

bool RaftCore::carries_snapshot(ByteView message) {
  // eraftpb.Message: its type is field 1, written first; MsgSnapshot is 7.
  return message.size() >= kCrcSize + 2 && message[kCrcSize] == std::byte{0x08} &&
         message[kCrcSize + 1] == std::byte{0x07};
}

Result<RaftCore::Place> RaftCore::propose(ByteView command) {
  uint64_t place[2] = {};
  RETURN_IF_ERROR(
      outcome(sluice_raft_propose(handle_.get(), pointer(command), command.size(), place)));
  return Place{place[0], place[1]};
}

Result<RaftCore::Place> RaftCore::propose_change(VotingRole role, NodeId id) {
  uint64_t place[2] = {};
  RETURN_IF_ERROR(outcome(sluice_raft_propose_change(handle_.get(), static_cast<uint64_t>(role),
                                                     engine_id(id), place)));
  return Place{place[0], place[1]};
}

Result<> RaftCore::transfer(NodeId to) {
  return outcome(sluice_raft_transfer(handle_.get(), engine_id(to)));
}

Result<> RaftCore::confirm(uint64_t number) {
  CHECK(number != 0, "0 says that nothing was confirmed");
  return outcome(sluice_raft_confirm(handle_.get(), number));
}

Result<> RaftCore::unreachable(NodeId peer) {
  RETURN_IF_ERROR(snapshot_sent(peer, false));
  return outcome(sluice_raft_report_unreachable(handle_.get(), engine_id(peer)));
}

Result<> RaftCore::snapshot_sent(NodeId peer, bool arrived) {
  if (snapshots_.erase(peer) == 0) return {};
  return outcome(sluice_raft_report_snapshot(handle_.get(), engine_id(peer), arrived));
}

std::vector<RaftMessage> RaftCore::taken(FlatReader& from) {
  std::vector<RaftMessage> messages;
  for (uint64_t count = from.number(); count > 0; --count) {
    const NodeId to = node_id(from.number());
    const bool snapshot = from.number() != 0;
    if (snapshot) snapshots_[to] = snapshot_ticks_;
    messages.push_back({to, sealed(from.bytes()), snapshot});
  }
  return messages;
}

Result<std::optional<RaftReady>> RaftCore::ready() {
  const uint8_t* bytes = nullptr;
  size_t length = 0;
  RETURN_IF_ERROR(outcome(sluice_raft_ready(handle_.get(), &bytes, &length)));
  if (length == 0) return std::optional<RaftReady>();
  FlatReader from(bytes, length);
  RaftReady ready;
  ready.number = from.number();
  const uint64_t flags = from.number();
  ready.must_sync = (flags & 1) != 0;
  if ((flags & 2) != 0) {
    HardState& state = ready.hard_state.emplace();
    state.term = from.number();
    state.vote = from.number();
    state.commit = from.number();
  }
  if ((flags & 4) != 0) {
    WalSnapshot& snapshot = ready.snapshot.emplace();
    snapshot.index = from.number();
    snapshot.term = from.number();
    snapshot.configuration = read_configuration(from);
    snapshot.data = from.bytes();
  }
  ready.entries = read_entries(from);
  ready.messages = taken(from);
  ready.messages_after = taken(from);
  ready.committed = read_entries(from);
  ready.confirmed = from.number();
  CHECK(from.done(), "both sides of the engine's interface agree");
  return std::optional<RaftReady>(std::move(ready));
}

Result<> RaftCore::persisted(uint64_t number) {
  return outcome(sluice_raft_persisted(handle_.get(), number));
}

Result<> RaftCore::apply_change(const WalEntry& entry) {
  return outcome(sluice_raft_apply_change(handle_.get(), pointer(entry.data), entry.data.size()));
}

Result<> RaftCore::applied(uint64_t index) {
  return outcome(sluice_raft_applied(handle_.get(), index));
}

Result<> RaftCore::offer_snapshot(uint64_t index, ByteView data) {
  return outcome(sluice_raft_offer_snapshot(handle_.get(), index, pointer(data), data.size()));
}

Result<> RaftCore::compact(uint64_t covered, KeptEntries kept) {
  return outcome(sluice_raft_compact(handle_.get(), covered, kept.count, kept.bytes));
}

Result<RaftCore::Status> RaftCore::status() {
  const uint8_t* bytes = nullptr;
  size_t length = 0;
  RETURN_IF_ERROR(outcome(sluice_raft_status(handle_.get(), &bytes, &length)));
  FlatReader from(bytes, length);
  Status status;
  status.term = from.number();
  if (const uint64_t leader = from.number(); leader != 0) status.leader = node_id(leader);
  status.leads = from.number() != 0;
  status.committed = from.number();
  status.applied = from.number();
  status.last = from.number();
  status.wants_snapshot = from.number() != 0;
  status.configuration = read_configuration(from);
  for (uint64_t count = from.number(); count > 0; --count) {
    const NodeId peer = node_id(from.number());
    status.matched[peer] = from.number();
  }
  return status;
}

}  // namespace sluice::broker
