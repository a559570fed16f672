#include "tests/simulated/run.h"

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <utility>

#include "storage/inspect.h"
#include "tests/simulated/broker_machine.h"
#include "tests/simulated/clients.h"
#include "tests/simulated/cluster_nemesis.h"
#include "tests/simulated/cluster_watch.h"
#include "tests/simulated/fleet.h"
#include "tests/simulated/history.h"
#include "tests/simulated/invariants.h"
#include "tests/simulated/nemesis.h"
#include "tests/simulated/operator.h"
#include "tests/simulated/topic_plans.h"

namespace sluice::sim {
namespace {

/// With everything healed, what was promised to happen happens within this.
constexpr Duration kPatience = std::chrono::minutes(2);

using Ends = std::map<Place, Offset>;

/// Reads all records of a topic up to the given ends.
template <class Visit>
io::Task<bool> read_up_to(client::Cluster& cluster, std::string topic, Ends left, Visit visit) {
  client::ConsumerCore consumer(cluster, {.fetch_max_wait = client::Milliseconds(50)});
  std::erase_if(
      left, [&](const auto& end) { return end.first.topic != topic || end.second == Offset(0); });
  const TimePoint deadline = cluster.loop().now() + kPatience;
  bool assigned = false;
  while (!left.empty() && cluster.loop().now() < deadline) {
    if (!assigned) {
      assigned = (co_await consumer.assign(topic, client::SeekBeginning{})).has_value();
      if (!assigned) co_await io::sleep_for(100ms);
      continue;
    }
    auto records = co_await consumer.poll(1000, 200ms);
    if (!records) continue;
    for (const auto& record : *records) {
      const Place place{topic, record.partition};
      visit(place, record);
      const auto end = left.find(place);
      if (end != left.end() && record.offset + 1 >= end->second) left.erase(end);
    }
  }
  co_await consumer.close();
  co_return left.empty();
}

class Run {
 public:
  Run(uint64_t seed, const RunOptions& options)
      : options_(options),
        simulator_(seed),
        history_([this] { return simulator_.now(); }),
        topics_(topic_plans(options.brokers)),
        fleet_(simulator_, history_, options.brokers, simulator_.random().one_in(2)) {
    if (clustered()) watch_.emplace(simulator_, history_, fleet_);
    for (const BrokerMachine* broker : fleet_.members()) addresses_.push_back(broker->address());
  }

  /// False when something hangs: then this must not be destroyed.
  bool execute();
  RunReport report();

 private:
  bool clustered() const { return options_.brokers > 1; }
  bool start_brokers();
  bool set_up();
  void start_clients();
  bool torment();
  template <class Tormentor>
  bool torment(Tormentor nemesis);
  bool settle();
  bool read_all_logs();
  size_t least_members() const;
  void wait_for_clients();
  void probe();
  void audit();
  void stop_brokers();
  std::set<std::string> left_over_on(const BrokerMachine& broker);
  void verify_disk(const BrokerMachine& broker, const std::set<std::string>& left_over);
  bool end_clients();

  template <class Machine, class... Args>
  Machine& add(Args&&... args) {
    auto machine = std::make_unique<Machine>(World{simulator_, history_, addresses_},
                                             std::forward<Args>(args)...);
    Machine& added = *machine;
    clients_.push_back(std::move(machine));
    added.start();
    return added;
  }
  bool administer(std::string name, AdminMachine::Job job);
  bool wait(const std::function<bool()>& holds, const std::string& what);
  bool wait_for_sync(const std::string& what);
  bool learn_ends(const std::string& name);
  bool read_log(const std::string& name, bool first);

  const RunOptions options_;
  Simulator simulator_;
  History history_;
  const std::vector<TopicPlan> topics_;
  Fleet fleet_;
  std::optional<ClusterWatch> watch_;
  std::vector<std::string> addresses_;
  std::vector<std::unique_ptr<ClientMachine>> clients_;
  std::vector<ClientMachine*> producers_;
  std::vector<ReaderMachine*> readers_;
  OperatorMachine* operator_ = nullptr;
  Ends ends_;
};

bool Run::wait(const std::function<bool()>& holds, const std::string& what) {
  if (simulator_.run_until(holds, kPatience)) return true;
  history_.violated("healed for two minutes, " + what);
  return false;
}

bool Run::wait_for_sync(const std::string& what) {
  if (simulator_.run_until([this] { return fleet_.all_in_sync(); }, kPatience)) return true;
  history_.violated("healed for two minutes, " + what + ": " + fleet_.out_of_sync());
  return false;
}

/// True when the job came to its end.
bool Run::administer(std::string name, AdminMachine::Job job) {
  auto& machine = add<AdminMachine>(name, std::move(job));
  return wait([&] { return machine.done(); }, name + " is not done");
}

bool Run::start_brokers() {
  fleet_.launch_all();
  if (!wait([this] { return fleet_.all_started(); }, "brokers have not started")) return false;
  for (BrokerMachine* broker : fleet_.members()) {
    if (broker->ready()) continue;
    history_.violated(broker->name() + " does not start");
    return false;
  }
  return true;
}

bool Run::set_up() {
  for (const auto& topic : topics_) history_.add_topic(topic.name, topic.promise);
  if (!start_brokers()) return false;
  return administer(
      "creator", [this](client::Cluster&, client::AdminCore& admin) -> io::Task<void> {
        for (const auto& topic : topics_) {
          auto created =
              co_await admin.create_topic({.name = topic.name,
                                           .partitions = topic.partitions,
                                           .replication_factor = topic.replication_factor,
                                           .configs = topic.configs});
          if (!created)
            history_.violated("create topic: " + std::string(created.error().message()));
        }
      });
}

void Run::start_clients() {
  using client::Milliseconds;
  // Of a cluster there is always something under way when it is hit.
  const Workload work = clustered() ? Workload{50, 900ms} : Workload{40, 150ms};
  client::ProducerOptions options{.batch_size = 2048,
                                  .buffer_memory = 64 * 1024,
                                  .max_block = Milliseconds(60'000),
                                  .delivery_timeout = Milliseconds(60'000),
                                  .max_in_flight = 5};
  for (uint32_t number = 0; number < 3; ++number) {
    options.linger = Milliseconds(number * 5);
    options.compression = client::Compression(number);
    producers_.push_back(&add<ProducerMachine>(number, topics_, options, work));
  }
  producers_.push_back(&add<OneShotMachine>(3u, topics_, work));
  // What a cluster may lose of others, readers may see go.
  std::vector<TopicPlan> lasting = topics_;
  if (clustered()) {
    std::erase_if(lasting, [](const auto& topic) { return topic.promise == Promise::cached; });
  }
  for (const auto& topic : lasting) {
    readers_.push_back(&add<ReaderMachine>("reader-of-" + topic.name, topic.name));
  }
  add<WatcherMachine>(lasting);
  if (!clustered()) return;
  for (const auto acks : {client::Acks::leader, client::Acks::none}) {
    options.acks = acks;
    options.idempotence = false;
    options.max_in_flight = 1;
    const uint32_t number = acks == client::Acks::leader ? 5 : 6;
    producers_.push_back(&add<ProducerMachine>(number, topics_, options, work));
  }
  if (options_.misfortunes > 0) operator_ = &add<OperatorMachine>(fleet_, topics_, least_members());
}

/// As many as the topic with the most replicas has.
size_t Run::least_members() const {
  return std::ranges::max(topics_, {}, &TopicPlan::replication_factor).replication_factor;
}

bool Run::torment() {
  std::vector<ClientMachine*> victims = producers_;
  victims.insert(victims.end(), readers_.begin(), readers_.end());
  if (!clustered()) {
    return torment(
        Nemesis(simulator_, history_, *fleet_.members().front(), victims, options_.trust_cache));
  }
  return torment(ClusterNemesis(simulator_, history_, fleet_, victims)) && settle();
}

template <class Tormentor>
bool Run::torment(Tormentor nemesis) {
  for (uint32_t i = 0; i < options_.misfortunes; ++i) {
    if (!nemesis.strike()) return false;
  }
  return nemesis.heal();
}

/// From here on everything must get well by itself.
bool Run::settle() {
  history_.note("from here on nothing goes wrong any more");
  if (operator_ != nullptr) {
    operator_->stop();
    if (!wait([this] { return operator_->done(); }, "the operator is not done")) return false;
  }
  fleet_.remove_left();
  if (!start_brokers()) return false;
  if (!wait_for_sync("replicas are out of sync, or move")) return false;
  if (!read_all_logs()) return false;
  // What was said before a loss of power may have been heard after it.
  history_.lose_minority();
  return true;
}

/// What went bad and nobody reads has to be found by reading all; then it has to be repaired.
bool Run::read_all_logs() {
  std::map<const BrokerMachine*, uint64_t> wanted;
  // One more than is under way.
  for (const BrokerMachine* broker : fleet_.members()) wanted[broker] = broker->scrubs() + 2;
  const auto all_read = [&] {
    return std::ranges::all_of(wanted, [](const auto& item) {
      return item.first->scrubs() >= item.second || item.first->partitions().all().empty();
    });
  };
  return wait(all_read, "logs are not scrubbed") &&
         wait_for_sync("what the scrub found is not repaired");
}

void Run::wait_for_clients() {
  wait([&] { return std::ranges::all_of(producers_, &ClientMachine::done); },
       "producers are not done");
  if (history_.pending() > 0) {
    history_.violated(std::to_string(history_.pending()) + " records have no outcome");
  }
}

/// Everybody may go on where the others left the log.
void Run::probe() {
  const uint32_t number = 4;
  const client::ProducerOptions options{.delivery_timeout = client::Milliseconds(10'000)};
  auto& machine = add<ProducerMachine>(number, topics_, options, Workload{4, 150ms});
  wait([&] { return machine.done(); }, "a new producer is not done");
  for (const auto& [id, attempt] : history_.attempts()) {
    if (id.producer != number || attempt.outcome == Outcome::acknowledged) continue;
    history_.violated(id.to_string() + " was sent when all was healed: " + attempt.error);
  }
}

/// Where the logs end, once everything in them is committed.
bool Run::learn_ends(const std::string& name) {
  bool committed = false;
  std::string open;
  const auto learn = [&](client::Cluster& cluster, client::AdminCore& admin) -> io::Task<void> {
    const TimePoint deadline = cluster.loop().now() + 10s;
    while (!committed && cluster.loop().now() < deadline) {
      committed = true;
      for (const auto& topic : topics_) {
        auto listed = co_await admin.list_offsets(topic.name, {});
        auto described = co_await admin.describe_topic(topic.name);
        committed &= listed.has_value() && described.has_value();
        if (!committed) break;
        for (const auto& end : *listed) ends_[{topic.name, end.partition}] = end.offset;
        for (const auto& partition : described->partitions) {
          const Place place{topic.name, partition.id};
          if (partition.problem.empty() && partition.log_end == ends_.at(place)) continue;
          committed = false;
          open = place.to_string() + " ends at " + std::to_string(partition.log_end.value()) +
                 ", of which " + std::to_string(ends_.at(place).value()) + " are committed; " +
                 partition.problem;
        }
      }
      if (!committed) co_await io::sleep_for(200ms);
    }
  };
  if (!administer(name, learn)) return false;
  if (!committed) history_.violated("what stands in the logs is not committed: " + open);
  return committed;
}

bool Run::read_log(const std::string& name, bool first) {
  bool complete = true;
  const auto read = [&](client::Cluster& cluster, client::AdminCore&) -> io::Task<void> {
    for (const auto& topic : topics_) {
      const auto visit = [&](const Place& place, const client::ConsumedRecord& record) {
        const std::string_view value = record.value.value_or("no value");
        if (first) {
          history_.found(place, record.offset, record.leader_epoch, value);
        } else {
          history_.saw(name, place, record.offset, record.leader_epoch, value);
        }
      };
      complete &= co_await read_up_to(cluster, topic.name, ends_, visit);
    }
  };
  if (!administer(name, read)) return false;
  if (!complete) history_.violated(name + " cannot read the logs to their ends");
  return complete;
}

void Run::audit() {
  if (!learn_ends("surveyor")) return;
  const auto has_all = [&](const ReaderMachine* reader) {
    return std::ranges::all_of(ends_, [&](const auto& end) {
      if ("reader-of-" + end.first.topic != reader->name() || end.second == Offset(0)) return true;
      const auto position = reader->positions().find(end.first.partition);
      return position != reader->positions().end() && position->second >= end.second;
    });
  };
  wait([&] { return std::ranges::all_of(readers_, has_all); }, "the readers are not at the ends");
  if (!read_log("auditor", true)) return;
  history_.set_log_complete();
  std::map<const BrokerMachine*, std::set<std::string>> left_over;
  for (const BrokerMachine* broker : fleet_.members()) left_over[broker] = left_over_on(*broker);
  stop_brokers();
  for (const BrokerMachine* broker : fleet_.members()) verify_disk(*broker, left_over[broker]);
  if (!start_brokers()) return;
  const Ends before = std::exchange(ends_, {});
  if (!learn_ends("second surveyor")) return;
  if (ends_ != before) history_.violated("a stop and a start moved the ends of logs");
  read_log("second auditor", false);
}

void Run::stop_brokers() {
  for (const auto& broker : fleet_.machines()) {
    if (!broker->on()) continue;
    if (broker->given_up() || !broker->started()) {
      broker->kill();
    } else if (auto stopped = broker->shut_down(); !stopped) {
      history_.violated("stop: " + std::string(stopped.error().message()));
    }
  }
}

/// Folders of logs that moved away while they could not be told whose they are: a broker leaves
/// those alone, and what went bad in them stays so.
std::set<std::string> Run::left_over_on(const BrokerMachine& broker) {
  std::set<std::string> folders;
  for (const auto& topic : topics_) {
    for (int32_t id = 0; id < static_cast<int32_t>(topic.partitions); ++id) {
      const storage::TopicPartition partition{topic.name, PartitionId(id)};
      if (fleet_.has_replica(broker, partition)) continue;
      folders.insert(std::string(BrokerMachine::kDirectory) + "/" + partition.folder());
    }
  }
  return folders;
}

void Run::verify_disk(const BrokerMachine& broker, const std::set<std::string>& left_over) {
  SimNode& node = simulator_.add_node("inspector of " + broker.name(), {.disk = broker.disk()});
  MemoryBudget memory("inspector", 64_MiB);
  storage::InspectSink sink;
  sink.on_problem = [&](const std::string& path, const std::string& problem) {
    const std::string folder =
        path.substr(0, path.find('/', std::string_view(BrokerMachine::kDirectory).size() + 1));
    if (left_over.contains(folder)) return;
    history_.violated("on the disk of " + broker.name() + ": " + path + ": " + problem);
  };
  auto counts = simulator_.run_on(
      node.executor().control(),
      storage::inspect(node.disk(), BrokerMachine::kDirectory,
                       {.records = true, .verify = true, .dense = true}, sink, memory));
  if (!counts) history_.violated("inspect: " + std::string(counts.error().message()));
}

bool Run::end_clients() {
  for (const auto& machine : clients_) machine->stop();
  const auto all_done = [&] {
    return std::ranges::all_of(clients_, [](const auto& machine) { return machine->done(); });
  };
  if (!wait(all_done, "clients that were stopped go on")) return false;
  clients_.clear();
  return true;
}

bool Run::execute() {
  if (set_up()) {
    start_clients();
    if (torment()) {
      wait_for_clients();
      // Before anything more is written, which may push on what hangs.
      if (learn_ends("onlooker")) probe();
      audit();
    }
  }
  if (!end_clients()) return false;
  stop_brokers();
  return true;
}

RunReport Run::report() {
  return {.trace = simulator_.trace_hash(),
          .steps = simulator_.steps(),
          .lasted = simulator_.now(),
          .acknowledged = history_.count(Outcome::acknowledged),
          .refused = history_.count(Outcome::refused),
          .unknown = history_.count(Outcome::unknown),
          .read = history_.sightings().size(),
          .power_cuts = history_.power_cuts(),
          .broken = broken_invariants(history_),
          .history = history_.to_text(options_.shown_lines, options_.about)};
}

}  // namespace

RunReport run_seed(uint64_t seed, const RunOptions& options) {
  auto run = std::make_unique<Run>(seed, options);
  const bool ended = run->execute();
  RunReport report = run->report();
  // Coroutines that hang would be destroyed under what they wait for.
  if (!ended) static_cast<void>(run.release());
  return report;
}

}  // namespace sluice::sim
