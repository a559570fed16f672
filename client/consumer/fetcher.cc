#include "client/consumer/fetcher.h"

#include <algorithm>
#include <map>
#include <utility>

namespace sluice::client {
namespace {

/// How long a fetch waits at the broker while some partitions are left out of it: they should be
/// asked for again as soon as poll() has made room.
constexpr std::chrono::milliseconds kPartialWait{20};

bool leader_moved(Errc code) {
  return code == Errc::not_leader || code == Errc::fenced_leader_epoch ||
         code == Errc::unknown_leader_epoch || code == Errc::unknown_topic_id ||
         code == Errc::unknown_topic_or_partition;
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

std::vector<Fetcher::Unplaced> Fetcher::unplaced() {
  return assignment_.with([](auto& partitions) {
    std::vector<Unplaced> out;
    for (auto& partition : partitions) {
      if (partition->error || (!partition->seek && partition->leader.value() >= 0)) continue;
      out.push_back({partition->name, partition->version,
                     partition->seek.value_or(SeekTarget(partition->fetch_from))});
    }
    return out;
  });
}

io::Task<void> Fetcher::run() {
  while (!stopped_) {
    const uint64_t ticket = assignment_.wanted().ticket();
    auto todo = unplaced();
    if (!todo.empty() && !co_await place(std::move(todo))) {
      ++place_failures_;
      const TimePoint next = cluster_.loop().now() + cluster_.backoff(place_failures_);
      co_await assignment_.wanted().wait(assignment_.wanted().ticket(), next);
      continue;
    }
    place_failures_ = 0;
    start_sessions();
    co_await assignment_.wanted().wait(ticket);
  }
  co_await scope_.join();
}

io::Task<bool> Fetcher::place(std::vector<Unplaced> todo) {
  std::map<NodeId, std::vector<Located>> by_leader;
  bool complete = true;
  for (auto& what : todo) {
    auto topic = co_await cluster_.topic(what.name.topic, place_failures_ > 0);
    if (!topic) {
      if (!topic.error().retriable() || topic.error() == Errc::unknown_topic_or_partition) {
        assignment_.set_error(what.name, what.version, std::move(topic).error());
      }
      complete = false;
      continue;
    }
    const auto at = static_cast<size_t>(what.name.id.value());
    if (what.name.id.value() < 0 || at >= (*topic)->leaders.size()) {
      assignment_.set_error(what.name, what.version, Error(Errc::unknown_topic_or_partition));
      complete = false;
      continue;
    }
    const auto leader = (*topic)->leaders[at];
    if (leader.node.value() < 0) {
      complete = false;
      continue;
    }
    by_leader[leader.node].push_back({std::move(what), (*topic)->id, leader});
  }
  for (auto& [leader, located] : by_leader) {
    auto resolved = co_await resolve(leader, std::move(located));
    if (!resolved) complete = false;
  }
  co_return complete;
}

/// Turns beginnings, ends and times into offsets with one request to the leader.
io::Task<Result<>> Fetcher::resolve(NodeId leader, std::vector<Located> located) {
  native::RequestHeader header;
  auto& list = *header.mutable_list_offsets();
  list.set_isolation(static_cast<native::FetchRequest::Isolation>(options_.isolation));
  std::vector<const Located*> asked;
  const auto ask = [&](const Located& place, native::ListOffsetsRequest::Special special,
                       Timestamp at) {
    auto& partition = *list.add_partitions();
    partition.set_topic_id(place.topic_id);
    partition.set_partition(place.what.name.id.value());
    partition.set_special(special);
    partition.set_timestamp(at.value());
    asked.push_back(&place);
  };
  for (const auto& place : located) {
    if (const auto* offset = std::get_if<Offset>(&place.what.target)) {
      settle_place(place, *offset);
    } else if (const auto* time = std::get_if<Timestamp>(&place.what.target)) {
      ask(place, native::ListOffsetsRequest::TIMESTAMP, *time);
    } else {
      const bool first = std::holds_alternative<SeekBeginning>(place.what.target);
      ask(place, first ? native::ListOffsetsRequest::EARLIEST : native::ListOffsetsRequest::LATEST,
          kNoTimestamp);
    }
  }
  if (asked.empty()) co_return Result<>{};
  auto connection = co_await cluster_.to(leader);
  if (!connection) co_return fail(std::move(connection).error());
  auto answer = co_await (*connection)->call(header);
  if (!answer) co_return fail(std::move(answer).error());
  const auto& said = answer->header.list_offsets();
  if (static_cast<size_t>(said.partitions_size()) != asked.size()) {
    co_return fail(Errc::malformed_frame, "offsets were answered for other partitions than asked");
  }
  Result<> result;
  for (int i = 0; i < said.partitions_size(); ++i) {
    const Located& place = *asked[static_cast<size_t>(i)];
    if (said.partitions(i).error().code() != 0) {
      result = fail(errc_from_wire(said.partitions(i).error().code()));
    } else if (said.partitions(i).offset() < 0) {
      // Nothing at or after that time: from the end on.
      assignment_.with([&](auto& partitions) {
        for (auto& partition : partitions) {
          if (partition->name == place.what.name && partition->version == place.what.version) {
            partition->seek = SeekEnd{};
          }
        }
      });
      result = fail(Errc::not_found);
    } else {
      settle_place(place, Offset(said.partitions(i).offset()));
    }
  }
  co_return result;
}

void Fetcher::settle_place(const Located& located, Offset offset) {
  assignment_.with([&](auto& partitions) {
    for (auto& partition : partitions) {
      if (partition->name != located.what.name || partition->version != located.what.version) {
        continue;
      }
      partition->topic_id = located.topic_id;
      partition->leader = located.leader.node;
      partition->leader_epoch = located.leader.epoch;
      if (partition->seek) partition->position = offset;
      partition->seek.reset();
      partition->fetch_from = offset;
    }
  });
}

void Fetcher::start_sessions() {
  const auto leaders = assignment_.with([](auto& partitions) {
    absl::flat_hash_set<int32_t> out;
    for (auto& partition : partitions) {
      if (partition->leader.value() >= 0) out.insert(partition->leader.value());
    }
    return out;
  });
  for (const int32_t leader : leaders) {
    if (!running_.contains(leader)) scope_.start(fetch_from(NodeId(leader)));
  }
}

Fetcher::Plan Fetcher::plan(NodeId leader) {
  const auto& memory = *assignment_.memory();
  return assignment_.with([&](auto& partitions) {
    Plan out;
    // A share of the buffer each, so that one partition cannot fill it: half is being polled.
    const size_t share = memory.total() / (2 * std::max<size_t>(1, partitions.size()));
    const size_t available = memory.available();
    for (auto& partition : partitions) {
      if (partition->leader != leader || partition->seek) continue;
      out.any = true;
      const size_t limit =
          std::clamp(share, std::min(2 * partition->average_batch, options_.fetch_partition_bytes),
                     options_.fetch_partition_bytes);
      const bool no_room = memory.held() > 0 && available < limit;
      if (partition->paused || partition->error || partition->buffered >= limit || no_room) {
        out.partial = true;
        continue;
      }
      out.wanted.push_back({partition->name, partition->version, partition->topic_id,
                            partition->fetch_from, partition->leader_epoch,
                            static_cast<uint32_t>(limit)});
    }
    return out;
  });
}

io::Task<void> Fetcher::fetch_from(NodeId leader) {
  Session session;
  running_[leader.value()] = &session;
  while (!stopped_) {
    const uint64_t ticket = assignment_.wanted().ticket();
    const Plan next = plan(leader);
    if (!next.any) break;
    if (next.wanted.empty()) {
      co_await assignment_.wanted().wait(ticket);
      continue;
    }
    auto fetched = co_await fetch_once(leader, session, next);
    if (fetched) {
      session.failures = 0;
      continue;
    }
    if (fetched.error() == Errc::unknown_session) {
      session.epoch = 0;
      continue;
    }
    if (stopped_) break;
    ++session.failures;
    if (session.connection) co_await session.connection->shut_down();
    session.connection.reset();
    lose_leader(leader);
    co_await io::sleep_until(cluster_.loop().now() + cluster_.backoff(session.failures));
    assignment_.wanted().notify_all();
  }
  running_.erase(leader.value());
  if (session.connection) co_await session.connection->shut_down();
}

native::RequestHeader Fetcher::request(Session& session, const Plan& plan) const {
  native::RequestHeader header;
  auto& fetch = *header.mutable_fetch();
  if (session.epoch == 0) session.told.clear();
  fetch.set_session_epoch(session.epoch);
  const std::chrono::milliseconds wait =
      plan.partial ? std::min<std::chrono::milliseconds>(kPartialWait, options_.fetch_max_wait)
                   : options_.fetch_max_wait;
  fetch.set_max_wait_ms(static_cast<uint32_t>(wait.count()));
  fetch.set_min_bytes(static_cast<uint32_t>(options_.fetch_min_bytes));
  const size_t room = std::max(assignment_.memory()->available(), options_.fetch_partition_bytes);
  fetch.set_max_bytes(static_cast<uint32_t>(std::min(options_.fetch_max_bytes, room)));
  fetch.set_isolation(static_cast<native::FetchRequest::Isolation>(options_.isolation));
  absl::flat_hash_map<Key, std::pair<int64_t, uint32_t>> now;
  for (const auto& wanted : plan.wanted) {
    const Key key{wanted.topic_id, wanted.name.id.value()};
    const auto place = std::pair(wanted.offset.value(), wanted.max_bytes);
    now[key] = place;
    const auto told = session.told.find(key);
    if (told != session.told.end() && told->second == place) continue;
    auto& partition = *fetch.add_partitions();
    partition.set_topic_id(wanted.topic_id);
    partition.set_partition(wanted.name.id.value());
    partition.set_offset(wanted.offset.value());
    partition.set_max_bytes(wanted.max_bytes);
    partition.set_leader_epoch(wanted.leader_epoch.value());
  }
  for (const auto& [key, place] : session.told) {
    if (now.contains(key)) continue;
    auto& forgotten = *fetch.add_forgotten();
    forgotten.set_topic_id(key.first);
    forgotten.set_partition(key.second);
  }
  session.told = std::move(now);
  session.epoch = session.epoch == UINT32_MAX ? 1 : session.epoch + 1;
  return header;
}

io::Task<Result<>> Fetcher::fetch_once(NodeId leader, Session& session, const Plan& plan) {
  if (!session.connection || session.connection->closed()) {
    if (session.connection) co_await session.connection->shut_down();
    session.connection.reset();
    session.epoch = 0;
    auto connection = co_await cluster_.dedicated(leader);
    if (!connection) co_return fail(std::move(connection).error());
    session.connection = *connection;
  }
  while (auto spare = assignment_.memory()->take_spare()) {
    session.connection->recycle(std::move(*spare));
  }
  native::RequestHeader header = request(session, plan);
  const Duration limit = cluster_.options().request_timeout + options_.fetch_max_wait;
  auto answer = co_await session.connection->call(header, {}, limit);
  if (!answer) co_return fail(std::move(answer).error());
  fetches_.fetch_add(1, std::memory_order_relaxed);
  if (!answer->header.has_fetch()) {
    co_return fail(Errc::malformed_frame, "the broker did not answer fetch with fetch");
  }
  size_t total = 0;
  for (const auto& partition : answer->header.fetch().partitions()) total += partition.size();
  if (total != answer->payload.size()) {
    co_return fail(Errc::malformed_frame, "a fetch answer's sizes do not add up to its payload");
  }
  receive(plan, std::move(*answer));
  co_return Result<>{};
}

void Fetcher::receive(const Plan& plan, Answer answer) {
  absl::flat_hash_map<Key, const Wanted*> wanted;
  for (const auto& one : plan.wanted) wanted[{one.topic_id, one.name.id.value()}] = &one;
  auto owner = std::make_shared<FetchedPayload>(std::move(answer.payload), assignment_.memory());
  size_t at = 0;
  for (const auto& said : answer.header.fetch().partitions()) {
    const ByteView bytes = owner->bytes().subspan(at, said.size());
    at += said.size();
    const auto found = wanted.find({said.topic_id(), said.partition()});
    if (found == wanted.end()) continue;
    const Wanted& one = *found->second;
    if (said.error().code() != 0) {
      refuse(one, said.error());
      continue;
    }
    assignment_.with([&](auto& partitions) {
      for (auto& partition : partitions) {
        if (partition->name != one.name) continue;
        partition->high_watermark = Offset(said.high_watermark());
        partition->log_start = Offset(said.log_start());
      }
    });
    if (!bytes.empty()) assignment_.add(one.name, one.version, {owner, bytes});
  }
}

void Fetcher::refuse(const Wanted& wanted, const native::ErrorInfo& error) {
  const Errc code = errc_from_wire(error.code());
  if (code == Errc::offset_out_of_range && options_.offset_reset != OffsetReset::fail) {
    const bool first = options_.offset_reset == OffsetReset::earliest;
    const SeekTarget to = first ? SeekTarget(SeekBeginning{}) : SeekTarget(SeekEnd{});
    static_cast<void>(assignment_.seek(wanted.name, to));
  } else if (leader_moved(code)) {
    assignment_.with([&](auto& partitions) {
      for (auto& partition : partitions) {
        if (partition->name == wanted.name) partition->leader = NodeId(-1);
      }
    });
    ++place_failures_;
    assignment_.wanted().notify_all();
  } else if (!is_retriable(code) || code == Errc::corrupt_batch) {
    assignment_.set_error(wanted.name, wanted.version,
                          error.message().empty() ? Error(code) : Error(code, error.message()));
  }
}

void Fetcher::lose_leader(NodeId leader) {
  assignment_.with([&](auto& partitions) {
    for (auto& partition : partitions) {
      if (partition->leader == leader) partition->leader = NodeId(-1);
    }
  });
  ++place_failures_;
}

}  // namespace sluice::client
