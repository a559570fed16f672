#include "tests/simulated/broker_machine.h"

#include <algorithm>
#include <array>
#include <span>
#include <utility>
#include <vector>

#include "base/check.h"
#include "broker/metadata/wal_frame.h"

namespace sluice::sim {
namespace {

/// Of simulated time; a start that takes longer hangs.
constexpr Duration kLongestStart = std::chrono::minutes(10);

constexpr const char* kBootId = "/proc/sys/kernel/random/boot_id";

broker::BrokerOptions options_of(const BrokerMachine& machine) {
  broker::BrokerOptions options;
  options.data_directories = {BrokerMachine::kDirectory};
  options.listen = machine.address();
  options.admin_listen = machine.name() + ":9644";
  options.memory_bytes = 64_MiB;
  options.shutdown_timeout = std::chrono::seconds(3);
  options.storage.checkpoint_interval = std::chrono::seconds(1);
  options.storage.retention_interval = std::chrono::seconds(10);
  options.storage.compaction_interval = std::chrono::seconds(10);
  options.storage.scrub_interval = std::chrono::seconds(5);
  return options;
}

/// Up to where a file may go bad. The last frame of the metadata's log is spared where a power cut
/// took the mark that it was synced: broken it looks as if it had been torn, and is cut as one that
/// nobody was told of.
uint64_t rotting_size(const std::string& path, const FileContent& content) {
  namespace wal = broker::wal;
  if (path.find("/metadata/wal-") == std::string::npos) return content.size();
  std::vector<std::byte> bytes(content.size());
  bytes.resize(content.read(0, bytes));
  const auto header = wal::decode_file_header(bytes);
  if (!header) return 0;
  const auto scanned = wal::scan(bytes, header->sequence, header->first_number);
  if (scanned.frames.empty()) return 0;
  if (scanned.marked) return scanned.end;
  return scanned.end - wal::frame_size(scanned.frames.back().payload.size());
}

}  // namespace

/// The broker's log, as lines of the history.
class BrokerMachine::Sink final : public LogSink {
 public:
  Sink(History& history, std::string name) : history_(history), name_(std::move(name)) {}
  void write(LogLevel, std::string_view event, std::initializer_list<LogField> fields) override {
    std::string line = "  " + name_ + ": " + std::string(event);
    for (const LogField& field : fields) {
      line += " ";
      line += field.key;
      line += "=" + field.value;
    }
    history_.note(std::move(line));
    // What is damaged or was left was not read to its end, and will be.
    const bool read_all = std::ranges::none_of(fields, [](const LogField& field) {
      const bool counts = field.key == std::string_view("damaged") || field.key == "left";
      return counts && field.value != "0";
    });
    if (event == "scrubbed" && read_all) ++scrubs_;
  }
  uint64_t scrubs() const { return scrubs_; }

 private:
  History& history_;
  const std::string name_;
  uint64_t scrubs_ = 0;
};

BrokerMachine::BrokerMachine(Simulator& simulator, History& history, std::string name,
                             std::function<void(broker::BrokerOptions&)> adjust)
    : simulator_(simulator),
      history_(history),
      name_(std::move(name)),
      adjust_(std::move(adjust)),
      sink_(std::make_unique<Sink>(history, name_)) {}

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

void BrokerMachine::launch(std::optional<Duration> life) {
  CHECK(!on(), "a machine boots while it is off");
  put_boot_id();
  history_.note("boot " + name_ + ", time " + std::to_string(++boots_));
  node_ = &simulator_.add_node(
      name_, {.disk = disk_, .clock_drift_ppm = drift_ppm_, .wall_skew = wall_skew_});
  given_up_ = life_over_early_ = false;
  started_.reset();
  SimNode* const node = node_;
  const auto give_up = [this, node](const Error& why) {
    if (!node->alive()) return;
    history_.note(name_ + " gives up: " + std::string(why.message()));
    die(*node);
  };
  if (life) {
    // A life that ends after this machine has another node ends nothing.
    simulator_.network().call_after(*life, [this, node] {
      if (!node->alive()) return;
      history_.note("the process of " + name_ + " dies");
      life_over_early_ = !started_;
      die(*node);
    });
  }
  auto options = options_of(*this);
  if (adjust_) adjust_(options);
  broker_ = std::make_unique<broker::Node>(
      broker::NodePorts{node->runtime(), Logger(*sink_), give_up}, std::move(options));
  const auto start = [](BrokerMachine& machine) -> io::Task<void> {
    machine.started_ = co_await machine.broker_->start();
    if (*machine.started_) co_return;
    machine.history_.note("start of " + machine.name_ +
                          " failed: " + std::string(machine.started_->error().message()));
  };
  simulator_.start_on(node->executor().control(), start(*this));
}

Result<> BrokerMachine::boot(std::optional<Duration> life) {
  launch(life);
  CHECK(simulator_.run_until([this] { return started() || given_up(); }, kLongestStart),
        "a start ends");
  if (ready()) return {};
  Error why = started_ && !*started_ ? started_->error() : Error(Errc::disk_failed);
  if (life_over_early_) why = Error(Errc::cancelled);
  node_->kill(Death::process);
  bury();
  return fail(why);
}

std::optional<Error> BrokerMachine::start_error() const {
  if (!started_ || *started_) return std::nullopt;
  return started_->error();
}

Result<> BrokerMachine::shut_down() {
  history_.note("shut down " + name_);
  auto stopped = simulator_.run_on(node_->executor().control(), broker_->stop());
  broker_.reset();
  disk_ = node_->disk().image();
  node_->kill(Death::process);
  return stopped;
}

void BrokerMachine::hand_over_metadata() {
  const auto ask = [](BrokerMachine& machine, const SimNode* node) -> io::Task<void> {
    // It may have died before its turn came.
    if (machine.node_ == node && machine.alive()) machine.broker_->hand_over_metadata();
    co_return;
  };
  simulator_.start_on(node_->executor().control(), ask(*this, node_));
}

void BrokerMachine::kill() {
  history_.note("kill " + name_);
  node_->kill(Death::process);
  bury();
}

void BrokerMachine::cut_power(CrashMode mode) {
  history_.note("power cut of " + name_ + ", mode " + std::to_string(static_cast<int>(mode)));
  if (on()) {
    node_->kill(Death::power);
    bury();
  }
  disk_ = disk_.crash(mode, simulator_.random());
  ++power_cuts_;
}

void BrokerMachine::rot() {
  CHECK(!on(), "a disk goes bad while nobody uses it");
  sound_disk_ = disk_;
  std::vector<std::string> files;
  std::vector<std::string> folders = {kDirectory};
  while (!folders.empty()) {
    const std::string folder = std::move(folders.back());
    folders.pop_back();
    const auto entries = disk_.list(folder);
    if (!entries) continue;
    for (const auto& entry : *entries) {
      const std::string path = folder + "/" + entry.name;
      const auto inode = disk_.find(path);
      if (disk_.is_directory(*inode)) {
        folders.push_back(path);
      } else if (disk_.content(*inode).size() > 0) {
        files.push_back(path);
      }
    }
  }
  if (files.empty()) return;
  Random& random = simulator_.random();
  // Of the many kinds of files the records are what it is all about.
  std::vector<std::string> logs;
  for (const std::string& file : files) {
    if (file.ends_with(".log")) logs.push_back(file);
  }
  if (!logs.empty() && random.one_in(2)) files = std::move(logs);
  const std::string& path = files[random.below(files.size())];
  const InodeId inode = *disk_.find(path);
  const FileContent& content = disk_.content(inode);
  const uint64_t size = rotting_size(path, content);
  if (size == 0) return;
  // Mostly where something is: files are zeroed ahead.
  std::array<std::byte, 512> bytes{};
  uint64_t at = 0;
  size_t length = 0;
  for (int attempts = 0; attempts < 20; ++attempts) {
    at = random.below(size);
    length = content.read(at, std::span(bytes).first(std::min(bytes.size(), size - at)));
    if (std::ranges::any_of(std::span(bytes).first(length),
                            [](auto b) { return b != std::byte{}; }))
      break;
  }
  const bool flips = random.one_in(2);
  history_.note("rot on " + name_ + ": " + (flips ? "a bit" : std::to_string(length) + " bytes") +
                " of " + path + " at " + std::to_string(at));
  if (flips) {
    bytes[0] ^= std::byte{1} << random.below(8);
    length = 1;
  } else {
    bytes.fill(std::byte{});
  }
  disk_.write(inode, at, ByteView(bytes).first(length));
  disk_.sync_file(inode, disk_.last_change());
  rotted_at_ = scrubs();
}

uint64_t BrokerMachine::scrubs() const { return sink_->scrubs(); }

bool BrokerMachine::may_have_rot() const {
  const bool has_logs = !on() || !broker_->partitions().all().empty();
  return rotted_at_ == scrubs() && has_logs;
}

void BrokerMachine::undo_rot() {
  kill();
  disk_ = sound_disk_;
  rotted_at_.reset();
}

/// Joins what is left of a dead broker.
void BrokerMachine::bury() {
  disk_ = node_->disk().image();
  // stop() ends a start() that still waits for others.
  static_cast<void>(simulator_.run_on(node_->executor().control(), broker_->stop()));
  CHECK(simulator_.run_until([this] { return started(); }, kLongestStart), "a start ends");
  broker_.reset();
}

}  // namespace sluice::sim
