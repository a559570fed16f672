#pragma once

#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "client/cluster.h"
#include "client/producer/accumulator.h"
#include "client/producer/identity.h"
#include "io/sync.h"
#include "proto/record/compression.h"

namespace sluice::client {

/// Counters of a producer, kept on its loop and read from anywhere.
struct ProducerCounters {
  std::atomic<uint64_t> records_acked{0}, records_failed{0}, bytes_sent{0}, batches_sent{0},
      retries{0};
  /// The first failure nobody has heard of, for flush.
  std::mutex mutex;
  std::optional<Error> first_failure;

  void failed(const Batch& batch, const Error& why);
};

/// What the senders of one producer share; outlives them. On the producer's loop.
struct SenderPorts {
  Cluster& cluster;
  Accumulator& accumulator;
  ProducerCounters& counters;
  Identity& identity;
  const ProducerOptions& options;
};

/// Sends the batches of one partition in order. Keeps up to max_in_flight requests under way; when
/// one fails in a way that may pass, it lets the others end, pauses, and sends all that have no
/// success again, in the same order with the same sequence numbers. A batch that fails for good
/// would leave a gap in the sequence: what follows goes on under a new producer id.
/// A batch that is not full leaves only when nothing is in flight (as Nagle's algorithm, RFC 896):
/// a quiet partition sends at once, a busy one fills its batches while it waits for the answer.
class PartitionSender {
 public:
  PartitionSender(SenderPorts ports, std::string topic, PartitionQueue& queue);
  PartitionSender(const PartitionSender&) = delete;
  PartitionSender& operator=(const PartitionSender&) = delete;

  /// Until stop() was called and everything taken has its outcome.
  io::Task<void> run();
  /// Everything unfinished fails with `why` at the next chance.
  void stop(Error why);

 private:
  /// Takes new batches into the window and sends them; false when there was nothing to do.
  io::Task<bool> send_more();
  Result<> seal(Batch& batch);
  io::Task<Result<>> find_leader(bool fresh);
  void launch(Batch& batch);
  io::Task<void> deliver(Batch& batch, std::shared_ptr<Connection> connection);
  io::Task<Result<BatchOutcome>> ask(Batch& batch, Connection& connection);
  /// Finishes what can be finished from the front of the window.
  void settle();
  void complete(Batch& batch);
  io::Task<void> retry();
  bool idempotent() const { return ports_.options.idempotence; }

  const SenderPorts ports_;
  const std::string topic_;
  PartitionQueue& queue_;
  std::shared_ptr<const TopicMetadata> metadata_;
  std::shared_ptr<Connection> connection_;
  LeaderEpoch leader_epoch_{-1};
  ProducerIdentity identity_;
  int32_t next_sequence_ = 0;
  bool renew_identity_ = false;

  std::deque<std::unique_ptr<Batch>> window_;
  size_t in_flight_ = 0;
  bool retrying_ = false;
  uint32_t attempt_ = 0;
  std::optional<Error> stopped_;
  io::Scope scope_;
  record::Compressor compressor_;
  std::vector<std::byte> scratch_;
  std::optional<TimePoint> wake_at_;
};

}  // namespace sluice::client
