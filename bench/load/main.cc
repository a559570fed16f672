// sluice_load: what the broker reaches, divided by what the machine can do, in one run.

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <functional>
#include <iostream>
#include <string>
#include <vector>

#include <sys/resource.h>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "bench/load/bench_log.h"
#include "bench/load/broker_process.h"
#include "bench/load/floors.h"
#include "bench/load/hostile.h"
#include "bench/load/peer.h"

namespace sluice::bench {
namespace {

using Json = nlohmann::json;

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

Json quantiles(Latencies& latencies) {
  return {{"p50_us", latencies.quantile(0.5)},
          {"p99_us", latencies.quantile(0.99)},
          {"p999_us", latencies.quantile(0.999)},
          {"count", latencies.count()}};
}

/// Floor and storage take turns, so that a drifting machine moves both.
Json append(const std::string& directory, size_t rounds) {
  constexpr uint64_t kRound = 256 << 20;
  std::vector<double> ratios, floors, ours;
  BenchLog log(directory);
  log.append(1000);
  for (size_t i = 0; i < rounds; ++i) {
    const Rate floor = pwritev_floor(directory, log.batch_size(), kRound);
    const auto start = std::chrono::steady_clock::now();
    const uint64_t bytes = log.append(kRound / log.batch_size());
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
    floors.push_back(floor.bytes_per_second());
    ours.push_back(static_cast<double>(bytes) / took.count());
    ratios.push_back(ours.back() / floors.back());
  }
  return {{"bench", "append 16 KiB batches, CRC checked, against a bare pwritev loop"},
          {"floor_mb_per_second", median(floors) / 1e6},
          {"mb_per_second", median(ours) / 1e6},
          {"ratio", median(ratios)}};
}

/// The log is read back as after a kill, with nothing vouched for.
Json recovery(const std::string& directory, size_t rounds) {
  constexpr uint64_t kSize = 512 << 20;
  BenchLog log(directory);
  log.append(kSize / log.batch_size());
  std::vector<double> ratios, floors, ours;
  for (size_t i = 0; i < rounds; ++i) {
    const Rate floor = read_crc_floor(log.active_file());
    const auto start = std::chrono::steady_clock::now();
    const uint64_t bytes = log.recover();
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
    floors.push_back(floor.bytes_per_second());
    ours.push_back(static_cast<double>(bytes) / took.count());
    ratios.push_back(ours.back() / floors.back());
  }
  return {{"bench", "recovery of a log from the device, against a bare read and CRC loop"},
          {"floor_mb_per_second", median(floors) / 1e6},
          {"mb_per_second", median(ours) / 1e6},
          {"ratio", median(ratios)}};
}

Json fetch(const std::string& directory, Peer& peer, int pid, size_t rounds) {
  constexpr uint64_t kTotal = 2ULL << 30;
  constexpr size_t kPiece = 1 << 20;
  peer.fill(256 << 20);
  std::vector<double> ratios, floors, ours, cpu, user, floor_cpu;
  for (size_t i = 0; i < rounds; ++i) {
    const Rate floor = sendfile_floor(directory, kPiece, kTotal);
    const ProcessCpu before = cpu_of(pid);
    const Rate rate = peer.fetch(kPiece, kTotal);
    const ProcessCpu after = cpu_of(pid);
    const auto gb = static_cast<double>(rate.bytes) / 1e9;
    floors.push_back(floor.bytes_per_second());
    ours.push_back(rate.bytes_per_second());
    ratios.push_back(ours.back() / floors.back());
    cpu.push_back((after.total() - before.total()) / gb);
    user.push_back((after.user - before.user) / gb);
    floor_cpu.push_back(floor.cpu_seconds_per_gb());
  }
  return {{"bench", "fetch of cached data, 1 MiB at a time, against a bare sendfile loop"},
          {"floor_mb_per_second", median(floors) / 1e6},
          {"mb_per_second", median(ours) / 1e6},
          {"ratio", median(ratios)},
          {"floor_cpu_seconds_per_gb", median(floor_cpu)},
          {"broker_cpu_seconds_per_gb", median(cpu)},
          {"broker_user_seconds_per_gb", median(user)}};
}

Json ingest(const std::string& directory, Peer& peer, int pid, size_t rounds) {
  constexpr uint64_t kTotal = 256 << 20;
  constexpr size_t kWindow = 5;
  std::vector<double> floors, ours, cpu, user, floor_cpu;
  for (size_t i = 0; i < rounds; ++i) {
    const Rate floor = ingest_floor(directory, 16 << 10, kWindow, kTotal);
    const ProcessCpu before = cpu_of(pid);
    const Rate rate = peer.ingest(kWindow, kTotal);
    const ProcessCpu after = cpu_of(pid);
    const auto gb = static_cast<double>(rate.bytes) / 1e9;
    floors.push_back(floor.bytes_per_second());
    ours.push_back(rate.bytes_per_second());
    cpu.push_back((after.total() - before.total()) / gb);
    user.push_back((after.user - before.user) / gb);
    floor_cpu.push_back(floor.cpu_seconds_per_gb());
  }
  return {
      {"bench", "produce of 16 KiB batches, five under way, against recv, CRC, pwrite and send"},
      {"floor_mb_per_second", median(floors) / 1e6},
      {"mb_per_second", median(ours) / 1e6},
      {"floor_cpu_seconds_per_gb", median(floor_cpu)},
      {"broker_cpu_seconds_per_gb", median(cpu)},
      {"broker_user_seconds_per_gb", median(user)},
      {"cpu_ratio", median(cpu) / median(floor_cpu)}};
}

Json echo(const std::string& directory, Peer& peer, size_t connections, size_t count) {
  auto floor = echo_floor(directory, 256, connections, count);
  auto ours = peer.produce_one_by_one(256, connections, count);
  return {{"bench", "256-byte records, one a request, " + std::to_string(connections) +
                        " connections, against a bare echo with pwrite"},
          {"floor", quantiles(floor)},
          {"broker", quantiles(ours)},
          {"p50_ratio", ours.quantile(0.5) / floor.quantile(0.5)},
          {"p99_ratio", ours.quantile(0.99) / floor.quantile(0.99)}};
}

Json sync(const std::string& directory, Peer& peer) {
  auto floor = fdatasync_floor(directory, 1024, 100, 500);
  auto ours = peer.produce_at_rate(1024, 100, 500);
  return {{"bench", "1 KiB at 100 a second, flush on every acknowledgement, against fdatasync"},
          {"floor", quantiles(floor)},
          {"broker", quantiles(ours)},
          {"p50_ratio", ours.quantile(0.5) / floor.quantile(0.5)}};
}

constexpr uint32_t kManyPartitions = 1000;

/// How long a broker takes to get ready: with nothing, and with 1,000 partitions after a clean
/// stop; and the first append to each of these.
Json start(const std::string& sluiced, const std::string& directory, size_t rounds) {
  const std::string data = directory + "/start";
  std::vector<double> empty, full;
  for (size_t i = 0; i < rounds; ++i) {
    std::filesystem::remove_all(data);
    empty.push_back(BrokerProcess(sluiced, data).seconds_to_ready() * 1000);
  }
  Latencies first;
  {
    const BrokerProcess broker(sluiced, data);
    Peer peer(broker.address());
    peer.create_topic("many", kManyPartitions);
    first = peer.produce_to_each(kManyPartitions);
  }
  for (size_t i = 0; i < rounds; ++i) {
    full.push_back(BrokerProcess(sluiced, data).seconds_to_ready() * 1000);
  }
  std::filesystem::remove_all(data);
  return {{"bench", "start to ready, and first appends to 1,000 partitions"},
          {"empty_ms", median(empty)},
          {"partitions_1000_ms", median(full)},
          {"first_appends", quantiles(first)}};
}

/// What a broker holds in memory with nothing to do, with 1,000 partitions that were written to,
/// and with connections that do nothing besides.
Json idle(const std::string& sluiced, const std::string& directory, size_t connections) {
  rlimit files{};
  ::getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &files);
  const std::string data = directory + "/idle";
  Json result;
  {
    const BrokerProcess broker(sluiced, data);
    Peer peer(broker.address());
    const uint64_t before = resident_bytes(broker.pid());
    peer.create_topic("many", kManyPartitions);
    static_cast<void>(peer.produce_to_each(kManyPartitions));
    const uint64_t with_partitions = resident_bytes(broker.pid());
    std::vector<RawConnection> open;
    for (size_t i = 0; i < connections; ++i) open.push_back(peer.connect());
    result = {{"bench", "resident memory, idle, and with idle connections"},
              {"idle_mb", static_cast<double>(before) / 1e6},
              {"with_1000_partitions_mb", static_cast<double>(with_partitions) / 1e6},
              {"connections", connections},
              {"with_connections_mb", static_cast<double>(resident_bytes(broker.pid())) / 1e6}};
  }
  std::filesystem::remove_all(data);
  return result;
}

/// Work for a broker that is being counted (callgrind): produces of one 16 KiB batch and fetches of
/// 1 MiB, one at a time.
Json drive(Peer& peer, size_t produces, size_t fetches) {
  peer.fill(produces * (16 << 10));
  if (fetches > 0) peer.fetch(1 << 20, fetches * (1 << 20));
  return {{"produces", produces}, {"fetches", fetches}};
}

/// What clients that mean ill can make a broker hold.
Json hostile(const Peer& peer, int pid, const HostileOptions& options) {
  const HostileOutcome outcome = press(peer, pid, options);
  return {{"bench", "clients that announce much, and that ask and do not read"},
          {"announcers", options.announcers},
          {"silent_fetchers", options.silent_fetchers},
          {"connected_at_most", outcome.connected},
          {"closed", outcome.closed},
          {"anonymous_mb_at_most", static_cast<double>(outcome.anonymous_bytes) / 1e6},
          {"alive", anonymous_bytes(pid) > 0}};
}

struct Settings {
  std::string directory = ".";
  std::string broker = "127.0.0.1:9092";
  std::string topic = "bench";
  std::string sluiced = "sluiced";
  int pid = 0;
  size_t rounds = 5;
  size_t connections = 1;
  size_t count = 50'000;
  size_t produces = 0;
  size_t fetches = 0;
  HostileOptions hostile;
};

void add_options(CLI::App& app, Settings& settings) {
  app.add_option("--dir", settings.directory, "Where scratch files go, on the disk of the broker");
  app.add_option("-b,--broker", settings.broker, "An IPv4 address and a port");
  app.add_option("--topic", settings.topic, "An existing topic with one partition");
  app.add_option("--pid", settings.pid, "The broker's process, for its CPU time");
  app.add_option("--sluiced", settings.sluiced, "The program, for start and idle");
  app.add_option("--rounds", settings.rounds, "Pairs of floor and broker; medians are told");
  app.add_option("--connections", settings.connections, "For echo and idle");
  app.add_option("--count", settings.count, "Requests, for echo");
}

using Bench = std::function<Json(const Settings&)>;

/// A bench that asks a broker which is running.
Bench with_peer(std::function<Json(const Settings&, Peer&)> bench) {
  return [bench = std::move(bench)](const Settings& settings) {
    Peer peer(settings.broker);
    peer.use_topic(settings.topic);
    return bench(settings, peer);
  };
}

int run(int argc, char** argv) {
  CLI::App app("Ratios of sluice to the machine's own speed, as JSON lines");
  Settings settings;
  add_options(app, settings);
  app.require_subcommand(1);
  app.fallthrough();
  Bench chosen;
  const auto add = [&](const char* name, const char* what, Bench bench) {
    auto* command = app.add_subcommand(name, what);
    command->callback([&chosen, bench = std::move(bench)] { chosen = bench; });
    return command;
  };
  add("append", "The storage layer alone",
      [](const Settings& s) { return append(s.directory, s.rounds); });
  add("recovery", "Opening a log after a kill",
      [](const Settings& s) { return recovery(s.directory, s.rounds); });
  add("start", "How long sluiced takes to get ready",
      [](const Settings& s) { return start(s.sluiced, s.directory, s.rounds); });
  add("idle", "Memory of an idle sluiced",
      [](const Settings& s) { return idle(s.sluiced, s.directory, s.connections); });
  add("ingest", "Produces of 16 KiB batches", with_peer([](const Settings& s, Peer& peer) {
        return ingest(s.directory, peer, s.pid, s.rounds);
      }));
  add("fetch", "Fetches of cached data", with_peer([](const Settings& s, Peer& peer) {
        return fetch(s.directory, peer, s.pid, s.rounds);
      }));
  add("echo", "Small produces", with_peer([](const Settings& s, Peer& peer) {
        return echo(s.directory, peer, s.connections, s.count);
      }));
  add("sync", "Produces to a topic with flush=every",
      with_peer([](const Settings& s, Peer& peer) { return sync(s.directory, peer); }));
  auto* drive_command = add(
      "drive", "Work to count instructions by",
      with_peer([](const Settings& s, Peer& peer) { return drive(peer, s.produces, s.fetches); }));
  drive_command->add_option("--produces", settings.produces, "Batches of 16 KiB");
  drive_command->add_option("--fetches", settings.fetches, "Fetches of 1 MiB");
  auto* hostile_command =
      add("hostile", "Clients that want to use up the broker's memory",
          with_peer([](const Settings& s, Peer& peer) { return hostile(peer, s.pid, s.hostile); }));
  hostile_command->add_option("--announcers", settings.hostile.announcers, "Connections");
  hostile_command->add_option("--fetchers", settings.hostile.silent_fetchers, "Connections");
  hostile_command->add_option("--seconds", settings.hostile.seconds, "How long");
  CLI11_PARSE(app, argc, argv);
  std::cout << chosen(settings).dump() << "\n";
  return 0;
}

}  // namespace
}  // namespace sluice::bench

int main(int argc, char** argv) {
  // A floor's server may still be sending when its client has had enough.
  std::signal(SIGPIPE, SIG_IGN);
  return sluice::bench::run(argc, argv);
}
