#include "tests/cluster/three_brokers.h"

#include <algorithm>
#include <cstdlib>
#include <stdexcept>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <signal.h>
#include <unistd.h>

namespace sluice::cluster {
namespace {

std::string joined(const std::vector<std::string>& parts) {
  std::string text;
  for (const std::string& part : parts) text += (text.empty() ? "" : ",") + part;
  return text;
}

}  // namespace

std::vector<std::string> free_addresses(size_t count) {
  std::vector<int> sockets;
  std::vector<std::string> addresses;
  for (size_t i = 0; i < count; ++i) {
    const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockets.push_back(socket);
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(at);
    auto* const address = reinterpret_cast<sockaddr*>(&at);
    if (::bind(socket, address, size) != 0 || ::getsockname(socket, address, &size) != 0) {
      throw std::runtime_error("no free port");
    }
    addresses.push_back("127.0.0.1:" + std::to_string(ntohs(at.sin_port)));
  }
  for (const int socket : sockets) ::close(socket);
  return addresses;
}

ThreeBrokers::ThreeBrokers(size_t count) : listen_(free_addresses(count)), brokers_(count) {}

ThreeBrokers::~ThreeBrokers() {
  for (size_t i = 0; i < brokers_.size(); ++i) {
    const int id = static_cast<int>(i) + 1;
    if (!brokers_[i].process) continue;
    if (brokers_[i].paused) restart(id);
    EXPECT_EQ(stop(id), 0) << "broker " << id;
    const Said said = sluice({"log", "dump", options_of(id).data.string(), "--verify", "-q"});
    EXPECT_EQ(said.code, 0) << said.out << said.err;
  }
}

std::string ThreeBrokers::addresses() const { return joined(listen_); }

BrokerOptions ThreeBrokers::options_of(int id) const {
  BrokerOptions options{
      .data = dir_.path() / std::to_string(id),
      .listen = listen_.at(static_cast<size_t>(id - 1)),
      .arguments = {"--set", "node.id=" + std::to_string(id), "--set", "seeds=" + addresses()}};
  if (const auto more = arguments_of.find(id); more != arguments_of.end()) {
    options.arguments.insert(options.arguments.end(), more->second.begin(), more->second.end());
  }
  for (std::string setting : settings) {
    constexpr std::string_view kData = "{data}";
    if (const size_t at = setting.find(kData); at != std::string::npos) {
      setting.replace(at, kData.size(), options.data.string());
    }
    options.arguments.insert(options.arguments.end(), {"--set", std::move(setting)});
  }
  return options;
}

void ThreeBrokers::launch(int id) {
  brokers_.at(static_cast<size_t>(id - 1)).process = std::make_unique<Broker>(
      options_of(id),
      dir_.path() / ("broker-" + std::to_string(id) + "-" + std::to_string(files_++) + ".log"));
}

void ThreeBrokers::start() {
  for (size_t i = 0; i < brokers_.size(); ++i) {
    if (!brokers_[i].process) launch(static_cast<int>(i) + 1);
  }
  for (Member& member : brokers_) {
    EXPECT_TRUE(member.process->wait_until_ready()) << member.process->log();
  }
}

void ThreeBrokers::kill(int id) {
  broker(id).kill();
  brokers_.at(static_cast<size_t>(id - 1)).process.reset();
}

void ThreeBrokers::pause(int id) {
  broker(id).process().send(SIGSTOP);
  brokers_.at(static_cast<size_t>(id - 1)).paused = true;
}

void ThreeBrokers::restart(int id) {
  Member& member = brokers_.at(static_cast<size_t>(id - 1));
  if (member.paused) {
    member.paused = false;
    member.process->process().send(SIGCONT);
    return;
  }
  launch(id);
  EXPECT_TRUE(member.process->wait_until_ready()) << member.process->log();
}

int ThreeBrokers::stop(int id) {
  const int code = broker(id).stop();
  if (code != 0) std::fputs(broker(id).log().c_str(), stderr);
  brokers_.at(static_cast<size_t>(id - 1)).process.reset();
  return code;
}

std::unique_ptr<client::Client> ThreeBrokers::client() const {
  client::ClientOptions options;
  options.brokers = listen_;
  return client::Client::open(options).value();
}

int ThreeBrokers::leader_of(const std::string& topic, int32_t partition) const {
  const auto described = client()->admin()->describe_topic(topic);
  if (!described) return 0;
  return std::max(0, described->partitions.at(static_cast<size_t>(partition)).leader.value());
}

Said ThreeBrokers::sluice(std::vector<std::string> arguments, std::string_view input) {
  return run_sluice(dir_.path() / ("call-" + std::to_string(files_++)), dir_.path(), addresses(),
                    std::move(arguments), input);
}

}  // namespace sluice::cluster
