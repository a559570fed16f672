#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "bench/load/floors.h"
#include "bench/load/raw_client.h"
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

/// Talks to a running broker with as little client around it as there can be, through the same
/// blocking connections as the floors. What is measured is the broker.
class Peer {
 public:
  /// `broker` is host:port, `topic` exists with one partition. Dies with a message otherwise.
  Peer(const std::string& broker, const std::string& topic);
  ~Peer();
  Peer(const Peer&) = delete;
  Peer& operator=(const Peer&) = delete;

  /// Appends until the topic holds at least `bytes`, in 16 KiB batches of 100-byte records.
  void fill(uint64_t bytes);
  /// Fetches pieces of up to `piece` bytes, one at a time, from the start on, and again, until
  /// `total` came.
  Rate fetch(size_t piece, uint64_t total);
  /// One record of `size` bytes a request with acks 1, one request at a time on each of
  /// `connections`, `count` in all.
  Latencies produce_one_by_one(size_t size, size_t connections, size_t count);
  /// The same at `rate` a second on one connection, timed from when each was due.
  Latencies produce_at_rate(size_t size, double rate, size_t count);

 private:
  io::Task<void> find(const std::string& topic);
  io::Task<void> fill_to(uint64_t bytes);
  io::Task<void> produce_paced(size_t size, double rate, size_t count, Latencies& out);
  native::RequestHeader produce_request(size_t bytes) const;
  native::RequestHeader fetch_request(size_t piece, Offset from) const;
  /// A connection that has said hello.
  RawConnection connect() const;

  const io::Endpoint broker_;
  io::System system_;
  io::Loop& loop_;
  client::Cluster cluster_;
  std::string topic_id_;
  NodeId leader_{-1};
};

}  // namespace sluice::bench
