#include "broker/replication/replica_fetcher.h"

#include <algorithm>
#include <string>
#include <utility>

#include "broker/replication/fetch_session.h"

namespace sluice::broker {
namespace {

/// Entries of one request: the leader's limit is not far above.
constexpr size_t kNamedAtOnce = 4000;
/// Partitions whose part of an answer is worked on at once.
constexpr size_t kTakenAtOnce = 64;
/// For what a log begins with to be on the device: who deletes waits for the next fetch.
constexpr Duration kStartWait = 10ms;
/// How often a leader hears anew where each replica is.
constexpr Duration kNameAgain = 3s;
/// So many failures are what happens while brokers learn of a new leader one after the other.
constexpr uint32_t kFailuresInPassing = 5;

bool is_passing(const Error& error) {
  switch (error.code()) {
    case Errc::not_leader:
    case Errc::fenced_leader_epoch:
    case Errc::unknown_leader_epoch:
    case Errc::unknown_topic_id:
    case Errc::unknown_topic_or_partition:
    case Errc::shutting_down:
      return true;
    default:
      return false;
  }
}

/// Nothing can be appended until somebody does something about the device.
bool is_of_device(const Error& error) {
  return error == Errc::disk_full || error == Errc::disk_offline || error == Errc::disk_failed;
}

Result<PartitionKey> key_of(const native::FetchResponse::Partition& partition) {
  if (partition.topic_id().size() != Uuid::kSize) {
    return fail(Errc::malformed_frame, "a topic id in a leader's answer is none");
  }
  return PartitionKey{Uuid::from_bytes(as_bytes(partition.topic_id())),
                      PartitionId{partition.partition()}};
}

}  // namespace

ReplicaFetcher::ReplicaFetcher(ReplicaFetcherPorts ports, NodeId leader, FetchLane lane,
                               ReplicaFetcherOptions options)
    : ports_(std::move(ports)), leader_(leader), lane_(lane), options_(options) {}

void ReplicaFetcher::start() { running_.start(run()); }

io::Task<void> ReplicaFetcher::stop() {
  io::Loop& home = *io::Loop::current();
  co_await ports_.loop.enter();
  stopping_ = true;
  changed_.notify_all();
  ports_.link.cancel();
  co_await running_.join();
  co_await home.enter();
}

void ReplicaFetcher::follow(std::shared_ptr<Partition> partition, LeaderEpoch epoch) {
  const PartitionKey key = partition->key();
  give({key, std::move(partition), epoch});
}

void ReplicaFetcher::forget(const PartitionKey& key) { give({key, nullptr, LeaderEpoch{-1}}); }

void ReplicaFetcher::give(Order order) {
  orders_.lock()->push_back(std::move(order));
  changed_.notify_all();
}

io::Task<void> ReplicaFetcher::run() {
  co_await ports_.loop.enter();
  while (!stopping_) {
    const uint64_t ticket = changed_.ticket();
    take_orders();
    wake_due(ports_.loop.now());
    name_kept_starts();
    name_all_now_and_then(ports_.loop.now());
    co_await sync_to_name();
    // Everything rests, or there is nothing: no request goes out for it.
    if (followed_.size() == resting_.size() && to_tell_.empty()) {
      co_await wait_for_work(ticket);
      continue;
    }
    auto answer = co_await ports_.link.fetch(make_request());
    if (stopping_) break;
    Result<> taken;
    if (answer) {
      session_epoch_ = FetchSession::epoch_after(session_epoch_);
      taken = co_await take(std::move(*answer));
    } else {
      taken = fail(std::move(answer).error());
    }
    if (taken) {
      if (std::exchange(link_failures_, 0) > 0) {
        ports_.log.info("replication goes on", {{"leader", leader_}});
      }
      continue;
    }
    lose_session(taken.error());
    co_await pause(backoff_after(link_failures_));
  }
  followed_.clear();
}

void ReplicaFetcher::take_orders() {
  std::vector<Order> orders;
  orders_.lock()->swap(orders);
  for (Order& order : orders) {
    const auto at = followed_.find(order.key);
    if (at != followed_.end()) {
      if (at->second.retry_at) resting_.erase({*at->second.retry_at, order.key});
      if (at->second.in_session) to_forget_.insert(order.key);
      followed_.erase(at);
    }
    to_name_.erase(order.key);
    to_tell_.erase(order.key);
    if (order.partition == nullptr) continue;
    Followed& followed = followed_[order.key];
    followed.partition = std::move(order.partition);
    followed.epoch = order.epoch;
    to_name_.insert(order.key);
  }
}

void ReplicaFetcher::wake_due(TimePoint now) {
  while (!resting_.empty() && resting_.begin()->first <= now) {
    const PartitionKey key = resting_.begin()->second;
    resting_.erase(resting_.begin());
    followed_.at(key).retry_at.reset();
    to_name_.insert(key);
  }
}

/// Where nothing else happens the leader hears of it nevertheless: deletions wait for that.
void ReplicaFetcher::name_kept_starts() {
  for (auto at = starting_.begin(); at != starting_.end();) {
    const auto found = followed_.find(*at);
    const bool is_known =
        found == followed_.end() || found->second.named_start >= found->second.leader_start;
    if (is_known) {
      at = starting_.erase(at);
      continue;
    }
    const Followed& followed = found->second;
    const Offset kept = followed.partition->follower_position().log_start;
    if (kept > followed.named_start && !followed.retry_at) to_name_.insert(*at);
    ++at;
  }
}

/// A request over a connection that is dead here may reach the leader late, and tell it of an older
/// place. Where nothing is written nobody would correct that, and the replica leave the set.
void ReplicaFetcher::name_all_now_and_then(TimePoint now) {
  if (now < named_all_ + kNameAgain) return;
  named_all_ = now;
  for (const auto& [key, followed] : followed_) {
    if (!followed.retry_at) to_name_.insert(key);
  }
}

io::Task<void> ReplicaFetcher::wait_for_work(uint64_t ticket) {
  std::optional<TimePoint> until;
  if (!resting_.empty()) until = resting_.begin()->first;
  co_await changed_.wait(ticket, until);
}

io::Task<void> ReplicaFetcher::pause(Duration duration) {
  const TimePoint until = ports_.loop.now() + duration;
  while (!stopping_ && ports_.loop.now() < until) {
    co_await changed_.wait(changed_.ticket(), until);
  }
}

native::FetchRequest ReplicaFetcher::make_request() {
  native::FetchRequest request;
  const ReplicaIdentity self = ports_.self();
  request.set_session_epoch(session_epoch_);
  request.set_replica_id(self.node.value());
  request.set_broker_epoch(self.broker_epoch);
  request.set_min_bytes(1);
  request.set_max_bytes(options_.response_bytes);
  for (const PartitionKey& key : to_forget_) {
    auto& forgotten = *request.add_forgotten();
    forgotten.set_topic_id(std::string(as_text(key.topic_id.bytes())));
    forgotten.set_partition(key.partition.value());
  }
  to_forget_.clear();
  for (size_t i = 0; i < kNamedAtOnce && !to_name_.empty(); ++i) {
    const PartitionKey key = to_name_.extract(to_name_.begin()).value();
    name(key, followed_.at(key), *request.add_partitions());
  }
  const bool tells = !to_tell_.empty();
  for (const PartitionKey& key : std::exchange(to_tell_, {})) {
    Followed& followed = followed_.at(key);
    if (!followed.retry_at) continue;
    auto& named = *request.add_partitions();
    name(key, followed, named);
    named.set_max_bytes(0);
    followed.in_session = false;
    to_forget_.insert(key);
  }
  Duration wait = to_name_.empty() ? options_.max_wait : Duration::zero();
  if (!starting_.empty()) wait = std::min(wait, kStartWait);
  // What is told is answered by nothing.
  if (tells) wait = Duration::zero();
  request.set_max_wait_ms(static_cast<uint32_t>(wait / 1ms));
  return request;
}

void ReplicaFetcher::name(const PartitionKey& key, Followed& followed,
                          native::FetchRequest::Partition& to) {
  const FollowerPosition position = followed.partition->follower_position();
  followed.asked = position.log_end;
  followed.named_start = position.log_start;
  followed.in_session = true;
  to.set_topic_id(std::string(as_text(key.topic_id.bytes())));
  to.set_partition(key.partition.value());
  to.set_offset(position.log_end.value());
  const bool is_slowed = ports_.throttle != nullptr && followed.partition->is_coming();
  to.set_max_bytes(is_slowed ? ports_.throttle->at_most(options_.partition_bytes)
                             : options_.partition_bytes);
  to.set_leader_epoch(followed.epoch.value());
  to.set_log_end(position.log_end.value());
  to.set_synced_end(position.synced_end.value());
  if (followed.corrupt_at) to.set_corrupt_at(followed.corrupt_at->value());
  to.set_log_start(position.log_start.value());
  if (position.last_epoch) to.set_last_fetched_epoch(position.last_epoch->value());
}

Duration ReplicaFetcher::backoff_after(uint32_t failures) const {
  const uint32_t doublings = std::min<uint32_t>(failures == 0 ? 0 : failures - 1, 20);
  return std::min(options_.longest_backoff, options_.backoff * (int64_t{1} << doublings));
}

/// The leader knows nothing of what was named any more, or will not.
void ReplicaFetcher::lose_session(const Error& why) {
  if (link_failures_++ == 0) {
    ports_.log.warning("replication from a leader fails, it is tried again",
                       {{"leader", leader_}, {"cause", why.message()}});
  }
  session_epoch_ = 0;
  to_forget_.clear();
  for (auto& [key, followed] : followed_) {
    followed.in_session = false;
    if (!followed.retry_at) to_name_.insert(key);
  }
}

/// What they do to their logs waits for the device: together, so that they share what that does. A
/// new leader's epoch alone is a few flushes for each of thousands of partitions.
io::Task<Result<>> ReplicaFetcher::take(ReplicaFetchAnswer answer) {
  io::Semaphore permits(kTakenAtOnce);
  io::Scope taking;
  auto taken = take_all(answer, permits, taking);
  co_await taking.join();
  co_return taken;
}

Result<> ReplicaFetcher::take_all(const ReplicaFetchAnswer& answer, io::Semaphore& permits,
                                  io::Scope& taking) {
  MutableBytes rest = answer.payload();
  for (const Answered& answered : answer.header.partitions()) {
    ASSIGN_OR_RETURN(const PartitionKey key, key_of(answered));
    if (answered.size() > rest.size()) {
      return fail(Errc::malformed_frame, "a leader's answer has fewer bytes than it says");
    }
    const MutableBytes batches = rest.first(answered.size());
    rest = rest.subspan(answered.size());
    taking.start(take_in_turn(permits, key, answered, batches));
  }
  return {};
}

io::Task<void> ReplicaFetcher::take_in_turn(io::Semaphore& permits, PartitionKey key,
                                            const Answered& answered, MutableBytes batches) {
  co_await permits.acquire();
  co_await take_one(key, answered, batches);
  permits.release();
}

io::Task<void> ReplicaFetcher::take_one(PartitionKey key, const Answered& answered,
                                        MutableBytes batches) {
  const auto at = followed_.find(key);
  // Forgotten meanwhile, or left alone.
  if (at == followed_.end() || at->second.retry_at) co_return;
  Followed& followed = at->second;
  if (answered.has_error()) {
    co_await refused(key, followed, answered);
  } else if (answered.has_diverging_end()) {
    co_await cut(key, followed,
                 {LeaderEpoch{answered.diverging_epoch()}, Offset{answered.diverging_end()}});
  } else {
    co_await append(key, followed, answered, batches);
  }
}

io::Task<void> ReplicaFetcher::append(PartitionKey key, Followed& followed,
                                      const Answered& answered, MutableBytes batches) {
  const auto appended = co_await followed.partition->append_fetched(
      followed.epoch, {.batches = batches,
                       .from = followed.asked,
                       .high_watermark = Offset{answered.high_watermark()},
                       .log_start = Offset{answered.log_start()}});
  if (appended) {
    went_well(followed);
    followed.leader_start = Offset{answered.log_start()};
    if (followed.named_start < followed.leader_start) starting_.insert(key);
    if (batches.empty()) co_return;
    to_name_.insert(key);
    if (ports_.throttle == nullptr || !followed.partition->is_coming()) co_return;
    const TimePoint next = ports_.throttle->copied(batches.size(), ports_.loop.now());
    if (next > ports_.loop.now()) rest(key, followed, next);
    co_return;
  }
  const bool corrupt =
      appended.error() == Errc::corrupt_batch || appended.error() == Errc::invalid_record;
  const bool once_more = appended.error() == Errc::offset_out_of_range ||
                         (corrupt && !std::exchange(followed.came_corrupt, true));
  if (once_more) {
    to_name_.insert(key);
  } else {
    if (corrupt) followed.corrupt_at = followed.asked;
    back_off_here(key, followed, appended.error());
  }
}

io::Task<void> ReplicaFetcher::cut(PartitionKey key, Followed& followed, Divergence divergence) {
  const auto cut = co_await followed.partition->cut_to(followed.epoch, divergence);
  if (!cut) {
    back_off_here(key, followed, cut.error());
    co_return;
  }
  const std::string folder = followed.partition->log().partition().folder();
  if (cut->below_high_watermark) {
    ports_.log.error("committed records are cut: the leader does not have them",
                     {{"partition", folder}, {"leader", leader_}, {"to", cut->to}});
  }
  ports_.log.info("log cut to where it parts from the leader's",
                  {{"partition", folder}, {"from", cut->from}, {"to", cut->to}});
  to_name_.insert(key);
}

io::Task<void> ReplicaFetcher::refused(PartitionKey key, Followed& followed,
                                       const Answered& answered) {
  Error why(errc_from_wire(answered.error().code()),
            "broker " + std::to_string(leader_.value()) + ": " + answered.error().message());
  if (!(why == Errc::offset_out_of_range) || answered.log_start() < 0) {
    back_off(key, followed, why);
    co_return;
  }
  const auto cut =
      co_await followed.partition->restart_at(followed.epoch, Offset{answered.log_start()});
  if (!cut) {
    back_off_here(key, followed, cut.error());
    co_return;
  }
  ports_.log.warning("replica begins anew at the leader's log start",
                     {{"partition", followed.partition->log().partition().folder()},
                      {"leader", leader_},
                      {"log end before", cut->from},
                      {"log start", cut->to}});
  to_name_.insert(key);
}

/// Before the next fetch says so: all at once, so that they share what the device does. Also what
/// this broker appended as a leader, or before it was killed: nothing else would flush it, and the
/// leader would wait for it with all that it has.
io::Task<void> ReplicaFetcher::sync_to_name() {
  if (lane_ != FetchLane::flushed) co_return;
  std::vector<PartitionKey> unsynced;
  for (const PartitionKey& key : to_name_) {
    const storage::LogEnds ends = followed_.at(key).partition->log().ends();
    if (ends.synced_end < ends.end) unsynced.push_back(key);
  }
  io::Scope syncs;
  for (const PartitionKey& key : unsynced) syncs.start(sync_one(key));
  co_await syncs.join();
}

io::Task<void> ReplicaFetcher::sync_one(PartitionKey key) {
  Followed& followed = followed_.at(key);
  storage::Log& log = followed.partition->log();
  const auto synced = co_await log.sync_to(log.ends().end);
  // Another role has cut it meanwhile: that is no failure.
  if (!synced && synced.error() != Errc::offset_out_of_range) {
    back_off_here(key, followed, synced.error());
  }
}

void ReplicaFetcher::went_well(Followed& followed) {
  followed.failures = 0;
  followed.came_corrupt = false;
  followed.corrupt_at.reset();
  if (std::exchange(followed.has_problem, false)) followed.partition->set_following_problem("");
}

void ReplicaFetcher::rest(const PartitionKey& key, Followed& followed, TimePoint until) {
  followed.retry_at = until;
  resting_.insert({until, key});
  to_name_.erase(key);
  starting_.erase(key);
  if (std::exchange(followed.in_session, false)) to_forget_.insert(key);
}

void ReplicaFetcher::back_off_here(const PartitionKey& key, Followed& followed, const Error& why) {
  back_off(key, followed, why);
  if (is_of_device(why)) to_tell_.insert(key);
}

void ReplicaFetcher::back_off(const PartitionKey& key, Followed& followed, const Error& why) {
  if (followed.retry_at) return;
  ++followed.failures;
  rest(key, followed, ports_.loop.now() + backoff_after(followed.failures));
  if (is_passing(why) && followed.failures < kFailuresInPassing) return;
  if (!std::exchange(followed.has_problem, true)) {
    ports_.log.warning("a replica does not get on, it is tried again",
                       {{"partition", followed.partition->log().partition().folder()},
                        {"leader", leader_},
                        {"cause", why.message()}});
  }
  followed.partition->set_following_problem("does not follow its leader, broker " +
                                            std::to_string(leader_.value()) + ": " +
                                            std::string(why.message()));
}

}  // namespace sluice::broker
