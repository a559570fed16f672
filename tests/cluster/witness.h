#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "client/include/sluice/client.h"
#include "tests/simulated/history.h"

namespace sluice::cluster {

/// The history of one topic of a real cluster, written by many threads. What it must keep to is
/// what simulated runs must (tests/simulated/invariants.h).
class Witness {
 public:
  Witness(std::string topic, uint32_t partitions);

  const std::string& topic() const { return topic_; }
  uint32_t partitions() const { return partitions_; }
  /// A number that no other producer of this history has.
  uint32_t next_producer();

  void sent(sim::RecordId id, PartitionId partition);
  void acknowledged(sim::RecordId id, Offset offset);
  /// `definite`: it was never handed to a broker.
  void failed(sim::RecordId id, const Error& why, bool definite);
  void saw(const std::string& reader, const client::ConsumedRecord& record);
  /// Where each partition must at least end for who asks from now on.
  std::vector<sim::Floor> floors();
  /// `floors` as they were before the question.
  void was_told(const std::string& reader, const std::vector<client::PartitionOffset>& ends,
                const std::vector<sim::Floor>& floors);
  void note(std::string text);

  size_t acknowledged_count();
  size_t failed_count();
  /// Returns once so many more are acknowledged than now; false when that takes longer than
  /// `limit`.
  bool wait_for_more(size_t records, std::chrono::milliseconds limit);
  /// From now on longest_pause() is told anew.
  void watch_pauses();
  /// The longest time without an acknowledgement, the time since the last one included.
  std::chrono::milliseconds longest_pause();

  /// Reads the log to its end and says what is broken; nobody writes or reads any more.
  std::vector<std::string> broken(client::Client& client);
  /// The end of the history as text.
  std::string to_text(size_t lines);

 private:
  using Clock = std::chrono::steady_clock;
  sim::Place place(PartitionId partition) const { return {topic_, partition}; }
  void note_acknowledgement(Clock::time_point now);

  const std::string topic_;
  const uint32_t partitions_;
  const Clock::time_point begun_ = Clock::now();
  std::mutex mutex_;
  sim::History history_;
  uint32_t producers_ = 0;
  size_t acknowledged_count_ = 0;
  size_t failed_count_ = 0;
  Clock::time_point last_acknowledgement_ = begun_;
  Clock::duration longest_pause_{0};
};

/// Sends records to all partitions at a steady pace, idempotent, acknowledged by all.
class WitnessedProducer {
 public:
  WitnessedProducer(Witness& witness, std::unique_ptr<client::Client> client,
                    client::ProducerOptions options);
  ~WitnessedProducer();
  /// Sends nothing any more and waits for every outcome.
  void stop();
  size_t acknowledged() const { return acknowledged_; }

 private:
  void run(const std::stop_token& stopping);
  bool send_one();

  Witness& witness_;
  const uint32_t number_;
  uint32_t sent_ = 0;
  std::atomic<size_t> acknowledged_ = 0;
  const std::unique_ptr<client::Client> client_;
  const std::unique_ptr<client::Producer> producer_;
  std::jthread thread_;
};

/// Follows the topic from its beginning.
class WitnessedReader {
 public:
  WitnessedReader(Witness& witness, std::string name, std::unique_ptr<client::Client> client);
  /// Whether it got to these ends within `limit`.
  bool reaches(const std::vector<sim::Floor>& ends, std::chrono::milliseconds limit);

 private:
  void run(const std::stop_token& stopping);

  Witness& witness_;
  const std::string name_;
  const std::unique_ptr<client::Client> client_;
  std::mutex mutex_;
  std::map<PartitionId, Offset> positions_;
  std::jthread thread_;
};

/// Asks for the ends of all partitions, over and over.
class WitnessedWatcher {
 public:
  WitnessedWatcher(Witness& witness, std::string name, std::unique_ptr<client::Client> client);

 private:
  void run(const std::stop_token& stopping);

  Witness& witness_;
  const std::string name_;
  const std::unique_ptr<client::Client> client_;
  std::jthread thread_;
};

/// Producers, readers and a watcher on one topic, and the verdict on what they saw.
class WitnessedLoad {
 public:
  using Open = std::function<std::unique_ptr<client::Client>()>;
  WitnessedLoad(std::string topic, uint32_t partitions, Open open);
  Witness& witness() { return witness_; }
  /// Stops; every sentence about what is broken becomes a failure of the test. Readers must have
  /// got to the end.
  void expect_sound();

 private:
  Witness witness_;
  const Open open_;
  std::vector<std::unique_ptr<WitnessedProducer>> producers_;
  std::vector<std::unique_ptr<WitnessedReader>> readers_;
  std::unique_ptr<WitnessedWatcher> watcher_;
};

}  // namespace sluice::cluster
