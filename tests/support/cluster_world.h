#pragma once

#include <array>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "broker/node.h"
#include "tests/sim/simulator.h"
#include "tests/support/log_set_world.h"

namespace sluice::testing {

/// Whole brokers, each on a simulated machine of its own ("b1", "b2", ...), that form a cluster.
class ClusterWorld {
 public:
  struct Broker {
    sim::SimNode* machine = nullptr;
    std::unique_ptr<broker::Node> node;
    std::optional<Result<>> started;
    /// What it could not go on for.
    std::vector<Error> fatal;
    /// While it is off.
    sim::DiskImage disk;
    Duration wall_skew{};
    /// It says that it is this one.
    std::optional<int32_t> poses_as;
  };

  explicit ClusterWorld(int32_t brokers = 3, uint64_t seed = 1) : simulator_(seed) {
    for (int32_t id = 1; id <= brokers; ++id) {
      seeds += (seeds.empty() ? "" : ",") + name_of(id) + ":9092";
      brokers_.try_emplace(id);
    }
  }
  ~ClusterWorld() {
    simulator_.network().heal_all();
    for (auto& [id, broker] : brokers_) {
      if (broker.node != nullptr) stop(id);
    }
  }

  /// What a broker is started with that is not running yet.
  std::string seeds;

  sim::Simulator& simulator() { return simulator_; }
  Broker& broker(int32_t id) { return brokers_[id]; }
  broker::Node& node(int32_t id) { return *broker(id).node; }
  static std::string name_of(int32_t id) { return "b" + std::to_string(id); }
  bool until(const std::function<bool()>& holds, Duration within = 30s) {
    return simulator_.run_until(holds, within);
  }
  /// As until(), for what lets time go by itself.
  bool eventually(const std::function<bool()>& holds, Duration within = 30s) {
    for (Duration passed{}; passed < within; passed += 100ms) {
      if (holds()) return true;
      pass(100ms);
    }
    return holds();
  }
  void pass(Duration time) { simulator_.run_for(time); }

  /// On what its disk holds; does not wait.
  void launch(int32_t id) {
    Broker& broker = brokers_[id];
    broker.machine = &simulator_.add_node(
        name_of(id), {.disk = std::move(broker.disk), .wall_skew = broker.wall_skew});
    broker.started.reset();
    broker.fatal.clear();
    broker.node = std::make_unique<broker::Node>(
        broker::NodePorts{broker.machine->runtime(), Logger(sink_),
                          [&broker](const Error& error) { broker.fatal.push_back(error); }},
        options_of(id));
    simulator_.start_on(broker.machine->executor().control(), start(broker));
  }
  /// Those that are off; true when they all serve.
  bool start_all() {
    for (auto& [id, broker] : brokers_) {
      if (broker.node == nullptr) launch(id);
    }
    return until([&] { return std::ranges::all_of(brokers_, has_started); });
  }
  bool start(int32_t id) {
    launch(id);
    return until([&] { return broker(id).started.has_value(); }) && *broker(id).started;
  }
  void stop(int32_t id) {
    Broker& broker = brokers_[id];
    static_cast<void>(on_control(id, broker.node->stop()));
    EXPECT_TRUE(until([&] { return broker.started.has_value(); }));
    broker.node.reset();
    broker.disk = broker.machine->disk().image();
    broker.machine->kill(sim::Death::process);
  }
  /// As kill -9.
  void kill(int32_t id) {
    Broker& broker = brokers_[id];
    broker.machine->kill(sim::Death::process);
    broker.disk = broker.machine->disk().image();
    static_cast<void>(on_control(id, broker.node->stop()));
    EXPECT_TRUE(until([&] { return broker.started.has_value(); }));
    broker.node.reset();
  }
  template <class T>
  T on_control(int32_t id, io::Task<T> task) {
    return simulator_.run_on(broker(id).machine->executor().control(), std::move(task));
  }
  template <class T>
  T on_worker(int32_t id, io::Task<T> task) {
    return simulator_.run_on(broker(id).machine->executor().worker(0), std::move(task));
  }

  Result<Uuid> create(int32_t at, std::string name, uint32_t replicas,
                      std::vector<broker::ConfigValue> configs = {}) {
    auto created =
        on_worker(at, node(at).services().topics.create({}, {.name = std::move(name),
                                                             .partitions = 1,
                                                             .replication_factor = replicas,
                                                             .configs = std::move(configs)}));
    if (!created) return fail(std::move(created).error());
    return created->id;
  }
  /// One record to partition 0; the error, or ok.
  Result<> produce(int32_t at, const Uuid& topic, const std::string& value,
                   broker::Acks acks = broker::Acks::all, Duration timeout = 3s) {
    auto batch = batch_of({{.key = "k", .value = value}});
    const std::vector<broker::ProducePartition> partitions = {
        {.topic_id = topic, .partition = PartitionId{0}, .leader_epoch = {}, .batch = batch}};
    std::vector<broker::ProduceResult> results(1);
    on_worker(at, append_and_wait(node(at).services(), {.principal = principal_,
                                                        .acks = acks,
                                                        .timeout = timeout,
                                                        .arrived = Timestamp{5000},
                                                        .partitions = partitions,
                                                        .results = results}));
    if (results.front().error) return fail(*results.front().error);
    return {};
  }
  broker::PartitionImage partition(int32_t at, const Uuid& topic) {
    const auto found = node(at).metadata().image()->topic(topic);
    return found == nullptr ? broker::PartitionImage{} : found->partitions.front();
  }
  bool fenced(int32_t at, int32_t id) {
    const auto image = node(at).metadata().image();
    const auto* known = image->broker(NodeId{id});
    return known == nullptr || known->fenced;
  }
  /// The whole answer to GET on the admin port.
  std::string page(int32_t id, std::string_view path) {
    return on_worker(id, get(broker(id).machine->runtime(), std::string(path)));
  }

 private:
  static bool has_started(const std::pair<const int32_t, Broker>& entry) {
    return entry.second.started && *entry.second.started;
  }
  broker::BrokerOptions options_of(int32_t id) const {
    broker::BrokerOptions options;
    options.node_id = NodeId{brokers_.at(id).poses_as.value_or(id)};
    options.data_directories = {"/data"};
    options.listen = name_of(id) + ":9092";
    options.admin_listen = name_of(id) + ":9644";
    options.memory_bytes = 64_MiB;
    for (size_t from = 0; from < seeds.size();) {
      const size_t comma = std::min(seeds.find(',', from), seeds.size());
      options.seeds.push_back(seeds.substr(from, comma - from));
      from = comma + 1;
    }
    return options;
  }
  static io::Task<void> start(Broker& broker) { broker.started = co_await broker.node->start(); }
  static io::Task<void> append_and_wait(broker::Services verbs, broker::ProduceCall call) {
    co_await verbs.produce.append(call);
    co_await verbs.produce.wait(call);
  }
  static io::Task<std::string> get(io::Runtime& runtime, std::string path) {
    const TimePoint deadline = io::Loop::current()->now() + 5s;
    auto socket = co_await runtime.network.connect({"localhost", 9644}, deadline);
    if (!socket) co_return std::string(socket.error().message());
    const std::string request = "GET " + path + " HTTP/1.1\r\nConnection: close\r\n\r\n";
    const std::array<ByteView, 1> parts = {as_bytes(request)};
    static_cast<void>(co_await io::write_all(**socket, parts));
    std::string text;
    for (;;) {
      std::array<std::byte, 4096> part;
      const auto count = (*socket)->try_read(part);
      if (count && *count == 0) co_return text;
      if (count) {
        text += as_text(ByteView(part).first(*count));
      } else if (count.error() != Errc::would_block || !co_await (*socket)->readable()) {
        co_return text;
      }
    }
  }

  NullSink sink_;
  const broker::Principal principal_;
  sim::Simulator simulator_;
  std::map<int32_t, Broker> brokers_;
};

}  // namespace sluice::testing
