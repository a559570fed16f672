#pragma once

#include <atomic>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <utility>

#include "client/include/sluice/client.h"

namespace sluice::cluster {

/// Where a record is: partition and offset.
using Place = std::pair<int32_t, int64_t>;
/// Values by their place.
using Records = std::map<Place, std::string>;

/// Few retries, so that it ends soon when the broker does.
client::ProducerOptions impatient();
/// As a user's, whom others serve when a broker ends.
client::ProducerOptions patient();

/// A producer that sends distinct values as fast as it can, and remembers what was acknowledged.
class Load {
 public:
  /// `name` makes this load's values differ from every other's.
  Load(std::unique_ptr<client::Client> client, std::string topic, std::string name,
       client::ProducerOptions options = impatient());
  ~Load();

  /// Returns when so many records in all were acknowledged, or failed.
  void wait_for(size_t outcomes);
  /// Stops sending and waits for every outcome.
  void stop();
  /// What was acknowledged, with its place.
  Records acknowledged();
  /// How many records failed for good.
  size_t failed() const { return failed_; }

 private:
  void run();

  const std::string topic_;
  const std::string name_;
  const std::unique_ptr<client::Client> client_;
  const std::unique_ptr<client::Producer> producer_;
  std::mutex mutex_;
  Records acknowledged_;
  std::atomic<size_t> outcomes_ = 0;
  std::atomic<size_t> failed_ = 0;
  std::atomic<bool> stopping_ = false;
  std::thread thread_;
};

/// Everything in the topic up to where it ends now.
Records read_all(client::Client& client, const std::string& topic);

}  // namespace sluice::cluster
