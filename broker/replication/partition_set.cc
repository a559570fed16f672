#include "broker/replication/partition_set.h"

#include <algorithm>
#include <string_view>
#include <utility>
#include <vector>

#include "broker/replication/in_sync_keeper.h"

namespace sluice::broker {
namespace {

/// What failed is tried again after the first, after each further failure twice as long.
constexpr Duration kRetry = 100ms;
constexpr Duration kLongestRetry = 30s;
/// A leader that cannot begin so often leaves it to others.
constexpr uint32_t kTriesToLead = 3;

bool was_deleted(const MetadataImage& image, const Uuid& topic_id) {
  return image.deleted_topics != nullptr &&
         std::ranges::find(*image.deleted_topics, topic_id) != image.deleted_topics->end();
}

}  // namespace

TopicOptions PartitionSet::options_of(const Topic& topic) const {
  // Configs were checked when they were set; a key that this version does not know is left out.
  auto options = topic_options(ports_.defaults.options, topic->configs);
  if (options) return *options;
  ports_.log.error("topic configs not applied",
                   {{"topic", topic->name}, {"cause", options.error().message()}});
  return ports_.defaults.options;
}

io::Task<void> PartitionSet::serve(Topic topic, PartitionId id, const MetadataImage& image,
                                   Lane& lane) {
  if (auto served = co_await try_to_serve(topic, id, image, lane.from_start); !served) {
    co_await not_served(topic, id, lane, std::move(served).error());
  } else {
    lane.failures = 0;
  }
  look_at_damage({topic->id, id}, topic->partitions[static_cast<size_t>(id.value())]);
}

io::Task<Result<>> PartitionSet::try_to_serve(Topic topic, PartitionId id,
                                              const MetadataImage& image, bool from_start) {
  const PartitionKey key{topic->id, id};
  const TopicOptions options = options_of(topic);
  auto partition = ports_.table.find(key);
  if (partition == nullptr) {
    CO_ASSIGN_OR_RETURN(auto log, co_await open_log(topic, id, image, options.log, from_start));
    partition = std::make_shared<Partition>(key, std::move(log), partition_ports());
    partition->set_lag_max(ports_.replica_lag_max);
  }
  partition->set_options(options);
  CO_RETURN_IF_ERROR(
      co_await take_role(partition, topic->partitions[static_cast<size_t>(id.value())]));
  ports_.table.insert(key, std::move(partition));
  co_return Result<>{};
}

io::Task<void> PartitionSet::not_served(Topic topic, PartitionId id, Lane& lane, Error why) {
  const PartitionKey key{topic->id, id};
  if (lane.failures == 0) {
    ports_.log.error("partition not served, it is tried again",
                     {{"topic", topic->name}, {"partition", id}, {"cause", why.message()}});
  }
  const int64_t doublings = int64_t{1} << std::min<uint32_t>(lane.failures++, 20);
  lane.again = io::Loop::current()->now() + std::min(kLongestRetry, kRetry * doublings);
  why = std::move(why).with_context(
      "partition " + storage::TopicPartition{topic->name, id}.folder() + " is not served");
  const PartitionImage& wanted = topic->partitions[static_cast<size_t>(id.value())];
  if (wanted.leader == ports_.self && lane.failures >= kTriesToLead) {
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

io::Task<Result<std::shared_ptr<storage::Log>>> PartitionSet::open_log(Topic topic, PartitionId id,
                                                                       const MetadataImage& image,
                                                                       storage::LogOptions options,
                                                                       bool from_start) {
  const storage::TopicPartition name{topic->name, id};
  const bool is_spare = others_have(topic->partitions[static_cast<size_t>(id.value())]);
  if (auto log = ports_.logs.find(name)) {
    if (log->topic_id() == topic->id) co_return log;
    if (!was_deleted(image, log->topic_id())) {
      if (is_spare) {
        log.reset();
        co_return co_await ports_.logs.start_over(name, topic->id, options);
      }
      co_return fail(Errc::corrupt_file, log->directory() + "/" + name.folder() +
                                             ": belongs to topic id " + log->topic_id().text() +
                                             ", the topic's is " + topic->id.text() +
                                             "; move the folder away");
    }
    // Deleted before the topic of that name came back; the log had not gone yet.
    log.reset();
    CO_RETURN_IF_ERROR(co_await ports_.logs.remove(name));
  }
  if (auto failed = ports_.logs.find_failed(name)) {
    const bool is_bad = *failed == Errc::corrupt_file || *failed == Errc::corrupt_batch;
    if (!is_bad || !is_spare) co_return fail(*failed);
    co_return co_await ports_.logs.start_over(name, topic->id, options);
  }
  if (auto reason = withheld({topic->id, id}, name.folder(), from_start))
    co_return fail(std::move(*reason));
  co_return co_await ports_.logs.create(name, topic->id, options);
}

/// The controller knows that this replica is no good, and another leads.
bool PartitionSet::others_have(const PartitionImage& partition) const {
  const auto has_self = [this](const std::vector<NodeId>& nodes) {
    return std::ranges::find(nodes, ports_.self) != nodes.end();
  };
  return has_self(partition.damaged) && !has_self(partition.in_sync) &&
         partition.leader.value() >= 0 && partition.leader != ports_.self;
}

/// Why a log that is not there must not be made. What existed before this start may lie in a
/// directory that could not be used: an empty log elsewhere would give its offsets out again.
std::optional<Error> PartitionSet::withheld(const PartitionKey& key, const std::string& name,
                                            bool from_start) {
  auto withheld = withheld_.lock();
  // No directory comes back before the next start.
  if (const auto known = withheld->find(key); known != withheld->end()) return known->second;
  if (!from_start) return std::nullopt;
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

io::Task<void> PartitionSet::withdraw(PartitionKey key, Name name, Error why) {
  withheld_.lock()->erase(key);
  if (ports_.fetchers != nullptr) ports_.fetchers->forget(key);
  const auto partition = ports_.table.take(key);
  if (partition == nullptr) co_return;
  partition->stop(std::move(why));
  co_await partition->close();
  if (auto removed = co_await ports_.logs.remove(name); !removed) {
    ports_.log.error("log not removed",
                     {{"folder", name.folder()}, {"cause", removed.error().message()}});
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

/// Of a log that no topic has here.
io::Task<void> PartitionSet::remove_stray(const Name& name, const MetadataImage& image) {
  auto log = ports_.logs.find(name);
  if (log == nullptr) co_return;
  const Uuid topic_id = log->topic_id();
  if (!was_deleted(image, topic_id) && !is_elsewhere(image, topic_id, name.partition)) {
    strays_.push_back(log->directory() + "/" + name.folder());
    ports_.log.warning("a log that the metadata does not assign to this broker is left alone",
                       {{"folder", strays_.back()}});
    co_return;
  }
  log.reset();
  if (auto removed = co_await ports_.logs.remove(name); !removed) {
    ports_.log.error("log of a topic that was deleted, or moved away, not removed",
                     {{"folder", name.folder()}, {"cause", removed.error().message()}});
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
  co_await rest();
  const auto partitions = ports_.table.all();
  for (const auto& partition : partitions) partition->stop(why);
  for (const auto& partition : partitions) {
    co_await partition->close();
    ports_.table.take(partition->key());
  }
}

}  // namespace sluice::broker
