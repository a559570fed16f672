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
/// success again, in the same order with the same sequence numbers.
/// A batch that was given up leaves a gap in the sequence, unless the broker has it after all. The
/// broker knows: when it refuses what follows as out of order, that is certainly not in the log and
/// goes out again under a new producer id. To renew the id before would repeat batches whose
/// outcome is unknown.
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
  /// Gives outcomes to what can have one, from the front of the window.
  void settle();
  /// What to do with the failure of the front batch: try again (then it is taken off), or leave it.
  void judge(Batch& batch);
  void complete(Batch& batch);
  void give_up(Batch& batch);

  void send_more();
  void recover();
  /// A leader that says nothing for long may have been replaced without noticing.
  void suspect();
  io::Task<void> look_for_another_leader();
  io::Task<void> find();
  io::Task<Result<>> find_leader();
  void renew(ProducerIdentity identity);
  void send_again();
  void failed(Error why);

  Result<> seal(Batch& batch);
  void launch(Batch& batch);
  io::Task<void> deliver(Batch& batch, std::shared_ptr<Connection> connection);
  io::Task<Result<BatchOutcome>> ask(Batch& batch, Connection& connection);

  bool idempotent() const { return ports_.options.idempotence; }
  bool ready() const;
  /// Whether the front batch waits to be sent, again or at all.
  bool stalled() const { return !window_.empty() && !window_.front()->in_flight; }
  TimePoint now() const { return ports_.cluster.loop().now(); }
  std::string label() const;

  const SenderPorts ports_;
  const std::string topic_;
  PartitionQueue& queue_;
  std::shared_ptr<const TopicMetadata> metadata_;
  std::shared_ptr<Connection> connection_;
  LeaderEpoch leader_epoch_{-1};
  ProducerIdentity identity_;
  int32_t next_sequence_ = 0;
  bool renew_identity_ = false;

  /// Taken and not finished, in the order they were begun.
  std::deque<std::unique_ptr<Batch>> window_;
  size_t in_flight_ = 0;
  bool finding_ = false;
  /// Since when the leader owes an answer, or was last looked after.
  TimePoint silent_since_{};
  bool looking_ = false;
  /// Failures in a row, the last of them, and when to try again.
  uint32_t failures_ = 0;
  std::optional<Error> last_failure_;
  TimePoint resume_at_{};
  std::optional<Error> stopped_;
  std::optional<TimePoint> wake_at_;
  io::Scope scope_;
  record::Compressor compressor_;
  std::vector<std::byte> scratch_;
};

}  // namespace sluice::client
