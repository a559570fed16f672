#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "base/bytes.h"
#include "base/memory_budget.h"
#include "base/result.h"
#include "base/strong.h"
#include "io/loop.h"
#include "io/task.h"
#include "proto/native/protocol.pb.h"

namespace sluice::broker {

/// A leader's answer, with the memory that its payload stands on.
struct ReplicaFetchAnswer {
  native::FetchResponse header;
  std::unique_ptr<std::byte[]> bytes;
  size_t payload_size = 0;
  Reservation memory;

  /// The partitions' batches, in the order of the header.
  MutableBytes payload() const { return {bytes.get(), payload_size}; }
};

/// What a fetcher needs of a leader's broker.
class LeaderLink {
 public:
  virtual ~LeaderLink() = default;
  /// One at a time. The fetch session lives on the leader's side of a connection: after an error
  /// the fetcher begins anew, with session epoch 0.
  virtual io::Task<Result<ReplicaFetchAnswer>> fetch(native::FetchRequest request) = 0;
  /// Nothing is fetched any more: ends what is under way, if it can.
  virtual void cancel() {}
};

/// Partitions that flush on every acknowledgement are fetched apart from the others: a fetch of
/// theirs waits for the device. A lane has a fetch session, so a connection, of its own; that of
/// repairs begins one with each fetch.
enum class FetchLane : uint8_t { plain, flushed, repair };

/// Makes links, each used on one loop.
class LeaderLinks {
 public:
  virtual ~LeaderLinks() = default;
  virtual std::unique_ptr<LeaderLink> link_to(NodeId leader, FetchLane lane, io::Loop& loop) = 0;
};

}  // namespace sluice::broker
