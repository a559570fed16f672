#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "broker/node.h"
#include "storage/inspect.h"
#include "tests/sim/simulator.h"
#include "tests/support/log_set_world.h"

namespace sluice::testing {

/// A simulated machine with a broker on it, stopped, killed and started again as a test likes.
class BrokerWorld {
 public:
  explicit BrokerWorld(uint64_t seed = 1)
      : simulator_(seed), machine_(&simulator_.add_node("broker-1")) {
    options = [] {
      broker::BrokerOptions made;
      made.data_directories = {"/data"};
      made.listen = "broker-1:9092";
      made.admin_listen = "broker-1:9644";
      made.memory_bytes = 64_MiB;
      return made;
    };
  }
  /// Whatever a test did, what is on the disk at its end must be sound.
  ~BrokerWorld() {
    machine_->disk().set_fault({});
    const bool sound = node_ == nullptr ? clean_ : stop().has_value();
    if (directories_.empty() || damage_expected) return;
    if (!sound) recover();
    for (const std::string& directory : directories_) verify(directory);
  }

  /// What the next start() uses.
  std::function<broker::BrokerOptions()> options;
  /// What the node could not go on for.
  std::vector<Error> fatal;
  /// The test breaks files: they are not looked at in the end.
  bool damage_expected = false;

  sim::Simulator& simulator() { return simulator_; }
  sim::SimNode& machine() { return *machine_; }
  broker::Node& node() { return *node_; }
  broker::Services services() { return node_->services(); }

  /// On a worker of the broker's.
  template <class T>
  T run(io::Task<T> task) {
    return simulator_.run_on(machine_->executor().worker(0), std::move(task));
  }
  Result<> start() {
    clean_ = false;
    directories_ = options().data_directories;
    node_ = std::make_unique<broker::Node>(
        broker::NodePorts{machine_->runtime(), Logger(sink_),
                          [this](const Error& error) { fatal.push_back(error); }},
        options());
    return simulator_.run_on(machine_->executor().control(), node_->start());
  }
  Result<> stop() {
    auto stopped = simulator_.run_on(machine_->executor().control(), node_->stop());
    node_.reset();
    clean_ = stopped.has_value();
    return stopped;
  }
  /// The process is gone; after a power cut so is what was not synced.
  void die(std::optional<sim::CrashMode> power_cut) {
    auto& disk = machine_->disk();
    auto left = power_cut ? disk.crash(*power_cut, simulator_.random()) : disk.image();
    machine_->kill(power_cut ? sim::Death::power : sim::Death::process);
    if (node_ != nullptr) static_cast<void>(stop());
    clean_ = false;
    machine_ = &simulator_.add_node("broker-1", {.disk = std::move(left)});
  }

  Result<Uuid> create(std::string name, uint32_t partitions = 1,
                      std::vector<broker::ConfigValue> configs = {}) {
    auto created = run(services().topics.create(
        {}, {.name = std::move(name), .partitions = partitions, .configs = std::move(configs)}));
    if (!created) return fail(std::move(created).error());
    return created->id;
  }
  /// One batch of one record with this value, and its acknowledgement.
  broker::ProduceResult produce(const Uuid& topic, const std::string& value,
                                broker::Acks acks = broker::Acks::all, int32_t partition = 0) {
    auto batch = batch_of({{.key = "k", .value = value}});
    const std::vector<broker::ProducePartition> partitions = {{.topic_id = topic,
                                                               .partition = PartitionId{partition},
                                                               .leader_epoch = {},
                                                               .batch = batch}};
    std::vector<broker::ProduceResult> results(1);
    const broker::ProduceCall call{.principal = principal_,
                                   .acks = acks,
                                   .arrived = Timestamp{5000},
                                   .partitions = partitions,
                                   .results = results};
    run(append_and_wait(call));
    return std::move(results.front());
  }
  broker::PartitionStatus status(const Uuid& topic, int32_t partition = 0) {
    const auto described = run(services().topics.describe({}, {.id = topic, .name = {}}));
    EXPECT_TRUE(described.has_value());
    return described->partitions[static_cast<size_t>(partition)].status;
  }
  const broker::Principal& principal() const { return principal_; }

 private:
  io::Task<void> append_and_wait(broker::ProduceCall call) {
    broker::Services verbs = services();
    co_await verbs.produce.append(call);
    co_await verbs.produce.wait(call);
  }

  /// As the start after the test would.
  void recover() {
    die(std::nullopt);
    const auto started = start();
    ASSERT_TRUE(started) << started.error().message();
    const auto stopped = stop();
    ASSERT_TRUE(stopped) << stopped.error().message();
  }
  void verify(const std::string& directory) {
    if (!*run(machine_->disk().exists(directory))) return;
    MemoryBudget memory("inspector", 64_MiB);
    storage::InspectSink sink;
    std::string problems;
    sink.on_problem = [&](const std::string& path, const std::string& problem) {
      problems += "on the disk " + path + ": " + problem + "\n";
    };
    const auto counts = run(storage::inspect(
        machine_->disk(), directory, {.records = true, .verify = true}, std::move(sink), memory));
    if (!counts) problems += counts.error().message();
    EXPECT_EQ(problems, "");
  }

  NullSink sink_;
  broker::Principal principal_;
  sim::Simulator simulator_;
  sim::SimNode* machine_;
  std::unique_ptr<broker::Node> node_;
  std::vector<std::string> directories_;
  bool clean_ = false;
};

}  // namespace sluice::testing
