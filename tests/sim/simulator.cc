#include "tests/sim/simulator.h"

namespace sluice::sim {
namespace {

/// Every node's monotonic clock starts somewhere else, so that mixing two nodes' times shows.
Duration clock_origin(Random& random) {
  return std::chrono::hours(1) + Duration(random.below(3'600'000'000'000));
}

}  // namespace

SimNode::SimNode(Scheduler& scheduler, SimNetwork& network, uint64_t id, std::string name,
                 NodeOptions options)
    : scheduler_(scheduler),
      id_(id),
      random_(scheduler.fork_seed("node" + std::to_string(id))),
      clock_(scheduler.now(), clock_origin(random_), options.clock_drift_ppm, options.wall_skew),
      disk_(scheduler, name + "/" + std::to_string(id), std::move(options.disk)),
      host_(network, std::move(name)),
      executor_(scheduler, clock_, options.workers, id),
      runtime_{clock_, random_, disk_, host_, executor_, memory_} {}

void SimNode::pause(Duration duration) { executor_.pause_until(scheduler_.now() + duration); }

void SimNode::pause_worker(size_t index, Duration duration) {
  executor_.pause_worker_until(index, scheduler_.now() + duration);
}

void SimNode::kill(Death death) {
  scheduler_.trace().note("kill", static_cast<uint64_t>(death));
  disk_.kill();
  host_.kill(death);
}

Simulator::Simulator(uint64_t seed, SimOptions options)
    : scheduler_(seed, options.scheduler),
      random_(scheduler_.fork_seed("test")),
      network_(scheduler_, options.network),
      own_clock_(scheduler_.now(), std::chrono::hours(1), 0, {}),
      own_loop_(scheduler_, own_clock_, 0, 0) {}

Simulator::~Simulator() { scheduler_.drop_events(); }

SimNode& Simulator::add_node(std::string name, NodeOptions options) {
  const uint64_t id = nodes_.size() + 1;
  nodes_.push_back(
      std::make_unique<SimNode>(scheduler_, network_, id, std::move(name), std::move(options)));
  return *nodes_.back();
}

void Simulator::start_on(io::Loop& loop, io::Task<void> task) {
  io::start_detached([](io::Loop& on, io::Task<void> owned) -> io::Task<void> {
    co_await on.enter();
    co_await std::move(owned);
  }(loop, std::move(task)));
}

bool Simulator::step() {
  if (!scheduler_.step()) return false;
  if (after_step_ && scheduler_.stepped() != 0) after_step_(scheduler_.stepped());
  return true;
}

void Simulator::run_while(const std::function<bool()>& goes_on) {
  while (goes_on()) {
    CHECK(step(), "what a test waits for comes: " + scheduler_.describe());
  }
}

bool Simulator::run_until(const std::function<bool()>& holds, Duration within) {
  bool expired = false;
  // Shared with the event, which may come when this call is long over.
  const auto alarm = std::make_shared<bool*>(&expired);
  scheduler_.call_after(within, [alarm] {
    if (*alarm != nullptr) **alarm = true;
  });
  while (!holds() && !expired) step();
  *alarm = nullptr;
  return holds();
}

void Simulator::run_for(Duration duration) {
  run_until([] { return false; }, duration);
}

void Simulator::settle() {
  while (step()) {
  }
}

}  // namespace sluice::sim
