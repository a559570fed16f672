// sluice_load: what the broker reaches, divided by what the machine can do, in one run.

#include <algorithm>
#include <csignal>
#include <iostream>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "bench/load/bench_log.h"
#include "bench/load/floors.h"
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
  return {{"bench", "recovery of a log in the page cache, against a bare read and CRC loop"},
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
  auto floor = fdatasync_floor(directory, 1024, 500);
  auto ours = peer.produce_at_rate(1024, 100, 500);
  return {{"bench", "1 KiB at 100 a second, flush on every acknowledgement, against fdatasync"},
          {"floor", quantiles(floor)},
          {"broker", quantiles(ours)},
          {"p50_ratio", ours.quantile(0.5) / floor.quantile(0.5)}};
}

/// Work for a broker that is being counted (callgrind): produces of one 16 KiB batch and fetches of
/// 1 MiB, one at a time.
Json drive(Peer& peer, size_t produces, size_t fetches) {
  peer.fill(produces * (16 << 10));
  if (fetches > 0) peer.fetch(1 << 20, fetches * (1 << 20));
  return {{"produces", produces}, {"fetches", fetches}};
}

int run(int argc, char** argv) {
  CLI::App app("Ratios of sluice to the machine's own speed, as JSON lines");
  std::string directory = ".";
  std::string broker = "127.0.0.1:9092";
  std::string topic = "bench";
  int pid = 0;
  size_t rounds = 5;
  size_t connections = 1;
  size_t count = 50'000;
  size_t produces = 0;
  size_t fetches = 0;
  app.add_option("--dir", directory, "Where scratch files go, on the disk of the broker");
  app.add_option("-b,--broker", broker, "host:port");
  app.add_option("--topic", topic, "An existing topic with one partition");
  app.add_option("--pid", pid, "The broker's process, for its CPU time");
  app.add_option("--rounds", rounds, "Pairs of floor and broker; medians are told");
  app.add_option("--connections", connections, "For echo");
  app.add_option("--count", count, "Requests, for echo");
  app.require_subcommand(1);
  app.fallthrough();
  const auto* append_command = app.add_subcommand("append", "The storage layer alone");
  const auto* recovery_command = app.add_subcommand("recovery", "Opening a log after a kill");
  const auto* fetch_command = app.add_subcommand("fetch", "Fetches of cached data");
  const auto* echo_command = app.add_subcommand("echo", "Small produces");
  const auto* sync_command = app.add_subcommand("sync", "Produces to a topic with flush=every");
  auto* drive_command = app.add_subcommand("drive", "Work to count instructions by");
  drive_command->add_option("--produces", produces, "Batches of 16 KiB");
  drive_command->add_option("--fetches", fetches, "Fetches of 1 MiB");
  CLI11_PARSE(app, argc, argv);
  Json result;
  if (append_command->parsed()) {
    result = append(directory, rounds);
  } else if (recovery_command->parsed()) {
    result = recovery(directory, rounds);
  } else {
    Peer peer(broker, topic);
    if (fetch_command->parsed()) result = fetch(directory, peer, pid, rounds);
    if (echo_command->parsed()) result = echo(directory, peer, connections, count);
    if (drive_command->parsed()) result = drive(peer, produces, fetches);
    if (sync_command->parsed()) result = sync(directory, peer);
  }
  std::cout << result.dump() << "\n";
  return 0;
}

}  // namespace
}  // namespace sluice::bench

int main(int argc, char** argv) {
  // A floor's server may still be sending when its client has had enough.
  std::signal(SIGPIPE, SIG_IGN);
  return sluice::bench::run(argc, argv);
}
