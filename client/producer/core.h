#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <absl/container/flat_hash_map.h>

#include "client/cluster.h"
#include "client/include/sluice/producer.h"
#include "client/producer/accumulator.h"
#include "client/producer/identity.h"
#include "client/producer/memory_pool.h"
#include "client/producer/partition_sender.h"

namespace sluice::client {

/// The producer behind the blocking facade: everything that waits is a Task on the cluster's loop,
/// so that simulated programs use it directly.
class ProducerCore {
 public:
  ProducerCore(Cluster& cluster, ProducerOptions options);
  /// After close().
  ~ProducerCore();
  ProducerCore(const ProducerCore&) = delete;
  ProducerCore& operator=(const ProducerCore&) = delete;

  /// From any thread, without waiting: false when the topic must be asked for or memory waited for.
  Result<bool> try_send(std::string_view topic, const OutgoingRecord& record,
                        DeliveryCallback* done);
  /// On the loop. What `record` views lives until the task is done.
  io::Task<Result<>> send(std::string topic, OutgoingRecord record, DeliveryCallback* done);
  io::Task<Result<>> flush();
  io::Task<Result<>> close(Duration limit);

  Cluster& cluster() { return cluster_; }
  ProducerMetrics metrics() const;

 private:
  class CloseTimer;
  io::Task<void> refresh();
  io::Task<Result<>> learn(const std::string& topic);
  io::Task<void> wait_for(std::vector<Accumulator::FlushPoint> points);
  void stop_senders(const Error& why);

  Cluster& cluster_;
  const ProducerOptions options_;
  MemoryPool pool_;
  Accumulator accumulator_;
  ProducerCounters counters_;
  Identity identity_;
  std::atomic<bool> closed_{false};
  // On the loop.
  std::vector<std::unique_ptr<PartitionSender>> senders_;
  std::vector<std::string> topics_;
  io::Signal closing_;
  io::Scope scope_;
};

}  // namespace sluice::client
