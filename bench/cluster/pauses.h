#pragma once

#include <atomic>
#include <chrono>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "client/include/sluice/client.h"

namespace sluice::bench {

/// Writes to every partition of a topic at a steady rate, with default settings, and tells how long
/// no acknowledgement came for any of them.
class Pauses {
 public:
  using Clock = std::chrono::steady_clock;

  Pauses(client::Client& client, std::string topic, int rate);
  ~Pauses();
  Pauses(const Pauses&) = delete;
  Pauses& operator=(const Pauses&) = delete;

  /// From here on longest() is told anew.
  void watch();
  /// Returns when every partition acknowledged records that were sent after this call.
  void go_on();
  /// The longest time that a partition was without an acknowledgement.
  Clock::duration longest();
  size_t failed() const { return failed_; }

 private:
  struct Partition {
    Clock::time_point last;
    Clock::duration longest{0};
    /// When the last record that was acknowledged had been sent.
    Clock::time_point sent;
  };
  void run(int rate);
  void send(size_t partition);
  void acknowledged(size_t partition, Clock::time_point sent);

  const std::string topic_;
  const std::unique_ptr<client::Producer> producer_;
  std::mutex mutex_;
  std::vector<Partition> partitions_;
  std::atomic<size_t> failed_ = 0;
  std::atomic<bool> stopping_ = false;
  std::thread thread_;
};

}  // namespace sluice::bench
