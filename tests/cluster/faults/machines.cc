#include "tests/cluster/faults/machines.h"

#include <algorithm>
#include <cstdio>
#include <stdexcept>
#include <thread>

#include <sys/mount.h>

#include <gtest/gtest.h>
#include <sched.h>
#include <signal.h>

namespace sluice::cluster {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr uint64_t kDiskMegabytes = 400;
constexpr milliseconds kStopWithin{15'000};
constexpr size_t kLogShown = 40'000;

/// Once for this process: what is mounted from now on is gone with it.
void own_mounts() {
  static const bool done = ::unshare(CLONE_NEWNS) == 0 &&
                           ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 &&
                           ::mount(nullptr, "/", nullptr, MS_REC | MS_SHARED, nullptr) == 0;
  if (!done) throw std::runtime_error("may not have mounts of my own");
}

}  // namespace

Machines::Machines(int count) : network_(count + 1), members_(static_cast<size_t>(count)) {
  own_mounts();
  for (int id = 1; id <= count; ++id) {
    member(id).disk = std::make_unique<LoopDisk>(dir_.path() / std::to_string(id), kDiskMegabytes);
  }
}

Machines::~Machines() {
  for (Member& each : members_) {
    if (each.process) each.process->kill();
    each.process.reset();
  }
  if (testing::Test::HasFailure()) print_logs();
}

void Machines::print_logs() {
  for (int id = 1; id <= count(); ++id) {
    for (const auto& path : member(id).logs) {
      std::string text = read_file(path);
      if (text.size() > kLogShown) text.erase(0, text.size() - kLogShown);
      std::fprintf(stderr, "--- broker %d: %s\n%s", id, path.filename().c_str(), text.c_str());
    }
  }
}

std::string Machines::address(int id) const { return network_.address(id) + ":9092"; }

std::string Machines::addresses() const {
  std::string text;
  for (int id = 1; id <= count(); ++id) text += (id == 1 ? "" : ",") + address(id);
  return text;
}

BrokerOptions Machines::options_of(int id) {
  BrokerOptions options{
      .data = member(id).disk->path() / "data",
      .listen = address(id),
      .arguments = {"--set", "node.id=" + std::to_string(id), "--set", "seeds=" + addresses()},
      .network = network_.handle(id)};
  if (member(id).boots > 0) {
    options.boot_id = dir_.path() / ("boot-" + std::to_string(id));
    char text[40];
    std::snprintf(text, sizeof text, "00000000-0000-4000-8000-%06d%06d\n", id, member(id).boots);
    write_file(options.boot_id, text);
  }
  return options;
}

void Machines::launch(int id) {
  const auto log =
      dir_.path() / ("broker-" + std::to_string(id) + "-" + std::to_string(files_++) + ".log");
  member(id).logs.push_back(log);
  member(id).process = std::make_unique<Broker>(options_of(id), log);
}

bool Machines::wait_until_ready(int id) { return member(id).process->wait_until_ready(); }

void Machines::start() {
  for (int id = 1; id <= count(); ++id) {
    if (!member(id).process) launch(id);
  }
  for (int id = 1; id <= count(); ++id) {
    EXPECT_TRUE(wait_until_ready(id)) << "broker " << id << " does not get ready";
  }
}

void Machines::kill(int id) {
  member(id).process->kill();
  member(id).process.reset();
}

void Machines::pause(int id) { member(id).process->process().send(SIGSTOP); }

void Machines::resume(int id) { member(id).process->process().send(SIGCONT); }

void Machines::stop(int id) {
  EXPECT_EQ(member(id).process->stop(), 0) << "broker " << id;
  member(id).process.reset();
}

void Machines::stop_all() {
  for (Member& each : members_) {
    if (each.process) each.process->process().send(SIGTERM);
  }
  for (int id = 1; id <= count(); ++id) {
    if (!member(id).process) continue;
    // A second SIGTERM would end it at once.
    const auto ending = member(id).process->process().wait(kStopWithin);
    EXPECT_EQ(ending ? ending->code : -1, 0) << "broker " << id;
    member(id).process.reset();
  }
}

void Machines::cut_power(const std::vector<int>& ids) {
  for (const int id : ids) member(id).disk->cut_power();
  for (const int id : ids) kill(id);
  for (const int id : ids) {
    member(id).disk->power_on();
    ++member(id).boots;
  }
}

bool Machines::is_running(int id) {
  return member(id).process && !member(id).process->process().wait(milliseconds(0));
}

std::unique_ptr<client::Client> Machines::client() {
  client::ClientOptions options;
  options.brokers.clear();
  for (int id = 1; id <= count(); ++id) options.brokers.push_back(address(id));
  return client::Client::open(options).value();
}

std::unique_ptr<client::Client> Machines::client_on(int host, const std::vector<int>& ids) {
  client::ClientOptions options;
  options.brokers.clear();
  for (const int id : ids) options.brokers.push_back(address(id));
  return network_.on(host, [&] { return client::Client::open(options).value(); });
}

int Machines::leader_of(const std::string& topic, int32_t partition, int asked) {
  client::ClientOptions options;
  options.brokers.clear();
  options.request_timeout = milliseconds(2'000);
  for (int id = 1; id <= count(); ++id) {
    if (asked == 0 || asked == id) options.brokers.push_back(address(id));
  }
  const auto client = client::Client::open(options).value();
  const auto described = client->admin()->describe_topic(topic);
  if (!described) return 0;
  return std::max(0, described->partitions.at(static_cast<size_t>(partition)).leader.value());
}

int Machines::controller() {
  const auto status = client()->admin()->cluster_status();
  return status ? std::max(0, status->controller.value()) : 0;
}

bool Machines::heals_within(milliseconds limit) {
  const auto until = steady_clock::now() + limit;
  const auto asking = client();
  while (steady_clock::now() < until) {
    const auto status = asking->admin()->cluster_status();
    if (status && status->under_replicated == 0 && status->offline == 0 &&
        std::ranges::none_of(status->brokers, [](const auto& broker) { return broker.fenced; })) {
      return true;
    }
    std::this_thread::sleep_for(milliseconds(20));
  }
  const Said said =
      run_sluice(dir_.path() / "status", dir_.path(), addresses(), {"cluster", "status"}, "");
  std::fprintf(stderr, "%s%s", said.out.c_str(), said.err.c_str());
  return false;
}

void Machines::expect_sound_logs() {
  for (int id = 1; id <= count(); ++id) {
    const Said said =
        run_sluice(dir_.path() / ("dump-" + std::to_string(id)), dir_.path(), "",
                   {"log", "dump", options_of(id).data.string(), "--verify", "-q"}, "");
    EXPECT_EQ(said.code, 0) << said.out << said.err;
  }
}

}  // namespace sluice::cluster
