// sluice_cluster_load: how long a cluster holds up its writers when brokers end, and what an
// acknowledgement by all takes. It kills and restarts the brokers of a folder that
// scripts/cluster.sh made.

#include <algorithm>
#include <cstdlib>
#include <iostream>
#include <string>
#include <thread>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "bench/cluster/pauses.h"
#include "bench/cluster/ping_pong.h"

namespace sluice::bench {
namespace {

using Json = nlohmann::json;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

struct Options {
  std::string brokers, script, folder, topic;
  int rounds = 50;
  int rate = 500;
  int seconds = 10;
};

double in_milliseconds(steady_clock::duration time) {
  return std::chrono::duration<double, std::milli>(time).count();
}

/// Nearest rank; sorts what it is given.
double quantile(std::vector<double>& values, double share) {
  std::ranges::sort(values);
  const auto rank = static_cast<size_t>(share * static_cast<double>(values.size() - 1) + 0.5);
  return values.at(rank);
}

Json quantiles(std::vector<double> values) {
  return {{"p50_ms", quantile(values, 0.5)},
          {"p99_ms", quantile(values, 0.99)},
          {"max_ms", quantile(values, 1)}};
}

client::ClientOptions client_options(const Options& options) {
  client::ClientOptions client;
  client.brokers.clear();
  std::istringstream addresses(options.brokers);
  for (std::string each; std::getline(addresses, each, ',');) client.brokers.push_back(each);
  return client;
}

void cluster_script(const Options& options, const std::string& verb, int broker) {
  const std::string line = options.script + " " + verb + " " + options.folder + " " +
                           std::to_string(broker) + " >/dev/null";
  if (std::system(line.c_str()) != 0) throw std::runtime_error("failed: " + line);
}

/// Every replica in sync, and nobody fenced.
void await_health(client::Admin& admin) {
  const auto until = steady_clock::now() + std::chrono::seconds(120);
  while (steady_clock::now() < until) {
    const auto status = admin.cluster_status();
    if (status && status->under_replicated == 0 && status->offline == 0 &&
        std::ranges::none_of(status->brokers, [](const auto& broker) { return broker.fenced; })) {
      return;
    }
    std::this_thread::sleep_for(milliseconds(50));
  }
  throw std::runtime_error("the cluster did not get well in two minutes");
}

int leader_of(client::Admin& admin, const std::string& topic) {
  return admin.describe_topic(topic).value().partitions.front().leader.value();
}

int controller(client::Admin& admin) { return admin.cluster_status().value().controller.value(); }

/// One producer with default settings on a topic, and a broker that ends, round by round.
Json pauses(const Options& options, const std::string& who, const std::string& verb) {
  const auto client = client::Client::open(client_options(options)).value();
  const auto admin = client->admin();
  Pauses writes(*client, options.topic, options.rate);
  std::vector<double> longest;
  for (int round = 0; round < options.rounds; ++round) {
    await_health(*admin);
    writes.go_on();
    const int broker = who == "controller" ? controller(*admin) : leader_of(*admin, options.topic);
    writes.watch();
    cluster_script(options, verb, broker);
    writes.go_on();
    longest.push_back(in_milliseconds(writes.longest()));
    if (verb == "kill") cluster_script(options, "restart", broker);
  }
  Json result = quantiles(std::move(longest));
  result["bench"] = verb + " of the " + who + ": longest time without an acknowledgement";
  result["rounds"] = options.rounds;
  result["failed_records"] = writes.failed();
  return result;
}

/// From the kill of a broker until every partition has a leader that answers for it.
Json many(const Options& options) {
  const auto client = client::Client::open(client_options(options)).value();
  const auto admin = client->admin();
  std::vector<double> took;
  size_t led = 0;
  for (int round = 0; round < options.rounds; ++round) {
    await_health(*admin);
    const int broker = leader_of(*admin, options.topic);
    const auto before = admin->describe_topic(options.topic).value();
    led = static_cast<size_t>(std::ranges::count_if(
        before.partitions, [&](const auto& each) { return each.leader.value() == broker; }));
    const auto begun = steady_clock::now();
    cluster_script(options, "kill", broker);
    while (!admin->list_offsets(options.topic, {})) std::this_thread::sleep_for(milliseconds(10));
    took.push_back(in_milliseconds(steady_clock::now() - begun));
    cluster_script(options, "restart", broker);
  }
  await_health(*admin);
  Json result = quantiles(std::move(took));
  result["bench"] = "kill of a broker: until all its partitions are led again";
  result["leaders"] = led;
  result["rounds"] = options.rounds;
  return result;
}

/// Records one at a time, at a pace that queues nowhere: send() to acknowledgement.
Json latency(const Options& options) {
  const auto client = client::Client::open(client_options(options)).value();
  const auto producer = client->producer();
  const std::string value(1024, 'x');
  std::vector<double> took;
  const auto begun = steady_clock::now();
  const auto count = options.rate * options.seconds;
  for (int i = 0; i < count; ++i) {
    std::this_thread::sleep_until(begun + std::chrono::microseconds(1'000'000) / options.rate * i);
    const auto sent = steady_clock::now();
    const auto delivered = producer->send_future(options.topic, {.value = value}).get();
    if (!delivered) throw std::runtime_error(std::string(delivered.error().message()));
    if (i >= options.rate) took.push_back(in_milliseconds(steady_clock::now() - sent));
  }
  Json result = quantiles(std::move(took));
  result["bench"] = "produce latency, one record of 1 KiB at a time";
  result["rate"] = options.rate;
  result["ping_pong_ms"] = in_milliseconds(ping_pong(value.size(), 5'000));
  return result;
}

int run(int argc, char** argv) {
  CLI::App app("what a cluster reaches; figures as JSON");
  Options options;
  app.add_option("-b,--brokers", options.brokers)->required();
  app.add_option("--script", options.script, "scripts/cluster.sh");
  app.add_option("--dir", options.folder, "The cluster's folder");
  app.add_option("--topic", options.topic)->required();
  app.add_option("--rounds", options.rounds);
  app.add_option("--rate", options.rate);
  app.add_option("--seconds", options.seconds);
  app.require_subcommand(1);
  const auto add = [&](const char* name, auto make) {
    app.add_subcommand(name)->callback([=] { std::cout << make().dump() << "\n"; });
  };
  add("kill-leader", [&] { return pauses(options, "leader", "kill"); });
  add("kill-controller", [&] { return pauses(options, "controller", "kill"); });
  add("restart-leader", [&] { return pauses(options, "leader", "restart"); });
  add("many", [&] { return many(options); });
  add("latency", [&] { return latency(options); });
  CLI11_PARSE(app, argc, argv);
  return 0;
}

}  // namespace
}  // namespace sluice::bench

int main(int argc, char** argv) {
  try {
    return sluice::bench::run(argc, argv);
  } catch (const std::exception& failure) {
    std::cerr << "sluice_cluster_load: " << failure.what() << "\n";
    return 1;
  }
}
