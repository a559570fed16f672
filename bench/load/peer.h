#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/strong.h"
#include "bench/load/floors.h"
#include "bench/load/raw_client.h"
#include "proto/native/protocol.pb.h"

namespace sluice::bench {

/// Talks to a running broker with no client around it, through the same blocking connections as the
/// floors. What is measured is the broker. Dies with a message when the broker refuses something.
class Peer {
 public:
  /// `broker` is an IPv4 address and a port.
  explicit Peer(const std::string& broker);

  void create_topic(const std::string& name, uint32_t partitions);
  /// What the following are about; it exists.
  void use_topic(const std::string& name);

  /// Appends `bytes` to the topic's first partition, in 16 KiB batches of 100-byte records.
  void fill(uint64_t bytes);
  /// Keeps `window` produces of a 16 KiB batch of 100-byte records under way until `total` bytes
  /// are written.
  Rate ingest(size_t window, uint64_t total);
  /// Fetches pieces of up to `piece` bytes, one at a time, from the start on, and again, until
  /// `total` came.
  Rate fetch(size_t piece, uint64_t total);
  /// One record of `size` bytes a request with acks 1, one request at a time on each of
  /// `connections`, `count` in all.
  Latencies produce_one_by_one(size_t size, size_t connections, size_t count);
  /// The same at `rate` a second on one connection, timed from when each was due.
  Latencies produce_at_rate(size_t size, double rate, size_t count);
  /// One record to each of so many partitions, one after the other.
  Latencies produce_to_each(uint32_t partitions);

  /// A connection that has said hello.
  RawConnection connect() const;

  // For who does not talk through these connections.

  const std::string& host() const { return host_; }
  uint16_t port() const { return port_; }
  /// What a connection begins with: the magic and a hello.
  static std::vector<std::byte> opening();
  /// The first bytes of a produce of so many bytes.
  std::vector<std::byte> announce(size_t bytes) const;
  /// A fetch of up to so many bytes of the topic's first partition, from the start on.
  std::vector<std::byte> fetch_frame(size_t piece) const;

 private:
  native::ResponseHeader call(const native::RequestHeader& request) const;
  native::RequestHeader produce_request(size_t bytes, int32_t partition = 0) const;
  native::RequestHeader fetch_request(size_t piece, Offset from) const;

  std::string host_;
  uint16_t port_ = 0;
  std::string topic_id_;
};

}  // namespace sluice::bench
