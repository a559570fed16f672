#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "base/check.h"
#include "io/runtime.h"
#include "tests/sim/clock.h"
#include "tests/sim/disk.h"
#include "tests/sim/network.h"
#include "tests/sim/scheduler.h"

namespace sluice::sim {

struct NodeOptions {
  size_t workers = 2;
  /// What is on its disk at the start: of a killed node, image() after the death of a process, or
  /// crash() after a power cut.
  DiskImage disk;
  int64_t clock_drift_ppm = 0;
  /// How far its wall clock is ahead.
  Duration wall_skew{};
};

/// A machine of the simulation: clock, loops, disk and a place in the network.
class SimNode {
 public:
  SimNode(Scheduler& scheduler, SimNetwork& network, uint64_t id, std::string name,
          NodeOptions options);

  const std::string& name() const { return host_.name(); }
  uint64_t id() const { return id_; }
  io::Runtime& runtime() { return runtime_; }
  NodeClock& clock() { return clock_; }
  SimDisk& disk() { return disk_; }
  SimHost& host() { return host_; }
  SimExecutor& executor() { return executor_; }
  bool alive() const { return host_.alive(); }
  /// What its machine says of memory from now on; nothing unless set.
  void set_memory(io::MemoryReading reading) { memory_.reading = reading; }

  /// None of its loops takes a step for that long; its clocks go on.
  void pause(Duration duration);
  /// Only this one of its loops.
  void pause_worker(size_t index, Duration duration);
  /// From this moment it has no effect on the world: what its disk holds stays as it is (the disk's
  /// image() and crash() say what is left), nothing it sends arrives. Its coroutines stay where
  /// they are and go on: every disk call, those in flight too, fails with disk_offline, every
  /// socket with connection_closed. So that nothing leaks, its owner then stops and joins it as
  /// after any other failure, before the objects are destroyed.
  void kill(Death death);

 private:
  Scheduler& scheduler_;
  const uint64_t id_;
  SeededRandom random_;
  NodeClock clock_;
  SimDisk disk_;
  SimHost host_;
  SimExecutor executor_;
  struct Memory final : io::MemoryProbe {
    io::MemoryReading read() override { return reading; }
    io::MemoryReading reading;
  } memory_;
  io::Runtime runtime_;
};

struct SimOptions {
  SchedulerOptions scheduler;
  NetworkOptions network;
};

/// A whole cluster in one thread, and the only source of what happens in it: the same seed and the
/// same calls give the same run, step for step. Outlives everything that was made on its nodes.
class Simulator {
 public:
  explicit Simulator(uint64_t seed, SimOptions options = {});
  ~Simulator();
  Simulator(const Simulator&) = delete;
  Simulator& operator=(const Simulator&) = delete;

  /// Lives as long as the simulator. The name is its address; a dead node's may be used again.
  SimNode& add_node(std::string name, NodeOptions options = {});
  SimNetwork& network() { return network_; }
  /// For the choices of the test itself.
  Random& random() { return random_; }
  /// Since the start, by no node's clock.
  TrueTime now() const { return scheduler_.now(); }
  uint64_t steps() const { return scheduler_.steps(); }
  /// A fold of every step, disk call and packet so far.
  uint64_t trace_hash() const { return scheduler_.trace().hash(); }

  /// Runs `task` on the simulator's own loop (index 0, of no node) until it is done. That nothing
  /// can happen before is a broken invariant of the test: something waits for what never comes.
  template <class T>
  T run(io::Task<T> task) {
    return run_on(own_loop_, std::move(task));
  }
  /// As run(), on a loop of a node.
  template <class T>
  T run_on(io::Loop& loop, io::Task<T> task);
  /// Starts a task on a loop, to be run by later calls. The test waits for its end by itself.
  void start_on(io::Loop& loop, io::Task<void> task);
  /// Until the predicate, asked after every step, holds; false when it does not `within` that time.
  bool run_until(const std::function<bool()>& holds, Duration within);
  /// Lets that much time go by.
  void run_for(Duration duration);
  /// Until nothing is left to happen.
  void settle();
  /// Called after every step of a node's loop, with the node's id; must not change the simulation.
  void after_step(std::function<void(uint64_t node)> look) { after_step_ = std::move(look); }

 private:
  void run_while(const std::function<bool()>& goes_on);
  bool step();
  template <class T>
  static io::Task<void> drive(io::Loop& loop, io::Task<T> task,
                              std::optional<typename io::Task<T>::Stored>& result);

  Scheduler scheduler_;
  SeededRandom random_;
  SimNetwork network_;
  const NodeClock own_clock_;
  SimLoop own_loop_;
  std::vector<std::unique_ptr<SimNode>> nodes_;
  std::function<void(uint64_t node)> after_step_;
};

template <class T>
io::Task<void> Simulator::drive(io::Loop& loop, io::Task<T> task,
                                std::optional<typename io::Task<T>::Stored>& result) {
  co_await loop.enter();
  if constexpr (std::is_void_v<T>) {
    co_await std::move(task);
    result.emplace();
  } else {
    result.emplace(co_await std::move(task));
  }
}

template <class T>
T Simulator::run_on(io::Loop& loop, io::Task<T> task) {
  std::optional<typename io::Task<T>::Stored> result;
  io::start_detached(drive(loop, std::move(task), result));
  run_while([&] { return !result.has_value(); });
  if constexpr (!std::is_void_v<T>) return std::move(*result);
}

}  // namespace sluice::sim
