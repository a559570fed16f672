#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "client/admin/core.h"
#include "client/cluster.h"
#include "client/consumer/core.h"
#include "client/producer/core.h"
#include "io/sync.h"
#include "tests/sim/simulator.h"
#include "tests/simulated/history.h"
#include "tests/simulated/topic_plans.h"

namespace sluice::sim {

/// How much a producer does, and how long it pauses at most between two bursts.
struct Workload {
  uint32_t bursts = 0;
  Duration pace{};
};

/// Where clients live; what it names outlives them.
struct World {
  Simulator& simulator;
  History& history;
  /// Addresses to begin with.
  std::vector<std::string> brokers;
};

/// A machine with a client program on it: a task that runs until it has done its work or stop() was
/// called.
class ClientMachine {
 public:
  ClientMachine(const World& world, std::string name);
  /// Done, and shut down.
  virtual ~ClientMachine();
  ClientMachine(const ClientMachine&) = delete;
  ClientMachine& operator=(const ClientMachine&) = delete;

  void start();
  void stop() { stopping_ = true; }
  bool done() const { return done_; }
  SimNode& node() { return node_; }
  const std::string& name() const { return node_.name(); }

 protected:
  virtual io::Task<void> work() = 0;

  Random& random() { return node_.runtime().random; }
  io::Task<void> pause(Duration most);

  Simulator& simulator_;
  History& history_;
  SimNode& node_;
  client::Cluster cluster_;
  bool stopping_ = false;

 private:
  io::Task<void> run();
  bool done_ = false;
};

/// Sends records to random partitions of the topics in small bursts.
class ProducerMachine final : public ClientMachine {
 public:
  ProducerMachine(const World& world, uint32_t number, std::vector<TopicPlan> topics,
                  client::ProducerOptions options, Workload workload);

 protected:
  io::Task<void> work() override;

 private:
  io::Task<void> send_one();

  const uint32_t number_;
  const std::vector<TopicPlan> topics_;
  const client::ProducerOptions options_;
  const Workload workload_;
  client::ProducerCore producer_;
  uint32_t sent_ = 0;
};

/// Sends batches by hand, each once, and takes the broker at its word: an answer that says that the
/// batch was not written must be true. Some batches are broken on purpose.
class OneShotMachine final : public ClientMachine {
 public:
  OneShotMachine(const World& world, uint32_t number, std::vector<TopicPlan> topics,
                 Workload workload);

 protected:
  io::Task<void> work() override;

 private:
  enum class Damage : uint8_t { none, checksum, too_large };
  std::vector<std::byte> make_batch(RecordId id, Damage damage);
  io::Task<void> send_one();
  io::Task<Result<Offset>> ask(client::Connection& connection, native::RequestHeader request,
                               std::vector<std::byte> batch);

  const uint32_t number_;
  const std::vector<TopicPlan> topics_;
  const Workload workload_;
  uint32_t sent_ = 0;
};

/// Follows a topic from its beginning.
class ReaderMachine final : public ClientMachine {
 public:
  ReaderMachine(const World& world, std::string name, std::string topic);

  /// The next offset by partition.
  const std::map<PartitionId, Offset>& positions() const { return positions_; }

 protected:
  io::Task<void> work() override;

 private:
  const std::string topic_;
  client::ConsumerCore consumer_;
  std::map<PartitionId, Offset> positions_;
};

/// Asks for the ends of all partitions, over and over.
class WatcherMachine final : public ClientMachine {
 public:
  WatcherMachine(const World& world, std::vector<TopicPlan> topics);

 protected:
  io::Task<void> work() override;

 private:
  io::Task<void> ask_ends(const TopicPlan& topic);
  void check(const std::string& topic, const client::PartitionInfo& partition);

  const std::vector<TopicPlan> topics_;
  /// What a broker says of a partition that it only follows may lag behind.
  const bool describes_;
  client::AdminCore admin_;
};

/// Runs one administrative task and is done.
class AdminMachine final : public ClientMachine {
 public:
  using Job = std::function<io::Task<void>(client::Cluster&, client::AdminCore&)>;
  AdminMachine(const World& world, std::string name, Job job);

 protected:
  io::Task<void> work() override { return job_(cluster_, admin_); }

 private:
  const Job job_;
  client::AdminCore admin_;
};

}  // namespace sluice::sim
