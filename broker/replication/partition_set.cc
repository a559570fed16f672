#include "broker/replication/partition_set.h"

#include <algorithm>
#include <string_view>
#include <utility>
#include <vector>

#include "broker/replication/in_sync_keeper.h"

namespace sluice::broker {
namespace {

/// Logs made or changed at once: most of the time goes into waiting for the device.
constexpr size_t kAtOnce = 16;
/// What failed is tried again after the first, after each further failure twice as long.
constexpr Duration kRetry = 100ms;
constexpr Duration kLongestRetry = 30s;
/// A leader that cannot begin so often leaves it to others.
constexpr uint32_t kTriesToLead = 3;

bool was_deleted(const MetadataImage& image, const Uuid& topic_id) {
  return image.deleted_topics != nullptr &&
         std::ranges::find(*image.deleted_topics, topic_id) != image.deleted_topics->end();
}

io::Task<void> with_permit(io::Semaphore& permits, io::Task<void> work) {
  co_await permits.acquire();
  co_await std::move(work);
  permits.release();
}

}  // namespace

bool PartitionSet::is_here(const PartitionImage& partition) const {
  return std::ranges::find(partition.replicas, ports_.self) != partition.replicas.end();
}

io::Task<void> PartitionSet::follow(std::shared_ptr<const MetadataImage> image) {
  io::Loop& home = *io::Loop::current();
  co_await ports_.control.enter();
  {
    const auto lock = co_await following_.lock();
    if (followed_ == nullptr || followed_->version < image->version) {
      co_await follow_topics(*image);
      if (followed_ == nullptr) co_await remove_strays(*image);
      followed_ = std::move(image);
    }
    co_await try_again(followed_);
  }
  co_await home.enter();
}

std::optional<TimePoint> PartitionSet::next_try() const {
  std::optional<TimePoint> next;
  for (const auto& [key, failed] : failed_) {
    next = next ? std::min(*next, failed.again) : failed.again;
  }
  return next;
}

/// What the world refused may go well by now: no image comes because a disk has room again.
io::Task<void> PartitionSet::try_again(std::shared_ptr<const MetadataImage> image) {
  const TimePoint now = io::Loop::current()->now();
  std::vector<PartitionKey> due;
  for (const auto& [key, failed] : failed_) {
    if (failed.again <= now) due.push_back(key);
  }
  io::Semaphore permits(kAtOnce);
  io::Scope tries;
  for (const PartitionKey& key : due) {
    const auto topic = image->topic(key.topic_id);
    const auto place = static_cast<size_t>(key.partition.value());
    if (topic == nullptr || place >= topic->partitions.size() ||
        !is_here(topic->partitions[place])) {
      failed_.erase(key);
      continue;
    }
    tries.start(with_permit(permits, serve(topic, key.partition, *image)));
  }
  co_await tries.join();
}

std::vector<PartitionSet::Change> PartitionSet::changes_to(const MetadataImage& image) const {
  static const MetadataImage kNothing;
  std::vector<Change> changes;
  const MetadataImage& before = followed_ == nullptr ? kNothing : *followed_;
  before.topics.for_each_change(image.topics, [&](const Topic* from, const Topic* to) {
    changes.push_back({from == nullptr ? nullptr : *from, to == nullptr ? nullptr : *to});
  });
  // Deletions first: a topic may have come back under the same name.
  std::ranges::sort(changes, {}, [](const Change& change) {
    return std::pair(change.after != nullptr, std::string_view(change.name()));
  });
  return changes;
}

io::Task<void> PartitionSet::follow_topics(const MetadataImage& image) {
  io::Semaphore permits(kAtOnce);
  io::Scope running;
  bool deleting = true;
  for (const Change& change : changes_to(image)) {
    if (std::exchange(deleting, change.after == nullptr) && change.after != nullptr) {
      co_await running.join();
    }
    running.start(with_permit(permits, follow_topic(change, image)));
  }
  co_await running.join();
}

io::Task<void> PartitionSet::follow_topic(Change change, const MetadataImage& image) {
  const auto& [before, after] = change;
  if (after == nullptr) {
    co_await withdraw(before);
    co_return;
  }
  io::Semaphore permits(kAtOnce);
  io::Scope changes;
  for (size_t i = 0; i < after->partitions.size(); ++i) {
    const bool unchanged = before != nullptr && before->configs == after->configs &&
                           i < before->partitions.size() &&
                           before->partitions[i] == after->partitions[i];
    if (unchanged) continue;
    const PartitionId id{static_cast<int32_t>(i)};
    if (is_here(after->partitions[i])) {
      changes.start(with_permit(permits, serve(after, id, image)));
    } else if (ports_.table.find({after->id, id}) != nullptr) {
      // Only what was seen to go: a log found at the start may be of an assignment not heard of
      // yet.
      Error moved(Errc::not_leader, "the partition was moved to other brokers");
      changes.start(with_permit(permits, withdraw_partition(after, id, std::move(moved))));
    }
  }
  co_await changes.join();
}

TopicOptions PartitionSet::options_of(const Topic& topic) const {
  // Configs were checked when they were set; a key that this version does not know is left out.
  auto options = topic_options(ports_.defaults.options, topic->configs);
  if (options) return *options;
  ports_.log.error("topic configs not applied",
                   {{"topic", topic->name}, {"cause", options.error().message()}});
  return ports_.defaults.options;
}

io::Task<void> PartitionSet::serve(Topic topic, PartitionId id, const MetadataImage& image) {
  const PartitionKey key{topic->id, id};
  if (reopening_.contains(key)) {
    // Whoever has it under way goes by the latest image at the end.
    failed_.erase(key);
    co_return;
  }
  if (auto served = co_await try_to_serve(topic, id, image); !served) {
    co_await not_served(topic, id, std::move(served).error());
  } else {
    failed_.erase(key);
  }
  look_at_damage(key, topic->partitions[static_cast<size_t>(id.value())]);
}

io::Task<Result<>> PartitionSet::try_to_serve(Topic topic, PartitionId id,
                                              const MetadataImage& image) {
  const PartitionKey key{topic->id, id};
  const TopicOptions options = options_of(topic);
  auto partition = ports_.table.find(key);
  if (partition == nullptr) {
    CO_ASSIGN_OR_RETURN(auto log, co_await open_log(topic, id, image, options.log));
    partition = std::make_shared<Partition>(key, std::move(log), partition_ports());
    partition->set_lag_max(ports_.replica_lag_max);
  }
  partition->set_options(options);
  CO_RETURN_IF_ERROR(
      co_await take_role(partition, topic->partitions[static_cast<size_t>(id.value())]));
  ports_.table.insert(key, std::move(partition));
  co_return Result<>{};
}

io::Task<void> PartitionSet::not_served(Topic topic, PartitionId id, Error why) {
  const PartitionKey key{topic->id, id};
  Failed& failed = failed_[key];
  if (failed.times == 0) {
    ports_.log.error("partition not served, it is tried again",
                     {{"topic", topic->name}, {"partition", id}, {"cause", why.message()}});
  }
  const int64_t doublings = int64_t{1} << std::min<uint32_t>(failed.times++, 20);
  failed.again = io::Loop::current()->now() + std::min(kLongestRetry, kRetry * doublings);
  why = std::move(why).with_context(
      "partition " + storage::TopicPartition{topic->name, id}.folder() + " is not served");
  const PartitionImage& wanted = topic->partitions[static_cast<size_t>(id.value())];
  if (wanted.leader == ports_.self && failed.times >= kTriesToLead) {
    // What is not served at all another may lead. What was stopped stays so until a restart.
    const auto partition = ports_.table.find(key);
    if (partition != nullptr && !partition->stopped()) {
      ports_.table.take(key);
      partition->stop(why);
      co_await partition->close();
    }
  }
  ports_.table.set_failure(key, std::move(why));
}

void PartitionSet::look_at_damage(const PartitionKey& key, const PartitionImage& wanted) const {
  if (!ports_.look_at_damage) return;
  const auto partition = ports_.table.find(key);
  const bool whole = partition != nullptr && !partition->log().is_damaged();
  const bool counts_as_damaged =
      std::ranges::find(wanted.damaged, ports_.self) != wanted.damaged.end();
  if (!whole || counts_as_damaged) ports_.look_at_damage(key);
}

io::Task<Result<>> PartitionSet::reopen(PartitionKey key,
                                        std::function<io::Task<Result<>>()> change) {
  io::Loop& home = *io::Loop::current();
  co_await ports_.control.enter();
  storage::TopicPartition name;
  std::shared_ptr<Partition> partition;
  Result<> done;
  {
    const auto lock = co_await following_.lock();
    partition = ports_.table.find(key);
    if (partition == nullptr) {
      done = fail(Errc::not_found, "the partition is not served here any more");
    } else if (partition->leadership().leader == ports_.self) {
      done = fail(Errc::invalid_request,
                  partition->log().partition().folder() + " is led by this broker");
    } else {
      name = partition->log().partition();
      if (ports_.fetchers != nullptr) ports_.fetchers->forget(key);
      ports_.table.take(key);
      reopening_.insert(key);
    }
  }
  if (done) {
    partition->stop(Error(Errc::not_leader, name.folder() + " is being repaired here"));
    co_await partition->close();
    partition.reset();
    done = co_await change();
    const auto lock = co_await following_.lock();
    reopening_.erase(key);
    co_await serve_again(key, std::move(name));
  }
  co_await home.enter();
  co_return done;
}

io::Task<void> PartitionSet::serve_again(PartitionKey key, storage::TopicPartition name) {
  const auto image = followed_;
  auto topic = image->topic(key.topic_id);
  const auto place = static_cast<size_t>(key.partition.value());
  if (topic == nullptr || !is_here(topic->partitions[place])) {
    // It went meanwhile, or is to make room for another of its name.
    static_cast<void>(co_await ports_.logs.remove(name));
    topic = image->topic(std::string_view(name.topic));
    if (topic == nullptr || topic->id == key.topic_id) co_return;
    if (place >= topic->partitions.size() || !is_here(topic->partitions[place])) co_return;
  }
  co_await serve(std::move(topic), key.partition, *image);
}

PartitionPorts PartitionSet::partition_ports() const {
  PartitionPorts ports{.self = ports_.self, .lease = ports_.lease};
  if (InSyncKeeper* keeper = ports_.in_sync) {
    ports.could_join = [keeper](const PartitionKey& key) { keeper->could_join(key); };
  }
  ports.suspect = [logs = &ports_.logs](const storage::TopicPartition& partition, Offset from) {
    logs->check(partition, from);
  };
  ports.keep_start = [logs = &ports_.logs](storage::TopicPartition partition, Offset start) {
    return logs->delete_records(std::move(partition), start);
  };
  return ports;
}

io::Task<Result<>> PartitionSet::take_role(std::shared_ptr<Partition> partition,
                                           PartitionImage wanted) {
  const Leadership leadership{wanted.leader, wanted.leader_epoch};
  if (wanted.leader == ports_.self) {
    if (ports_.fetchers != nullptr) ports_.fetchers->forget(partition->key());
    co_return co_await partition->lead(std::move(wanted), io::Loop::current()->now());
  }
  if (partition->leadership() != leadership) co_await partition->follow(leadership);
  partition->set_standing(wanted);
  if (ports_.fetchers != nullptr) ports_.fetchers->follow(std::move(partition), leadership);
  co_return Result<>{};
}

io::Task<Result<std::shared_ptr<storage::Log>>> PartitionSet::open_log(
    Topic topic, PartitionId id, const MetadataImage& image, storage::LogOptions options) {
  const storage::TopicPartition name{topic->name, id};
  if (auto log = ports_.logs.find(name)) {
    if (log->topic_id() == topic->id) co_return log;
    if (!was_deleted(image, log->topic_id())) {
      co_return fail(Errc::corrupt_file, log->directory() + "/" + name.folder() +
                                             ": belongs to topic id " + log->topic_id().text() +
                                             ", the topic's is " + topic->id.text() +
                                             "; move the folder away");
    }
    // Deleted before the topic of that name came back; the log had not gone yet.
    log.reset();
    CO_RETURN_IF_ERROR(co_await ports_.logs.remove(name));
  }
  if (auto failed = ports_.logs.find_failed(name)) co_return fail(*failed);
  if (auto reason = withheld({topic->id, id}, name.folder())) co_return fail(std::move(*reason));
  co_return co_await ports_.logs.create(name, topic->id, options);
}

/// Why a log that is not there must not be made. What existed before this start may lie in a
/// directory that could not be used: an empty log elsewhere would give its offsets out again.
std::optional<Error> PartitionSet::withheld(const PartitionKey& key, const std::string& name) {
  auto withheld = withheld_.lock();
  // No directory comes back before the next start.
  if (const auto known = withheld->find(key); known != withheld->end()) return known->second;
  if (followed_ != nullptr) return std::nullopt;
  for (const auto& directory : ports_.logs.directories()) {
    if (!directory.offline_because) continue;
    Error reason(Errc::disk_offline,
                 name + " is in none of the data directories in use; it may be in " +
                     directory.path + ", which is left out: " + *directory.offline_because +
                     "; make that directory usable and start again, or delete the topic");
    return withheld->emplace(key, std::move(reason)).first->second;
  }
  return std::nullopt;
}

io::Task<void> PartitionSet::withdraw(Topic topic) {
  const auto count = static_cast<int32_t>(topic->partitions.size());
  // None is followed any more before the first log goes: that takes its time, and meanwhile the
  // leaders go, too.
  for (int32_t id = 0; id < count && ports_.fetchers != nullptr; ++id) {
    ports_.fetchers->forget({topic->id, PartitionId{id}});
  }
  io::Semaphore permits(kAtOnce);
  io::Scope withdrawals;
  for (int32_t id = 0; id < count; ++id) {
    Error deleted(Errc::unknown_topic_id,
                  "topic " + topic->name + " was deleted; create it or ask for another");
    withdrawals.start(
        with_permit(permits, withdraw_partition(topic, PartitionId{id}, std::move(deleted))));
  }
  co_await withdrawals.join();
}

io::Task<void> PartitionSet::withdraw_partition(Topic topic, PartitionId id, Error why) {
  const PartitionKey key{topic->id, id};
  withheld_.lock()->erase(key);
  failed_.erase(key);
  if (ports_.fetchers != nullptr) ports_.fetchers->forget(key);
  const auto partition = ports_.table.take(key);
  if (partition == nullptr) co_return;
  partition->stop(std::move(why));
  co_await partition->close();
  if (auto removed = co_await ports_.logs.remove({topic->name, id}); !removed) {
    ports_.log.error(
        "log not removed",
        {{"topic", topic->name}, {"partition", id}, {"cause", removed.error().message()}});
  }
}

/// The partition was moved away while this broker did not run: it serves from its registration on,
/// which is later than every image that the log can be of.
bool PartitionSet::is_elsewhere(const MetadataImage& image, const Uuid& topic_id,
                                PartitionId id) const {
  const auto topic = image.topic(topic_id);
  const auto place = static_cast<size_t>(id.value());
  return image.broker(ports_.self) != nullptr && topic != nullptr &&
         place < topic->partitions.size() && !is_here(topic->partitions[place]);
}

io::Task<void> PartitionSet::remove_strays(const MetadataImage& image) {
  std::vector<std::shared_ptr<storage::Log>> logs = ports_.logs.all();
  for (auto& log : logs) {
    const storage::TopicPartition name = log->partition();
    const Uuid topic_id = log->topic_id();
    if (ports_.table.find({topic_id, name.partition}) != nullptr) continue;
    if (!was_deleted(image, topic_id) && !is_elsewhere(image, topic_id, name.partition)) {
      strays_.push_back(log->directory() + "/" + name.folder());
      ports_.log.warning("a log that the metadata does not assign to this broker is left alone",
                         {{"folder", strays_.back()}});
      continue;
    }
    log.reset();
    if (auto removed = co_await ports_.logs.remove(name); !removed) {
      ports_.log.error("log of a topic that was deleted, or moved away, not removed",
                       {{"folder", name.folder()}, {"cause", removed.error().message()}});
    }
  }
}

std::optional<Error> PartitionSet::failure_of(const PartitionKey& key) const {
  return ports_.table.failure_of(key);
}

void PartitionSet::directory_offline(const std::string& directory, const Error& cause) {
  for (const auto& partition : ports_.table.all()) {
    if (partition->log().directory() != directory) continue;
    partition->stop(
        Error(Errc::disk_offline,
              partition->log().partition().folder() + ": data directory " + directory +
                  " is offline until a restart, because: " + std::string(cause.message())));
    if (ports_.look_at_damage) ports_.look_at_damage(partition->key());
  }
}

void PartitionSet::log_start_moved(const storage::Log& log) {
  const auto partition = ports_.table.find({log.topic_id(), log.partition().partition});
  if (partition != nullptr) partition->log_start_moved();
}

void PartitionSet::give_up_waiting() {
  for (const auto& partition : ports_.table.all()) {
    partition->give_up_waiting(SessionLease::doubt());
  }
}

io::Task<void> PartitionSet::stop(Error why) {
  const auto partitions = ports_.table.all();
  for (const auto& partition : partitions) partition->stop(why);
  for (const auto& partition : partitions) {
    co_await partition->close();
    ports_.table.take(partition->key());
  }
}

}  // namespace sluice::broker
