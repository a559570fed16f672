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
  }
  co_await home.enter();
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
  const PartitionImage& wanted = topic->partitions[static_cast<size_t>(id.value())];
  const TopicOptions options = options_of(topic);
  auto partition = ports_.table.find(key);
  Result<> served;
  if (partition == nullptr) {
    auto log = co_await open_log(topic, id, image, options.log);
    if (log) {
      partition = std::make_shared<Partition>(key, std::move(*log), partition_ports());
      partition->set_lag_max(ports_.replica_lag_max);
    } else {
      served = fail(std::move(log).error());
    }
  }
  if (served) {
    partition->set_options(options);
    served = co_await take_role(partition, wanted);
  }
  if (served) {
    ports_.table.insert(key, std::move(partition));
    co_return;
  }
  ports_.log.error(
      "partition not served",
      {{"topic", topic->name}, {"partition", id}, {"cause", served.error().message()}});
  ports_.table.set_failure(
      key,
      std::move(served).error().with_context(
          "partition " + storage::TopicPartition{topic->name, id}.folder() + " is not served"));
}

PartitionPorts PartitionSet::partition_ports() const {
  PartitionPorts ports{.self = ports_.self, .lease = ports_.lease};
  if (InSyncKeeper* keeper = ports_.in_sync) {
    ports.could_join = [keeper](const PartitionKey& key) { keeper->could_join(key); };
  }
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
  for (size_t i = 0; i < topic->partitions.size(); ++i) {
    Error deleted(Errc::unknown_topic_id,
                  "topic " + topic->name + " was deleted; create it or ask for another");
    co_await withdraw_partition(topic, PartitionId{static_cast<int32_t>(i)}, std::move(deleted));
  }
}

io::Task<void> PartitionSet::withdraw_partition(Topic topic, PartitionId id, Error why) {
  const PartitionKey key{topic->id, id};
  withheld_.lock()->erase(key);
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

io::Task<void> PartitionSet::remove_strays(const MetadataImage& image) {
  std::vector<std::shared_ptr<storage::Log>> logs = ports_.logs.all();
  for (auto& log : logs) {
    const storage::TopicPartition name = log->partition();
    const Uuid topic_id = log->topic_id();
    if (ports_.table.find({topic_id, name.partition}) != nullptr) continue;
    if (!was_deleted(image, topic_id)) {
      strays_.push_back(log->directory() + "/" + name.folder());
      ports_.log.warning("a log that the metadata does not assign to this broker is left alone",
                         {{"folder", strays_.back()}});
      continue;
    }
    log.reset();
    if (auto removed = co_await ports_.logs.remove(name); !removed) {
      ports_.log.error("log of a deleted topic not removed",
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
  }
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
