#include "tests/cluster/node.h"

#include <thread>

#include <gtest/gtest.h>
#include <signal.h>

namespace sluice::cluster {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr milliseconds kReadyWithin{10'000};
constexpr milliseconds kStopWithin{10'000};
constexpr milliseconds kCommandWithin{120'000};

/// The value of key=value in the line that says "event=ready"; empty when it is not there.
std::string field_of_ready_line(const std::string& log, const std::string& key) {
  const size_t line = log.find("event=ready");
  if (line == std::string::npos) return "";
  const std::string rest = log.substr(line, log.find('\n', line) - line);
  const size_t at = rest.find(" " + key + "=");
  if (at == std::string::npos) return "";
  const size_t value = at + key.size() + 2;
  return rest.substr(value, rest.find(' ', value) - value);
}

ProcessOptions process_of(const BrokerOptions& options, const std::filesystem::path& log) {
  ProcessOptions process{.arguments = {SLUICED_PATH, "--data", options.data.string(), "--listen",
                                       options.listen, "--admin", "127.0.0.1:0"},
                         .environment = {},
                         .input = {},
                         .output = {},
                         .error = log,
                         .without_uring = options.without_uring,
                         .network = options.network,
                         .boot_id = options.boot_id};
  process.arguments.insert(process.arguments.end(), options.arguments.begin(),
                           options.arguments.end());
  return process;
}

}  // namespace

Broker::Broker(const BrokerOptions& options, const std::filesystem::path& log)
    : log_(log), started_(steady_clock::now()), process_(process_of(options, log)) {}

bool Broker::wait_until_ready() {
  while (steady_clock::now() < started_ + kReadyWithin) {
    const std::string text = log();
    // The line is whole once it has its end.
    const size_t line = text.find("event=ready");
    if (line != std::string::npos && text.find('\n', line) != std::string::npos) {
      time_to_ready_ = std::chrono::duration_cast<milliseconds>(steady_clock::now() - started_);
      address_ = field_of_ready_line(text, "listen");
      admin_address_ = field_of_ready_line(text, "admin");
      return true;
    }
    if (process_.wait(milliseconds(2))) return false;
  }
  return false;
}

int Broker::stop() {
  process_.send(SIGTERM);
  const auto ending = process_.wait(kStopWithin);
  return ending ? ending->code : -1;
}

void Broker::kill() {
  process_.send(SIGKILL);
  process_.wait(kStopWithin);
}

Said run_sluice(const std::filesystem::path& folder, const std::filesystem::path& config,
                const std::string& brokers, std::vector<std::string> arguments,
                std::string_view input) {
  std::filesystem::create_directories(folder);
  write_file(folder / "in", input);
  arguments.insert(arguments.begin(), SLUICE_PATH);
  ProcessOptions options{.arguments = std::move(arguments),
                         .environment = {"XDG_CONFIG_HOME=" + config.string()},
                         .input = folder / "in",
                         .output = folder / "out",
                         .error = folder / "err"};
  if (!brokers.empty()) options.environment.push_back("SLUICE_BROKERS=" + brokers);
  Process process(options);
  const auto ending = process.wait(kCommandWithin);
  return {ending ? ending->code : -1, read_file(folder / "out"), read_file(folder / "err")};
}

Node::Node() : verified_(data()) {}

Node::~Node() {
  if (broker_) EXPECT_EQ(stop(), 0);
  if (!std::filesystem::exists(verified_) || damage_expected_) return;
  const Said said = sluice({"log", "dump", verified_.string(), "--verify", "-q"});
  EXPECT_EQ(said.code, 0) << said.out << said.err;
}

Broker& Node::start(std::vector<std::string> arguments, bool without_uring) {
  // The same address again, so that clients that know it find it.
  const std::string listen = broker_ ? broker_->address() : "127.0.0.1:0";
  broker_.reset();
  broker_ = start_other({.data = verified_,
                         .listen = listen,
                         .arguments = std::move(arguments),
                         .without_uring = without_uring});
  EXPECT_TRUE(broker_->wait_until_ready()) << broker_->log();
  return *broker_;
}

std::unique_ptr<Broker> Node::start_other(const BrokerOptions& options) {
  return std::make_unique<Broker>(options,
                                  folder() / ("broker-" + std::to_string(files_++) + ".log"));
}

int Node::stop() {
  const int code = broker_->stop();
  if (code != 0) std::fputs(broker_->log().c_str(), stderr);
  return code;
}

Said Node::sluice(std::vector<std::string> arguments, std::string_view input) {
  return run_sluice(folder() / ("call-" + std::to_string(files_++)), folder(),
                    broker_ ? broker_->address() : "", std::move(arguments), input);
}

std::unique_ptr<client::Client> Node::client() {
  client::ClientOptions options;
  options.brokers = {broker_->address()};
  return client::Client::open(options).value();
}

}  // namespace sluice::cluster
