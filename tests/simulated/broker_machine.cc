#include "tests/simulated/broker_machine.h"

#include <utility>

#include "base/check.h"

namespace sluice::sim {
namespace {

constexpr const char* kBootId = "/proc/sys/kernel/random/boot_id";

broker::BrokerOptions options() {
  broker::BrokerOptions options;
  options.data_directories = {BrokerMachine::kDirectory};
  options.listen = BrokerMachine::kAddress;
  options.admin_listen = "broker:9644";
  options.memory_bytes = 64_MiB;
  options.shutdown_timeout = std::chrono::seconds(3);
  options.storage.checkpoint_interval = std::chrono::seconds(1);
  options.storage.retention_interval = std::chrono::seconds(10);
  options.storage.compaction_interval = std::chrono::seconds(10);
  return options;
}

}  // namespace

/// The broker's log, as lines of the history.
class BrokerMachine::Sink final : public LogSink {
 public:
  explicit Sink(History& history) : history_(history) {}
  void write(LogLevel, std::string_view event, std::initializer_list<LogField> fields) override {
    std::string line = "  broker: " + std::string(event);
    for (const LogField& field : fields) {
      line += " ";
      line += field.key;
      line += "=" + field.value;
    }
    history_.note(std::move(line));
  }

 private:
  History& history_;
};

BrokerMachine::BrokerMachine(Simulator& simulator, History& history)
    : simulator_(simulator), history_(history), sink_(std::make_unique<Sink>(history)) {}

BrokerMachine::~BrokerMachine() { CHECK(!on(), "a machine is switched off before it dies"); }

/// As Linux does: another one after each start of the machine, the same for each of its processes.
void BrokerMachine::put_boot_id() {
  for (const char* directory :
       {"/proc", "/proc/sys", "/proc/sys/kernel", "/proc/sys/kernel/random"}) {
    static_cast<void>(disk_.create(directory, true));
  }
  auto file = disk_.find(kBootId);
  if (!file) file = disk_.create(kBootId, false);
  std::string text = "00000000-0000-4000-8000-000000000000";
  text.replace(0, 4, std::to_string(1000 + power_cuts_));
  disk_.write(*file, 0, as_bytes(text));
}

void BrokerMachine::die(SimNode& node) {
  if (!node.alive()) return;
  node.kill(Death::process);
  given_up_ = true;
}

Result<> BrokerMachine::boot(std::optional<Duration> life) {
  CHECK(!on(), "a machine boots while it is off");
  put_boot_id();
  history_.note("boot " + std::to_string(++boots_));
  node_ = &simulator_.add_node("broker", {.disk = disk_, .wall_skew = wall_skew_});
  given_up_ = false;
  SimNode* const node = node_;
  const auto give_up = [this, node](const Error& why) {
    if (!node->alive()) return;
    history_.note("the broker gives up: " + std::string(why.message()));
    die(*node);
  };
  bool cancelled = false;
  // Shared with the event, which may come when this call is over.
  const auto starting = std::make_shared<bool*>(&cancelled);
  if (life) {
    simulator_.network().call_after(*life, [this, node, starting] {
      if (node->alive()) history_.note("the process dies");
      if (*starting != nullptr) **starting = node->alive();
      die(*node);
    });
  }
  broker_ = std::make_unique<broker::Node>(
      broker::NodePorts{node->runtime(), Logger(*sink_), give_up}, options());
  auto started = simulator_.run_on(node->executor().control(), broker_->start());
  *starting = nullptr;
  if (started && !given_up_) return started;
  const Error why = started ? Error(Errc::disk_failed) : std::move(started).error();
  history_.note("start failed: " + std::string(why.message()));
  node_->kill(Death::process);
  bury();
  if (cancelled) return fail(Errc::cancelled);
  return fail(why);
}

Result<> BrokerMachine::shut_down() {
  history_.note("shut down");
  auto stopped = simulator_.run_on(node_->executor().control(), broker_->stop());
  broker_.reset();
  disk_ = node_->disk().image();
  node_->kill(Death::process);
  return stopped;
}

void BrokerMachine::kill() {
  history_.note("kill");
  node_->kill(Death::process);
  bury();
}

void BrokerMachine::cut_power(CrashMode mode) {
  history_.note("power cut, mode " + std::to_string(static_cast<int>(mode)));
  if (on()) {
    node_->kill(Death::power);
    bury();
  }
  disk_ = disk_.crash(mode, simulator_.random());
  ++power_cuts_;
}

/// Joins what is left of a dead broker.
void BrokerMachine::bury() {
  disk_ = node_->disk().image();
  static_cast<void>(simulator_.run_on(node_->executor().control(), broker_->stop()));
  broker_.reset();
}

}  // namespace sluice::sim
