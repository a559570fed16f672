#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

#include "base/buffer_pool.h"
#include "base/bytes.h"
#include "io/network.h"

namespace sluice::broker {

/// How large pieces of a log leave; the copy goes through user space, for file systems and networks
/// that take sendfile badly.
enum class Transfer : uint8_t { sendfile, copy };

/// Settings of the port that clients connect to.
struct ServerOptions {
  io::Endpoint listen{"127.0.0.1", 9092};
  size_t max_connections = 19'000;
  size_t max_connections_per_address = 19'000;
  std::chrono::milliseconds idle_timeout = std::chrono::seconds(600);
  /// So long may the next part of a frame (16 KiB a second, or its rest) be on its way, and so long
  /// may a peer take nothing of what is sent to it.
  std::chrono::milliseconds frame_timeout = std::chrono::seconds(30);
  size_t max_frame_bytes = 100_MiB;
  /// Requests begun and not answered, and bytes of their frames, on one connection.
  size_t max_in_flight = 128;
  size_t max_in_flight_bytes = 4_MiB;
  Transfer transfer = Transfer::sendfile;
  /// Fetched pieces up to this size are read and sent together with their header.
  size_t copy_below_bytes = 32_KiB;
  /// What reads of data that is not in the page cache may take of one directory's device, a second.
  size_t cold_bytes_per_second = 512_MiB;
  /// False: nobody looks whether data is in memory, and a worker waits for the disk with all of its
  /// connections. To see what that is worth.
  bool isolate_cold_reads = true;
  /// Idle buffers that are kept, for clients and again for brokers.
  BufferPoolOptions pools;
};

}  // namespace sluice::broker
