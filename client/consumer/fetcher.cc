#include "client/consumer/fetcher.h"

#include <algorithm>
#include <set>
#include <utility>

namespace sluice::client {
namespace {

/// How long a fetch waits at the broker while some partitions are left out of it: they should be
/// asked for again as soon as poll() has made room.
constexpr std::chrono::milliseconds kPartialWait{20};
/// How long a partition is read from its leader before a nearer replica is looked for again.
constexpr Duration kLookNearerAfter = 10s;

/// The answer to question `at`; a time was asked for behind the end.
Result<Offset> offset_said(const native::ListOffsetsResponse& said, int at, bool by_time) {
  const int last = by_time ? at + 1 : at;
  for (int i = at; i <= last; ++i) {
    const auto code = said.partitions(i).error().code();
    if (code != 0) return fail(errc_from_wire(code));
  }
  const int64_t found = said.partitions(last).offset();
  return Offset(found >= 0 ? found : said.partitions(at).offset());
}

}  // namespace

void Fetcher::stop() {
  stopped_ = true;
  for (auto& [leader, session] : running_) {
    if (session->connection) {
      session->connection->close(Error(Errc::cancelled, "the consumer is closed"));
    }
  }
  assignment_.wanted().notify_all();
}

void Fetcher::put_off(AssignedPartition& partition) {
  const uint32_t attempt = ++partition.failures;
  const bool is_led = partition.leader.value() >= 0;
  partition.retry_at =
      now() + (is_led ? cluster_.backoff(attempt) : cluster_.pause_before_looking(attempt));
}

std::vector<Fetcher::Unplaced> Fetcher::unplaced(std::optional<TimePoint>& retry_at) {
  std::vector<Unplaced> out;
  assignment_.for_each([&](const auto& partition) {
    if (partition->error) return;
    const bool placed = !partition->seek && partition->leader.value() >= 0;
    if (placed && !partition->look_nearer_at) return;
    const TimePoint due = placed ? *partition->look_nearer_at : partition->retry_at;
    if (due > now()) {
      retry_at = std::min(retry_at.value_or(due), due);
      return;
    }
    out.push_back({.ref = {partition, partition->version},
                   .target = partition->seek.value_or(SeekTarget(partition->fetch_from)),
                   .fresh = placed || partition->failures > 0,
                   .placed = placed});
    if (placed) partition->look_nearer_at.reset();
  });
  return out;
}

io::Task<void> Fetcher::run() {
  while (!stopped_) {
    const uint64_t ticket = assignment_.wanted().ticket();
    std::optional<TimePoint> retry_at;
    auto todo = unplaced(retry_at);
    const bool placing = !todo.empty();
    if (placing) {
      co_await place(std::move(todo));
      // Sessions that wait have something to fetch now.
      assignment_.wanted().notify_all();
    }
    if (stopped_) break;
    start_sessions();
    if (!placing) co_await assignment_.wanted().wait(ticket, retry_at);
  }
  co_await scope_.join();
}

io::Task<void> Fetcher::place(std::vector<Unplaced> todo) {
  std::map<NodeId, std::vector<Located>> by_leader;
  // One question a topic, however many of its partitions are to be found.
  std::map<std::string, Result<std::shared_ptr<const TopicMetadata>>> topics;
  for (auto& what : todo) {
    const std::string& name = what.ref.name().topic;
    auto known = topics.find(name);
    if (known == topics.end()) {
      auto asked = co_await cluster_.topic(name, what.fresh);
      known = topics.emplace(name, std::move(asked)).first;
    }
    const PartitionRef ref = what.ref;
    const bool placed = what.placed;
    if (known->second) {
      if (locate(std::move(what), **known->second, by_leader)) continue;
    } else if (const Error& why = known->second.error();
               !placed && (!why.retriable() || why == Errc::unknown_topic_or_partition)) {
      assignment_.set_error(ref, why);
      continue;
    }
    not_found(ref, placed);
  }
  for (auto& [leader, located] : by_leader) co_await resolve(leader, std::move(located));
}

void Fetcher::not_found(const PartitionRef& ref, bool placed) {
  assignment_.update(ref, [this, placed](auto& partition) {
    if (placed) {
      partition.look_nearer_at = now() + kLookNearerAfter;
    } else {
      put_off(partition);
    }
  });
}

/// False when there is no leader now.
bool Fetcher::locate(Unplaced what, const TopicMetadata& topic,
                     std::map<NodeId, std::vector<Located>>& by_leader) {
  const int32_t id = what.ref.name().id.value();
  if (id < 0 || static_cast<size_t>(id) >= topic.leaders.size()) {
    assignment_.set_error(what.ref, Error(Errc::unknown_topic_or_partition));
    return true;
  }
  const auto leader = topic.leaders[static_cast<size_t>(id)];
  if (leader.node.value() < 0) return false;
  const auto& in_sync = topic.in_sync[static_cast<size_t>(id)];
  NodeId source{-1};
  assignment_.update(what.ref,
                     [&](auto& partition) { source = source_of(partition, in_sync, leader.node); });
  by_leader[leader.node].push_back({.ref = std::move(what.ref),
                                    .target = what.target,
                                    .topic_id = topic.id,
                                    .leader = leader,
                                    .source = source});
  return true;
}

/// A replica in the client's rack, another one for each partition; else the leader.
NodeId Fetcher::source_of(const AssignedPartition& partition, const std::vector<NodeId>& in_sync,
                          NodeId leader) const {
  if (options_.rack.empty() || cluster_.rack_of(leader) == options_.rack) return leader;
  // It has just fallen back.
  if (partition.look_nearer_at) return leader;
  std::vector<NodeId> near;
  for (const NodeId node : in_sync) {
    if (cluster_.rack_of(node) == options_.rack) near.push_back(node);
  }
  if (near.empty()) return leader;
  return near[static_cast<size_t>(partition.name.id.value()) % near.size()];
}

/// Turns beginnings, ends and times into offsets with one request to the leader.
io::Task<void> Fetcher::resolve(NodeId leader, std::vector<Located> located) {
  native::RequestHeader header;
  auto& list = *header.mutable_list_offsets();
  list.set_isolation(static_cast<native::FetchRequest::Isolation>(options_.isolation));
  std::vector<const Located*> asked;
  const auto ask = [&](const Located& place, native::ListOffsetsRequest::Special special,
                       Timestamp at) {
    auto& partition = *list.add_partitions();
    partition.set_topic_id(place.topic_id);
    partition.set_partition(place.ref.name().id.value());
    partition.set_special(special);
    partition.set_timestamp(at.value());
  };
  for (const auto& place : located) {
    if (!std::holds_alternative<Offset>(place.target)) asked.push_back(&place);
    if (const auto* offset = std::get_if<Offset>(&place.target)) {
      settle_place(place, *offset);
    } else if (const auto* time = std::get_if<Timestamp>(&place.target)) {
      // The end as it was before, for when there is nothing at or after that time: asked for later,
      // it would lie behind what came meanwhile.
      ask(place, native::ListOffsetsRequest::LATEST, kNoTimestamp);
      ask(place, native::ListOffsetsRequest::TIMESTAMP, *time);
    } else {
      const bool first = std::holds_alternative<SeekBeginning>(place.target);
      ask(place, first ? native::ListOffsetsRequest::EARLIEST : native::ListOffsetsRequest::LATEST,
          kNoTimestamp);
    }
  }
  if (asked.empty()) co_return;
  auto connection = co_await cluster_.to(leader);
  Result<Answer> answer = fail(Errc::connection_closed);
  if (connection) answer = co_await (*connection)->call(header);
  const auto& said = answer ? answer->header.list_offsets() : native::ListOffsetsResponse();
  const bool sound = said.partitions_size() == list.partitions_size();
  int at = 0;
  for (const Located* place : asked) {
    const bool by_time = std::holds_alternative<Timestamp>(place->target);
    const auto offset = sound ? offset_said(said, at, by_time) : fail(Errc::connection_closed);
    at += by_time ? 2 : 1;
    if (offset) {
      settle_place(*place, *offset);
      continue;
    }
    if (!offset.error().retriable()) assignment_.set_error(place->ref, offset.error());
    assignment_.update(place->ref, [this](auto& partition) { put_off(partition); });
  }
}

void Fetcher::settle_place(const Located& located, Offset offset) {
  assignment_.update(located.ref, [&](auto& partition) {
    partition.topic_id = located.topic_id;
    partition.leader = located.leader.node;
    partition.leader_epoch = located.leader.epoch;
    partition.source = located.source;
    const bool could_be_nearer = located.source == located.leader.node && !options_.rack.empty() &&
                                 cluster_.rack_of(located.source) != options_.rack;
    if (could_be_nearer && !partition.look_nearer_at) {
      partition.look_nearer_at = now() + kLookNearerAfter;
    }
    // Without a seek it only moves elsewhere, and may have been fetched from meanwhile.
    if (!partition.seek) return;
    if (!partition.has_records()) partition.position = offset;
    partition.seek.reset();
    partition.fetch_from = offset;
  });
}

void Fetcher::start_sessions() {
  std::set<NodeId> sources;
  assignment_.for_each([&](const auto& partition) {
    if (partition->leader.value() >= 0) sources.insert(partition->source);
  });
  for (const NodeId source : sources) {
    if (!running_.contains(source)) scope_.start(fetch_from(source));
  }
}

Fetcher::Plan Fetcher::plan(NodeId source) {
  const auto& memory = *assignment_.memory();
  Plan out;
  const TimePoint at = now();
  const size_t available = memory.available();
  // A share of the buffer each, so that one partition cannot fill it: half is being polled.
  const size_t share = memory.total() / (2 * std::max<size_t>(1, assignment_.size()));
  assignment_.for_each([&](const auto& partition) {
    if (partition->source != source || partition->leader.value() < 0 || partition->seek) return;
    out.any = true;
    if (partition->paused || partition->error) return;
    if (partition->retry_at > at) {
      out.retry_at = std::min(out.retry_at.value_or(partition->retry_at), partition->retry_at);
      return;
    }
    const size_t limit =
        std::clamp(share, std::min(2 * partition->average_batch, options_.fetch_partition_bytes),
                   options_.fetch_partition_bytes);
    const bool no_room = available < limit && !memory.untouched();
    if (no_room) assignment_.want_memory(std::min(limit, memory.total()));
    if (partition->buffered >= limit) partition->wanted_below = std::max<size_t>(1, limit / 2);
    if (no_room || partition->buffered >= limit) {
      out.partial = true;
      return;
    }
    out.wanted.push_back({.ref = {partition, partition->version},
                          .topic_id = partition->topic_id,
                          .offset = partition->fetch_from,
                          .leader_epoch = partition->leader_epoch,
                          .last_epoch = partition->trail.last(),
                          .max_bytes = static_cast<uint32_t>(limit)});
  });
  return out;
}

io::Task<void> Fetcher::fetch_from(NodeId source) {
  Session session;
  running_[source] = &session;
  while (!stopped_) {
    const uint64_t ticket = assignment_.wanted().ticket();
    const Plan next = plan(source);
    if (!next.any) break;
    if (next.wanted.empty()) {
      co_await assignment_.wanted().wait(ticket, next.retry_at);
      continue;
    }
    auto fetched = co_await fetch_once(source, session, next);
    if (fetched || stopped_) continue;
    if (fetched.error() == Errc::unknown_session) {
      session.epoch = 0;
      continue;
    }
    if (session.connection) co_await session.connection->shut_down();
    session.connection.reset();
    lose_source(source);
  }
  running_.erase(source);
  if (session.connection) co_await session.connection->shut_down();
}

native::RequestHeader Fetcher::request(Session& session, const Plan& plan) const {
  native::RequestHeader header;
  auto& fetch = *header.mutable_fetch();
  if (session.epoch == 0) session.told.clear();
  fetch.set_session_epoch(session.epoch);
  fetch.set_from_follower(!options_.rack.empty());
  const std::chrono::milliseconds wait =
      plan.partial ? std::min<std::chrono::milliseconds>(kPartialWait, options_.fetch_max_wait)
                   : options_.fetch_max_wait;
  fetch.set_max_wait_ms(static_cast<uint32_t>(wait.count()));
  fetch.set_min_bytes(static_cast<uint32_t>(options_.fetch_min_bytes));
  const size_t room = std::max<size_t>(assignment_.memory()->available(), 1);
  fetch.set_max_bytes(static_cast<uint32_t>(std::min(options_.fetch_max_bytes, room)));
  fetch.set_isolation(static_cast<native::FetchRequest::Isolation>(options_.isolation));
  for (const auto& wanted : plan.wanted) {
    const Told now{.offset = wanted.offset,
                   .max_bytes = wanted.max_bytes,
                   .leader_epoch = wanted.leader_epoch,
                   .last_epoch = wanted.last_epoch,
                   .session_epoch = session.epoch};
    auto [told, is_new] =
        session.told.try_emplace({wanted.topic_id, wanted.ref.name().id.value()}, now);
    Told& before = told->second;
    const bool same = !is_new && before.offset == now.offset && before.max_bytes == now.max_bytes &&
                      before.leader_epoch == now.leader_epoch &&
                      before.last_epoch == now.last_epoch;
    before = now;
    if (same) continue;
    auto& partition = *fetch.add_partitions();
    partition.set_topic_id(wanted.topic_id);
    partition.set_partition(wanted.ref.name().id.value());
    partition.set_offset(wanted.offset.value());
    partition.set_max_bytes(wanted.max_bytes);
    partition.set_leader_epoch(wanted.leader_epoch.value());
    if (wanted.last_epoch.value() >= 0) {
      partition.set_last_fetched_epoch(wanted.last_epoch.value());
    }
  }
  std::erase_if(session.told, [&](const auto& entry) {
    if (entry.second.session_epoch == session.epoch) return false;
    auto& forgotten = *fetch.add_forgotten();
    forgotten.set_topic_id(entry.first.first);
    forgotten.set_partition(entry.first.second);
    return true;
  });
  session.epoch = session.epoch == UINT32_MAX ? 1 : session.epoch + 1;
  return header;
}

io::Task<Result<>> Fetcher::fetch_once(NodeId source, Session& session, const Plan& plan) {
  if (!session.connection || session.connection->closed()) {
    if (session.connection) co_await session.connection->shut_down();
    session.connection.reset();
    session.epoch = 0;
    auto connection = co_await cluster_.dedicated(source);
    if (!connection) co_return fail(std::move(connection).error());
    session.connection = *connection;
    if (stopped_) co_return fail(Errc::cancelled);
  }
  FetchMemory& memory = *assignment_.memory();
  if (auto spare = memory.take_spare(); spare.capacity() != 0) {
    session.connection->recycle(std::move(spare));
  }
  native::RequestHeader header = request(session, plan);
  const size_t most = header.fetch().max_bytes();
  const Duration limit = cluster_.options().request_timeout + options_.fetch_max_wait;
  memory.ask(most);
  auto answer = co_await session.connection->call(header, {}, limit);
  memory.answered(most);
  if (!answer) co_return fail(std::move(answer).error());
  fetches_.fetch_add(1, std::memory_order_relaxed);
  if (!answer->header.has_fetch()) {
    co_return fail(Errc::malformed_frame, "the broker did not answer fetch with fetch");
  }
  size_t total = 0;
  for (const auto& partition : answer->header.fetch().partitions()) {
    total += partition.size();
    // The broker may have dropped it from the session: it is named again if it is still wanted.
    const auto told = session.told.find({partition.topic_id(), partition.partition()});
    if (partition.has_error() && told != session.told.end()) told->second.offset = Offset(-1);
  }
  if (total != answer->payload.size()) {
    co_return fail(Errc::malformed_frame, "a fetch answer's sizes do not add up to its payload");
  }
  receive(plan, std::move(*answer));
  co_return Result<>{};
}

void Fetcher::receive(const Plan& plan, Answer answer) {
  std::map<std::pair<std::string_view, int32_t>, const Wanted*> wanted;
  for (const auto& one : plan.wanted) wanted[{one.topic_id, one.ref.name().id.value()}] = &one;
  std::shared_ptr<FetchedPayload> owner;
  if (answer.payload.size() != 0) {
    owner = std::make_shared<FetchedPayload>(std::move(answer.payload), assignment_.memory());
  }
  size_t at = 0;
  for (const auto& said : answer.header.fetch().partitions()) {
    const ByteView bytes = said.size() == 0 ? ByteView() : owner->bytes().subspan(at, said.size());
    at += said.size();
    const auto found = wanted.find({said.topic_id(), said.partition()});
    if (found == wanted.end()) continue;
    const PartitionRef& ref = found->second->ref;
    if (said.error().code() != 0) {
      refuse(ref, said.error());
      continue;
    }
    if (said.has_diverging_end()) {
      part(ref, said);
      continue;
    }
    if (assignment_.agree(ref)) continue;
    assignment_.update(ref, [&](auto& partition) {
      partition.high_watermark = Offset(said.high_watermark());
      partition.log_start = Offset(said.log_start());
      partition.failures = 0;
      if (partition.source != partition.leader) {
        bytes_from_followers_.fetch_add(said.size(), std::memory_order_relaxed);
      }
    });
    if (!bytes.empty()) assignment_.add(ref, {owner, bytes});
  }
}

void Fetcher::part(const PartitionRef& ref, const native::FetchResponse::Partition& said) {
  if (assignment_.part(ref, LeaderEpoch(said.diverging_epoch()), Offset(said.diverging_end()))) {
    return;
  }
  // A broker that says the same again and again must not be asked all the time.
  assignment_.update(ref, [this](auto& partition) { put_off(partition); });
}

void Fetcher::refuse(const PartitionRef& ref, const native::ErrorInfo& error) {
  const Errc code = errc_from_wire(error.code());
  bool fell_back = false;
  assignment_.update(ref, [&](auto& partition) {
    fell_back = fall_back(partition);
    if (fell_back && leader_moved(code)) {
      partition.leader = NodeId(-1);
      put_off(partition);
    }
  });
  if (fell_back) {
    assignment_.wanted().notify_all();
  } else if (code == Errc::offset_out_of_range && options_.offset_reset != OffsetReset::fail) {
    // Where the log begins or ends now may lie before what is buffered: fetched behind that, its
    // records would be passed over as read. So the buffer is read first.
    bool buffered = false;
    assignment_.update(ref, [&](auto& partition) {
      buffered = partition.has_records();
      if (buffered) put_off(partition);
    });
    const bool first = options_.offset_reset == OffsetReset::earliest;
    if (!buffered) {
      assignment_.refetch(ref, first ? SeekTarget(SeekBeginning{}) : SeekTarget(SeekEnd{}));
    }
  } else if (is_retriable(code) && code != Errc::corrupt_batch) {
    assignment_.update(ref, [&](auto& partition) {
      if (leader_moved(code)) partition.leader = NodeId(-1);
      put_off(partition);
    });
    assignment_.wanted().notify_all();
  } else {
    assignment_.set_error(ref,
                          error.message().empty() ? Error(code) : Error(code, error.message()));
  }
}

bool Fetcher::fall_back(AssignedPartition& partition) {
  if (partition.leader.value() < 0 || partition.source == partition.leader) return false;
  partition.source = partition.leader;
  partition.look_nearer_at = now() + kLookNearerAfter;
  return true;
}

void Fetcher::lose_source(NodeId source) {
  assignment_.for_each([&](const auto& partition) {
    if (partition->source != source || fall_back(*partition)) return;
    partition->leader = NodeId(-1);
    put_off(*partition);
  });
  assignment_.wanted().notify_all();
}

}  // namespace sluice::client
