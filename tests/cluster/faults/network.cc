#include "tests/cluster/faults/network.h"

#include <sstream>
#include <stdexcept>

#include <fcntl.h>
#include <sched.h>
#include <unistd.h>

#include "tests/cluster/process.h"

namespace sluice::cluster {
namespace {

const std::string kSubnet = "10.77.0.";
constexpr int kOwnHost = 100;

int own_namespace() {
  const int handle = ::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
  if (handle < 0) throw std::runtime_error("no network namespaces here");
  return handle;
}

int new_namespace() {
  if (::unshare(CLONE_NEWNET) != 0) throw std::runtime_error("may not make network namespaces");
  return own_namespace();
}

/// Runs a command line on a host, and insists on its success.
void run(const std::string& line, int network = -1) {
  std::istringstream words(line);
  std::vector<std::string> arguments;
  for (std::string word; words >> word;) arguments.push_back(word);
  if (run_command(arguments, network) != 0) throw std::runtime_error("failed: " + line);
}

}  // namespace

Network::Network(int hosts) : original_(own_namespace()), hub_(new_namespace()) {
  run("ip link set lo up");
  run("ip link add bridge type bridge");
  run("ip link set bridge up");
  run("ip addr add " + address(kOwnHost) + "/24 dev bridge");
  for (int host = 1; host <= hosts; ++host) add_host(host);
}

Network::~Network() {
  ::setns(original_, CLONE_NEWNET);
  for (const int handle : handles_) ::close(handle);
  ::close(hub_);
  ::close(original_);
}

void Network::add_host(int host) {
  const int inside = new_namespace();
  handles_.push_back(inside);
  enter(hub_);
  const std::string port = "port" + std::to_string(host);
  run("ip link add " + port + " type veth peer name uplink");
  run("ip link set uplink netns /proc/" + std::to_string(::getpid()) + "/fd/" +
      std::to_string(inside));
  run("ip link set " + port + " master bridge up");
  run("ip link set lo up", inside);
  run("ip addr add " + address(host) + "/24 dev uplink", inside);
  run("ip link set uplink up", inside);
}

void Network::enter(int handle) {
  if (::setns(handle, CLONE_NEWNET) != 0) throw std::runtime_error("cannot change hosts");
}

std::string Network::address(int host) const { return kSubnet + std::to_string(host); }

void Network::cut_one_way(int from, int to) {
  run("iptables -w -A INPUT -s " + address(from) + " -j DROP", handle(to));
}

void Network::cut(int one, int other) {
  cut_one_way(one, other);
  cut_one_way(other, one);
}

void Network::heal() {
  for (const int host : handles_) run("iptables -w -F INPUT", host);
}

}  // namespace sluice::cluster
