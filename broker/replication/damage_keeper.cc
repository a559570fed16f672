#include "broker/replication/damage_keeper.h"

#include <algorithm>
#include <utility>

#include "broker/replication/partition.h"
#include "broker/replication/partition_set.h"
#include "broker/replication/range_fetch.h"

namespace sluice::broker {
namespace {

bool has(const std::vector<NodeId>& nodes, NodeId node) {
  return std::ranges::find(nodes, node) != nodes.end();
}

const PartitionImage* find_image(const MetadataImage& image, const PartitionKey& key) {
  const auto topic = image.topic(key.topic_id);
  const auto place = static_cast<size_t>(key.partition.value());
  return topic == nullptr || place >= topic->partitions.size() ? nullptr
                                                               : &topic->partitions[place];
}

/// Nobody counts on it; or it leads, though it takes nothing, because all in sync lost something.
bool may_repair(const PartitionImage& partition, NodeId self) {
  if (partition.leader.value() < 0) return false;
  if (partition.leader != self) return !has(partition.in_sync, self);
  return partition.replicas.size() > 1 && std::ranges::all_of(partition.in_sync, [&](NodeId id) {
           return has(partition.damaged, id);
         });
}

std::string listed(const std::vector<NodeId>& brokers) {
  std::string text;
  for (const NodeId id : brokers) {
    text += (text.empty() ? "broker " : ", broker ") + std::to_string(id.value());
  }
  return text;
}

/// What nobody has stays lost, whatever else of the log was put right.
Error lost_records(const storage::TopicPartition& name, const std::vector<std::string>& lost,
                   const std::vector<NodeId>& asked) {
  std::string text = name.folder() + ": ";
  for (const std::string& range : lost) text += (&range == &lost.front() ? "" : ", ") + range;
  return Error(Errc::partition_corrupt,
               text + " are damaged here, on the only replica that was in sync, and " +
                   listed(asked) +
                   " cannot be shown to have them as they were; restore the folder from a backup, "
                   "or, to go on with what the others have, set unclean.leader.election.enable of "
                   "the topic and stop this broker until another leads");
}

}  // namespace

DamageKeeper::DamageKeeper(DamageKeeperPorts ports, DamageKeeperOptions options)
    : ports_(std::move(ports)),
      options_(options),
      repaired_(ports_.metrics.counter("replicas_repaired_total",
                                       "Damaged replicas that were made whole from others.")),
      failed_(ports_.metrics.counter("replica_repairs_failed_total",
                                     "Repairs of replicas that are tried again.")),
      bytes_(ports_.metrics.counter("replica_repair_bytes_total",
                                    "Bytes of records that repairs put in again.")) {}

void DamageKeeper::start() { running_.start(run()); }

io::Task<void> DamageKeeper::stop() {
  io::Loop& home = *io::Loop::current();
  co_await ports_.executor.control().enter();
  stopping_ = true;
  changed_.notify_all();
  co_await running_.join();
  co_await home.enter();
}

void DamageKeeper::look_at(const PartitionKey& key) {
  noticed_.lock()->keys.insert(key);
  changed_.notify_all();
}

void DamageKeeper::look_at(const storage::TopicPartition& name) {
  noticed_.lock()->names.insert(name);
  changed_.notify_all();
}

io::Task<void> DamageKeeper::run() {
  co_await ports_.executor.control().enter();
  Duration retry = options_.retry;
  while (!stopping_) {
    const uint64_t ticket = changed_.ticket();
    take_noticed();
    std::optional<TimePoint> again;
    if (co_await look()) again = io::Loop::current()->now() + retry;
    if (stopping_) break;
    const bool woken = co_await changed_.wait(ticket, again);
    retry = woken ? options_.retry : std::min(2 * retry, options_.longest_retry);
  }
  known_.clear();
}

void DamageKeeper::take_noticed() {
  Noticed noticed;
  std::swap(*noticed_.lock(), noticed);
  known_.merge(noticed.keys);
  const auto image = ports_.image();
  for (const auto& name : noticed.names) {
    // One that is not known yet is looked at when it is served.
    if (const auto topic = image->topic(std::string_view(name.topic)))
      known_.insert({topic->id, name.partition});
  }
}

DamageKeeper::Step DamageKeeper::step_of(const PartitionKey& key,
                                         const MetadataImage& image) const {
  const PartitionImage* wanted = find_image(image, key);
  if (wanted == nullptr || !has(wanted->replicas, ports_.self)) return Step::none;
  if (busy_.contains(key)) return Step::wait;
  const auto partition = ports_.table.find(key);
  const bool served = partition != nullptr && !partition->stopped();
  const bool damaged = served ? partition->log().is_damaged()
                              : partition != nullptr || ports_.table.failure_of(key).has_value();
  const bool told = has(wanted->damaged, ports_.self);
  if (damaged) {
    if (!told) return Step::report_damaged;
    if (!served) return Step::none;
    return may_repair(*wanted, ports_.self) ? Step::repair : Step::wait;
  }
  if (!told) return Step::none;
  if (!served) return Step::wait;
  const auto sound = sound_.find(key);
  const bool is_sound = sound != sound_.end() && sound->second.lock() == partition;
  return is_sound ? Step::report_whole : Step::check;
}

io::Task<bool> DamageKeeper::look() {
  const auto image = ports_.image();
  std::vector<DamageReport> reports;
  std::vector<PartitionKey> settled;
  for (const PartitionKey& key : known_) {
    switch (step_of(key, *image)) {
      case Step::none:
        settled.push_back(key);
        break;
      case Step::wait:
        break;
      case Step::report_damaged:
        reports.push_back({key.topic_id, key.partition, true});
        break;
      case Step::report_whole:
        reports.push_back({key.topic_id, key.partition, false});
        break;
      case Step::check:
        busy_.insert(key);
        running_.start(check(key));
        break;
      case Step::repair: {
        if (repairs_ >= options_.repairs_at_once) break;
        ++repairs_;
        busy_.insert(key);
        const PartitionImage& now = *find_image(*image, key);
        running_.start(repair(key, sources_of(now, *image)));
        break;
      }
    }
  }
  for (const PartitionKey& key : settled) {
    known_.erase(key);
    sound_.erase(key);
  }
  if (!reports.empty()) {
    const size_t count = reports.size();
    const auto taken = co_await ports_.port.report(std::move(reports));
    if (taken) {
      ports_.log.info("controller told of damaged replicas", {{"changes", count}});
    } else if (!taken.error().retriable()) {
      ports_.log.warning("controller not told of damaged replicas, it is tried again",
                         {{"cause", taken.error().message()}});
    }
  }
  co_return !known_.empty();
}

/// It counts as damaged since before a restart, which may not have looked where that was.
io::Task<void> DamageKeeper::check(PartitionKey key) {
  const auto partition = ports_.table.find(key);
  if (partition != nullptr) {
    const auto checked = co_await ports_.logs.check_all(partition->log().partition(), stopping_);
    if (checked && !partition->log().is_damaged()) sound_[key] = partition;
  }
  busy_.erase(key);
  changed_.notify_all();
}

DamageKeeper::Sources DamageKeeper::sources_of(const PartitionImage& wanted,
                                               const MetadataImage& image) const {
  Sources from{.leadership = {wanted.leader, wanted.leader_epoch}, .others = {}, .self = {}};
  if (wanted.leader != ports_.self) return from;
  from.others = wanted.replicas;
  std::erase(from.others, ports_.self);
  from.self.node = ports_.self;
  if (const auto* broker = image.broker(ports_.self)) from.self.broker_epoch = broker->epoch;
  return from;
}

/// Not on the control loop: checksums are computed.
io::Task<Result<storage::RepairPlan>> DamageKeeper::plan(storage::TopicPartition name,
                                                         PartitionKey key, Sources from) {
  const size_t spread = static_cast<size_t>(key.partition.value());
  io::Loop& worker = ports_.executor.worker(spread % ports_.executor.workers());
  co_await worker.enter();
  Result<storage::RepairPlan> plan;
  if (from.others.empty()) {
    const NodeId leader = from.leadership.leader;
    const auto link = ports_.links.link_to(leader, FetchLane::repair, worker);
    RangeFetch source(*link, key, from.leadership);
    plan = co_await ports_.logs.plan_repair(std::move(name), source, stopping_);
  } else {
    std::vector<CopyFetch::Copy> copies;
    for (const NodeId id : from.others) {
      copies.push_back({id, ports_.links.link_to(id, FetchLane::repair, worker)});
    }
    CopyFetch source(std::move(copies), key, from.self);
    plan = co_await ports_.logs.plan_repair(std::move(name), source, stopping_, true);
  }
  co_await ports_.executor.control().enter();
  co_return plan;
}

io::Task<Result<>> DamageKeeper::put_in_force(PartitionKey key, storage::TopicPartition name,
                                              storage::RepairPlan plan) {
  return ports_.partitions.reopen(
      key, [this, name = std::move(name), plan = std::move(plan)]() -> io::Task<Result<>> {
        CO_RETURN_IF_ERROR(co_await ports_.logs.finish_repair(name, plan));
        co_return Result<>{};
      });
}

io::Task<void> DamageKeeper::repair(PartitionKey key, Sources from) {
  const auto partition = ports_.table.find(key);
  Result<> done;
  storage::RepairPlan planned;
  storage::TopicPartition name;
  if (partition == nullptr || partition->leadership() != from.leadership) {
    done = fail(Errc::not_leader, "another leads the partition by now");
  } else {
    name = partition->log().partition();
    auto ready = co_await plan(name, key, from);
    if (ready) {
      planned = std::move(*ready);
      // Nothing was written that could be put in place, and the log stays as it is.
      const bool in_vain = !planned.lost.empty() && planned.rewritten.empty();
      if (!in_vain) done = co_await put_in_force(key, name, planned);
      if (done && !planned.lost.empty()) {
        done = fail(lost_records(name, planned.lost, from.others));
      }
    } else {
      done = fail(std::move(ready).error());
    }
  }
  const size_t loop = io::Loop::current()->index();
  if (done) {
    sound_[key] = ports_.table.find(key);
    repaired_.add(loop);
    bytes_.add(loop, planned.bytes);
    ports_.log.info(
        "replica repaired",
        {{"partition", name.folder()},
         {"from", from.others.empty() ? listed({from.leadership.leader}) : listed(from.others)},
         {"ranges", planned.ranges},
         {"bytes", planned.bytes},
         {"cut", planned.cut.has_value()},
         {"log_end", planned.end}});
  } else if (!stopping_) {
    failed_.add(loop);
    ports_.log.warning("replica not repaired, it is tried again",
                       {{"partition", name.folder()}, {"cause", done.error().message()}});
  }
  --repairs_;
  busy_.erase(key);
  // Those that wait for their turn; one that failed rests.
  if (done) changed_.notify_all();
}

}  // namespace sluice::broker
