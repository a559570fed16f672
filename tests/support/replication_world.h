#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "broker/metadata/elections.h"
#include "broker/replication/damage_keeper.h"
#include "broker/replication/in_sync_keeper.h"
#include "broker/replication/partition_set.h"
#include "broker/replication/replica_fetchers.h"
#include "broker/service/delete_records.h"
#include "broker/service/fetch.h"
#include "broker/service/produce.h"
#include "tests/support/log_set_world.h"

namespace sluice::testing {

/// Some brokers' worth of logs and partitions on simulated machines, with a controller that does
/// what it is asked and links that a test can cut. No sockets, no consensus.
class ReplicationWorld : private broker::LeaderLinks, private broker::InSyncPort {
 public:
  explicit ReplicationWorld(uint64_t seed = 1, int32_t brokers = 3,
                            uint64_t move_bytes_per_second = 0,
                            std::vector<std::string> directories = {"/data"})
      : move_bytes_per_second_(move_bytes_per_second),
        directories_(std::move(directories)),
        simulator_(seed) {
    for (int32_t id = 1; id <= brokers; ++id) add_broker(NodeId{id});
  }
  ~ReplicationWorld() override {
    on_payload = nullptr;
    for (auto& [id, broker] : brokers_) run(*broker, stop(*broker));
    // Sessions of the links hold partitions of other brokers, which must not outlive their logs.
    for (auto& [id, broker] : brokers_) broker->fetchers.reset();
    for (auto& [id, broker] : brokers_)
      EXPECT_TRUE(run(*broker, broker->logs->close()).has_value());
  }

  struct Broker {
    NodeId id;
    sim::SimNode* machine = nullptr;
    std::unique_ptr<MemoryBudget> memory;
    std::unique_ptr<storage::LogSet> logs;
    broker::PartitionTable table;
    std::unique_ptr<broker::InSyncKeeper> keeper;
    std::unique_ptr<broker::MoveThrottle> throttle;
    std::unique_ptr<broker::ReplicaFetchers> fetchers;
    std::unique_ptr<broker::PartitionSet> partitions;
    /// Of the broker, so that the world knows who reports.
    std::unique_ptr<broker::DamagePort> damage_port;
    std::unique_ptr<broker::DamageKeeper> damage;
    broker::Produce produce{table};
    broker::Fetch fetch{table};
  };

  const Uuid topic{std::array<std::byte, 16>{std::byte{7}}};
  const broker::PartitionKey key{topic, PartitionId{0}};
  int damage_reports = 0;
  /// Asked before a batch is handed to a follower: may damage it.
  std::function<void(NodeId follower, MutableBytes payload)> on_payload;

  sim::Simulator& simulator() { return simulator_; }
  Broker& broker(int32_t id) { return *brokers_.at(NodeId{id}); }
  std::shared_ptr<broker::Partition> partition(int32_t id) { return broker(id).table.find(key); }
  storage::Log& log(int32_t id) { return partition(id)->log(); }
  template <class T>
  T run(Broker& broker, io::Task<T> task) {
    return simulator_.run_on(broker.machine->executor().control(), std::move(task));
  }
  bool until(const std::function<bool()>& holds, Duration within = 5s) {
    return simulator_.run_until(holds, within);
  }

  /// The topic's partitions, all alike, led by the first replica, all in sync. What follows is
  /// about the first.
  void create(std::vector<int32_t> replicas, broker::ConfigMap configs = {},
              size_t partitions = 1) {
    auto made = std::make_shared<broker::TopicImage>();
    made->id = topic;
    made->name = "t";
    made->configs = std::move(configs);
    auto& partition = made->partitions.emplace_back();
    for (const int32_t id : replicas) partition.replicas.push_back(NodeId{id});
    partition.in_sync = partition.replicas;
    partition.leader = partition.replicas.front();
    made->partitions.resize(partitions, broker::PartitionImage(partition));
    publish(std::move(made));
  }
  const broker::PartitionImage& image() const {
    return (*image_->topics.find(topic))->partitions.front();
  }
  /// The controller changes the partition: the epoch grows.
  void change(const std::function<void(broker::PartitionImage&)>& how, size_t partition = 0) {
    auto next = std::make_shared<broker::TopicImage>(**image_->topics.find(topic));
    how(next->partitions[partition]);
    ++next->partitions[partition].partition_epoch;
    publish(std::move(next));
  }
  void elect(int32_t leader, std::vector<int32_t> in_sync) {
    change([&](broker::PartitionImage& partition) {
      partition.leader = NodeId{leader};
      ++partition.leader_epoch;
      partition.in_sync.clear();
      for (const int32_t id : in_sync) partition.in_sync.push_back(NodeId{id});
    });
  }
  std::shared_ptr<const broker::MetadataImage> metadata() const { return image_; }
  bool in_sync_is(std::vector<int32_t> expected) const {
    std::set<NodeId> wanted;
    for (const int32_t id : expected) wanted.insert(NodeId{id});
    return std::set<NodeId>(image().in_sync.begin(), image().in_sync.end()) == wanted;
  }
  /// No broker reaches it, nor it any, the controller neither.
  void cut_off(int32_t id) { cut_off_.insert(NodeId{id}); }
  /// Its images come too.
  void reconnect(int32_t id) {
    cut_off_.erase(NodeId{id});
    publish(std::make_shared<broker::TopicImage>(**image_->topics.find(topic)));
  }

  /// Forgets all that is not on its disk, and hears of the latest image.
  void start_again(int32_t id) {
    run(broker(id), [](Broker& self) -> io::Task<void> {
      co_await self.damage->stop();
      co_await self.partitions->rest();
      co_await self.fetchers->stop();
      co_await self.partitions->stop(Error(Errc::shutting_down));
    }(broker(id)));
    add_roles(broker(id));
    reconnect(id);
  }

  struct Acknowledgement {
    std::optional<broker::ProduceResult> result;
    bool good() const { return result && !result->error; }
    Errc code() const { return result && result->error ? result->error->code() : Errc::internal; }
  };
  /// Begins to produce one record; the answer comes as the simulation runs.
  std::shared_ptr<Acknowledgement> begin(int32_t id, std::string value,
                                         broker::Acks acks = broker::Acks::all,
                                         Duration timeout = 3s, int32_t partition = 0) {
    auto answer = std::make_shared<Acknowledgement>();
    simulator_.start_on(
        broker(id).machine->executor().worker(0),
        produce(broker(id), std::move(value), acks, timeout, PartitionId{partition}, answer));
    return answer;
  }
  std::shared_ptr<Acknowledgement> produce(int32_t id, std::string value,
                                           broker::Acks acks = broker::Acks::all) {
    auto answer = begin(id, std::move(value), acks);
    EXPECT_TRUE(until([&] { return answer->result.has_value(); }));
    return answer;
  }
  using Fetched = std::vector<broker::FetchedPartition>;
  /// Begins to fetch the first batch in the epoch of now, as a reader or as that follower; where it
  /// ends the disk tells. Empty until it is answered.
  std::shared_ptr<Fetched> begin_fetch(int32_t id, std::optional<int32_t> follower = {}) {
    auto answer = std::make_shared<Fetched>();
    simulator_.start_on(broker(id).machine->executor().worker(0),
                        fetch(broker(id), follower, image().leader_epoch, answer));
    return answer;
  }
  /// Begins to delete what is before the offset; the answer comes as the simulation runs.
  std::shared_ptr<std::optional<broker::DeleteRecordsAnswer>> begin_remove(int32_t id,
                                                                           int64_t before) {
    auto answer = std::make_shared<std::optional<broker::DeleteRecordsAnswer>>();
    simulator_.start_on(broker(id).machine->executor().worker(0),
                        remove(broker(id), Offset{before}, answer));
    return answer;
  }
  /// Values from the log start to the log end.
  std::vector<std::string> values(int32_t id) { return run(broker(id), read(log(id))); }
  bool same_logs(std::vector<int32_t> ids) {
    return std::ranges::all_of(ids, [&](int32_t id) { return values(id) == values(ids.front()); });
  }

 private:
  class Link;

  void add_broker(NodeId id) {
    auto made = std::make_unique<Broker>();
    made->id = id;
    made->machine = &simulator_.add_node("broker-" + std::to_string(id.value()));
    made->memory = std::make_unique<MemoryBudget>("node", 256_MiB);
    Broker& self = *(brokers_[id] = std::move(made));
    storage::LogSetOptions options;
    options.directories = directories_;
    auto opened = run(
        self,
        storage::LogSet::open(
            {.runtime = self.machine->runtime(),
             .memory = *self.memory,
             .metrics = metrics_,
             .log = Logger(sink_),
             .on_directory_offline =
                 [&self](const std::string& directory, const Error& cause) {
                   if (self.partitions) self.partitions->directory_offline(directory, cause);
                 },
             .on_start_moved =
                 [&self](const storage::Log& log) { self.partitions->log_start_moved(log); },
             .on_damage =
                 [&self](const storage::TopicPartition& name) {
                   if (self.damage != nullptr) self.damage->look_at(name);
                 }},
            std::move(options), {.cluster_id = "c", .node_id = id},
            [](const storage::TopicPartition&, const Uuid&) { return storage::LogOptions{}; }, {}));
    EXPECT_TRUE(opened.has_value());
    self.logs = std::move(*opened);
    auto& control = self.machine->executor().control();
    self.keeper = std::make_unique<broker::InSyncKeeper>(broker::InSyncKeeperPorts{
        control, self.table, *this, [this] { return image_; }, Logger(sink_)});
    self.throttle = std::make_unique<broker::MoveThrottle>(move_bytes_per_second_);
    add_roles(self);
    self.keeper->start();
  }
  void add_roles(Broker& self) {
    auto& control = self.machine->executor().control();
    const NodeId id = self.id;
    self.fetchers = std::make_unique<broker::ReplicaFetchers>(broker::ReplicaFetchersPorts{
        self.machine->executor(), *this,
        [id] { return broker::ReplicaIdentity{.node = id, .broker_epoch = 1}; }, Logger(sink_),
        self.throttle.get()});
    self.partitions = std::make_unique<broker::PartitionSet>(broker::PartitionSetPorts{
        control, *self.logs, self.table, defaults_, id, Logger(sink_), self.fetchers.get(),
        self.keeper.get(),
        [&self](const broker::PartitionKey& damaged) { self.damage->look_at(damaged); }});
    self.damage_port = std::make_unique<Reports>(*this, id);
    self.damage = std::make_unique<broker::DamageKeeper>(broker::DamageKeeperPorts{
        self.machine->executor(), self.table, *self.logs, *self.partitions, *self.damage_port,
        *this, id, [this] { return image_; }, metrics_, Logger(sink_)});
    self.damage->start();
  }
  static io::Task<void> stop(Broker& broker) {
    co_await broker.damage->stop();
    co_await broker.keeper->stop();
    co_await broker.partitions->rest();
    co_await broker.fetchers->stop();
    co_await broker.partitions->stop(Error(Errc::shutting_down));
  }

  void publish(std::shared_ptr<broker::TopicImage> changed) {
    auto next = std::make_shared<broker::MetadataImage>(*image_);
    ++next->version;
    next->brokers.clear();
    for (const auto& [id, broker] : brokers_) {
      next->brokers.push_back({.id = id, .epoch = 1, .fenced = cut_off_.contains(id)});
    }
    next->topic_ids.set(changed->name, topic);
    next->topics.set(topic, std::move(changed));
    image_ = std::move(next);
    announce();
    simulator_.run_for(1ms);
  }
  /// What one broker says of its replica reaches everybody that is not cut off.
  class Reports final : public broker::DamagePort {
   public:
    Reports(ReplicationWorld& world, NodeId from) : world_(world), from_(from) {}
    io::Task<Result<>> report(std::vector<broker::DamageReport> reports) override {
      co_await io::Loop::current()->yield();
      if (world_.cut_off_.contains(from_)) co_return fail(Errc::connection_failed);
      for (const auto& said : reports) world_.take_report(from_, said.damaged);
      co_return Result<>{};
    }

   private:
    ReplicationWorld& world_;
    const NodeId from_;
  };
  void take_report(NodeId from, bool damaged) {
    auto next = std::make_shared<broker::TopicImage>(**image_->topics.find(topic));
    next->partitions.front() =
        broker::with_damage(image(), from, damaged, {}, broker::BrokerStates(*image_));
    auto changed = std::make_shared<broker::MetadataImage>(*image_);
    ++changed->version;
    changed->topics.set(topic, std::move(next));
    image_ = std::move(changed);
    if (damaged) ++damage_reports;
    announce();
  }
  void announce() {
    for (auto& [id, broker] : brokers_) {
      if (cut_off_.contains(id)) continue;
      simulator_.start_on(broker->machine->executor().control(),
                          broker->partitions->follow(image_));
    }
  }

  io::Task<std::vector<Result<uint32_t>>> alter(
      std::vector<broker::InSyncChange> changes) override {
    std::vector<Result<uint32_t>> outcomes;
    for (const auto& wanted : changes) outcomes.push_back(alter_one(wanted));
    co_await io::Loop::current()->yield();
    co_return outcomes;
  }
  Result<uint32_t> alter_one(const broker::InSyncChange& wanted) {
    if (cut_off_.contains(image().leader)) return fail(Errc::connection_failed);
    if (wanted.leader_epoch != image().leader_epoch) return fail(Errc::fenced_leader_epoch);
    if (wanted.partition_epoch != image().partition_epoch) return fail(Errc::fenced_leader_epoch);
    auto next = std::make_shared<broker::TopicImage>(**image_->topics.find(topic));
    next->partitions.front().in_sync = wanted.in_sync;
    ++next->partitions.front().partition_epoch;
    auto changed = std::make_shared<broker::MetadataImage>(*image_);
    ++changed->version;
    changed->topics.set(topic, std::move(next));
    image_ = std::move(changed);
    return image().partition_epoch;
  }
  std::unique_ptr<broker::LeaderLink> link_to(NodeId leader, broker::FetchLane,
                                              io::Loop& loop) override;

  io::Task<void> produce(Broker& at, std::string value, broker::Acks acks, Duration timeout,
                         PartitionId partition, std::shared_ptr<Acknowledgement> answer) {
    auto batch = batch_of({{.key = "k", .value = value}});
    const std::vector<broker::ProducePartition> targets = {
        {.topic_id = topic, .partition = partition, .leader_epoch = {}, .batch = batch}};
    std::vector<broker::ProduceResult> results(1);
    const broker::ProduceCall call{.principal = principal_,
                                   .acks = acks,
                                   .timeout = timeout,
                                   .arrived = Timestamp{5000},
                                   .partitions = targets,
                                   .results = results};
    co_await at.produce.append(call);
    co_await at.produce.wait(call);
    answer->result.emplace(std::move(results.front()));
  }
  io::Task<void> fetch(Broker& from, std::optional<int32_t> follower, LeaderEpoch epoch,
                       std::shared_ptr<Fetched> answer) {
    MemoryBudget memory("session", 1_MiB);
    broker::FetchSession session(memory);
    const std::vector<broker::FetchTarget> targets = {
        {.key = key, .max_bytes = 1, .leader_epoch = epoch}};
    broker::FetchRequest request{
        .principal = principal_, .partitions = targets, .max_bytes = 1_MiB};
    if (follower) {
      request.replica = broker::ReplicaIdentity{.node = NodeId{*follower}, .broker_epoch = 1};
    }
    Fetched fetched;
    EXPECT_TRUE(co_await from.fetch.fetch(session, request, fetched));
    *answer = std::move(fetched);
  }
  io::Task<void> remove(Broker& at, Offset before,
                        std::shared_ptr<std::optional<broker::DeleteRecordsAnswer>> answer) {
    broker::DeleteRecords service(at.table, *at.logs);
    const std::vector<broker::DeleteRecordsTarget> targets = {{.key = key, .before = before}};
    *answer = (co_await service.remove(principal_, targets)).front();
  }
  static io::Task<std::vector<std::string>> read(storage::Log& log) {
    std::vector<std::string> values;
    Offset at = log.ends().start;
    while (at < log.ends().end) {
      const auto found = co_await log.read({.from = at, .bound = log.ends().end});
      EXPECT_TRUE(found.has_value());
      if (!found || found->slice.length == 0) break;
      std::vector<std::byte> bytes(found->slice.length);
      EXPECT_TRUE(
          co_await found->slice.file->read_at(found->slice.position, bytes, io::Lane::cold));
      record::BatchCursor cursor(bytes);
      for (auto batch = cursor.next(); batch && *batch; batch = cursor.next()) {
        record::RecordReader reader((*batch)->header(), (*batch)->payload());
        record::RecordView record;
        while (reader.next(record).value_or(false)) {
          if (record.offset >= at) values.emplace_back(as_text(*record.value));
        }
        at = (*batch)->header().next_offset();
      }
    }
    co_return values;
  }

  /// Of partitions that come by a move.
  const uint64_t move_bytes_per_second_;
  const std::vector<std::string> directories_;
  NullSink sink_;
  MetricsRegistry metrics_{4};
  broker::Principal principal_;
  broker::TopicDefaults defaults_;
  sim::Simulator simulator_;
  std::set<NodeId> cut_off_;
  std::shared_ptr<const broker::MetadataImage> image_ = std::make_shared<broker::MetadataImage>();
  std::map<NodeId, std::unique_ptr<Broker>> brokers_;
};

/// Asks the other broker's fetch service, on one of its workers, and copies what it answers.
class ReplicationWorld::Link final : public broker::LeaderLink {
 public:
  Link(ReplicationWorld& world, NodeId leader, NodeId follower)
      : world_(world), leader_(leader), follower_(follower) {}

  io::Task<Result<broker::ReplicaFetchAnswer>> fetch(native::FetchRequest request) override {
    io::Loop& home = *io::Loop::current();
    if (is_cut()) co_return fail(Errc::connection_failed);
    Broker& leader = *world_.brokers_.at(leader_);
    co_await leader.machine->executor().worker(1).enter();
    auto answer = co_await ask(leader, request);
    co_await home.enter();
    if (is_cut()) co_return fail(Errc::connection_failed);
    if (answer && world_.on_payload) world_.on_payload(follower_, answer->payload());
    co_return answer;
  }

 private:
  bool is_cut() const {
    return world_.cut_off_.contains(leader_) || world_.cut_off_.contains(follower_);
  }
  io::Task<Result<broker::ReplicaFetchAnswer>> ask(Broker& leader,
                                                   const native::FetchRequest& request) {
    std::vector<broker::FetchTarget> targets;
    for (const auto& named : request.partitions()) {
      auto& target = targets.emplace_back();
      target.key = {Uuid::from_bytes(as_bytes(named.topic_id())), PartitionId{named.partition()}};
      target.offset = Offset{named.offset()};
      target.max_bytes = named.max_bytes();
      target.leader_epoch = LeaderEpoch{named.leader_epoch()};
      target.synced_end = Offset{named.synced_end()};
      if (named.has_corrupt_at()) target.corrupt_at = Offset{named.corrupt_at()};
      target.log_start = Offset{named.log_start()};
      if (named.has_last_fetched_epoch()) {
        target.last_fetched_epoch = LeaderEpoch{named.last_fetched_epoch()};
      }
    }
    std::vector<broker::PartitionKey> forgotten;
    for (const auto& named : request.forgotten()) {
      forgotten.push_back(
          {Uuid::from_bytes(as_bytes(named.topic_id())), PartitionId{named.partition()}});
    }
    std::vector<broker::FetchedPartition> fetched;
    const broker::FetchRequest asked{
        .principal = world_.principal_,
        .session_epoch = request.session_epoch(),
        .partitions = targets,
        .forgotten = forgotten,
        .max_wait = std::chrono::milliseconds(request.max_wait_ms()),
        .max_bytes = request.max_bytes(),
        .replica = request.has_replica_id()
                       ? std::optional(broker::ReplicaIdentity{NodeId{request.replica_id()},
                                                               request.broker_epoch()})
                       : std::nullopt,
        .from_follower = request.from_follower()};
    CO_RETURN_IF_ERROR(co_await leader.fetch.fetch(session_, asked, fetched));
    co_return co_await pack(fetched);
  }
  static io::Task<Result<broker::ReplicaFetchAnswer>> pack(
      const std::vector<broker::FetchedPartition>& fetched) {
    broker::ReplicaFetchAnswer answer;
    for (const auto& from : fetched) answer.payload_size += from.slice.length;
    answer.bytes = std::make_unique<std::byte[]>(answer.payload_size);
    MutableBytes room = answer.payload();
    for (const auto& from : fetched) {
      auto& to = *answer.header.add_partitions();
      to.set_topic_id(std::string(as_text(from.key.topic_id.bytes())));
      to.set_partition(from.key.partition.value());
      if (from.error) {
        to.mutable_error()->set_code(static_cast<uint32_t>(from.error->code()));
        to.mutable_error()->set_message(std::string(from.error->message()));
      }
      to.set_high_watermark(from.high_watermark.value());
      to.set_log_start(from.log_start.value());
      to.set_size(static_cast<uint32_t>(from.slice.length));
      if (from.divergence) {
        to.set_diverging_epoch(from.divergence->epoch.value());
        to.set_diverging_end(from.divergence->end.value());
      }
      if (from.slice.length == 0) continue;
      CO_RETURN_IF_ERROR(co_await from.slice.file->read_at(
          from.slice.position, room.first(from.slice.length), io::Lane::hot));
      room = room.subspan(from.slice.length);
    }
    co_return answer;
  }

  ReplicationWorld& world_;
  const NodeId leader_;
  const NodeId follower_;
  MemoryBudget memory_{"session", 1_MiB};
  broker::FetchSession session_{memory_};
};

inline std::unique_ptr<broker::LeaderLink> ReplicationWorld::link_to(NodeId leader,
                                                                     broker::FetchLane,
                                                                     io::Loop& loop) {
  for (const auto& [id, broker] : brokers_) {
    auto& executor = broker->machine->executor();
    for (size_t i = 0; i < executor.workers(); ++i) {
      if (&executor.worker(i) == &loop) return std::make_unique<Link>(*this, leader, id);
    }
  }
  return nullptr;
}

}  // namespace sluice::testing
