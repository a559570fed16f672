#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "client/cluster.h"
#include "client/consumer/assignment.h"
#include "client/consumer/fetcher.h"

namespace sluice::client {

/// The consumer behind the blocking facade: what waits is a Task on the cluster's loop.
class ConsumerCore {
 public:
  ConsumerCore(Cluster& cluster, ConsumerOptions options);
  /// After close().
  ~ConsumerCore();
  ConsumerCore(const ConsumerCore&) = delete;
  ConsumerCore& operator=(const ConsumerCore&) = delete;

  io::Task<Result<>> assign(std::string topic, SeekTarget from);
  io::Task<Result<>> assign(Assignment::Places places);
  /// Until take() may find something, wake() was called, or the deadline.
  io::Task<void> wait_ready(uint64_t ticket, TimePoint deadline);
  /// As Consumer::poll, on the loop.
  io::Task<Result<std::span<const ConsumedRecord>>> poll(size_t max_records, Duration timeout);
  io::Task<Result<std::pair<Offset, Offset>>> watermarks(Partition partition);
  io::Task<void> close();
  void wake();
  /// True once after a wake().
  bool woken() { return woken_.exchange(false); }

  Assignment& assignment() { return assignment_; }
  ConsumerMetrics metrics() const;

 private:
  void start();

  Cluster& cluster_;
  const ConsumerOptions options_;
  Assignment assignment_;
  Fetcher fetcher_;
  io::Scope scope_;
  bool started_ = false;
  bool closed_ = false;
  std::atomic<bool> woken_{false};
};

}  // namespace sluice::client
