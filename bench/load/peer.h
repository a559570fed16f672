#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "bench/load/floors.h"
#include "client/cluster.h"
#include "io/system.h"

namespace sluice::bench {

/// CPU seconds that a process has used, user and system.
struct ProcessCpu {
  double user = 0;
  double system = 0;
  double total() const { return user + system; }
};
ProcessCpu cpu_of(int pid);

/// Talks to a running broker with as little client around it as there can be: requests are made
/// once and sent again and again, answers are not looked into. What is measured is the broker.
class Peer {
 public:
  /// `broker` is host:port, `topic` exists with one partition. Dies with a message otherwise.
  Peer(const std::string& broker, const std::string& topic);
  ~Peer();
  Peer(const Peer&) = delete;
  Peer& operator=(const Peer&) = delete;

  /// Appends until the topic holds at least `bytes`, in 16 KiB batches of 100-byte records.
  void fill(uint64_t bytes);
  /// Fetches pieces of up to `piece` bytes from the start on, and again, until `total` came;
  /// `pipeline` fetches are kept under way, each on a connection of its own.
  Rate fetch(size_t piece, size_t pipeline, uint64_t total);
  /// One record of `size` bytes a request with acks 1, one request at a time on each of
  /// `connections`, `count` in all.
  Latencies produce_one_by_one(size_t size, size_t connections, size_t count);
  /// The same on one connection at `rate` a second, timed from when each was due.
  Latencies produce_at_rate(size_t size, double rate, size_t count);

 private:
  io::Task<void> find(const std::string& topic);
  io::Task<void> fill_to(uint64_t bytes);
  io::Task<void> fetch_loop(size_t piece, uint64_t total, Rate& rate);
  io::Task<void> produce_loop(size_t size, size_t count, Latencies& out);
  io::Task<void> produce_paced(size_t size, double rate, size_t count, Latencies& out);
  io::Task<void> all(std::vector<io::Task<void>> tasks);
  native::RequestHeader produce_request(size_t bytes) const;

  io::System system_;
  io::Loop& loop_;
  client::Cluster cluster_;
  std::string topic_id_;
  NodeId leader_{-1};
};

}  // namespace sluice::bench
