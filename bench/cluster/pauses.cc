#include "bench/cluster/pauses.h"

#include <algorithm>
#include <stdexcept>

namespace sluice::bench {

using std::chrono::milliseconds;

Pauses::Pauses(client::Client& client, std::string topic, int rate)
    : topic_(std::move(topic)), producer_(client.producer()) {
  const auto described = client.admin()->describe_topic(topic_);
  if (!described) throw std::runtime_error(std::string(described.error().message()));
  partitions_.resize(described->partitions.size());
  thread_ = std::thread([this, rate] { run(rate); });
}

Pauses::~Pauses() {
  stopping_ = true;
  thread_.join();
  static_cast<void>(producer_->close());
}

void Pauses::run(int rate) {
  const auto begun = Clock::now();
  for (int64_t i = 0; !stopping_; ++i) {
    std::this_thread::sleep_until(begun + std::chrono::microseconds(1'000'000 * i / rate));
    for (size_t partition = 0; partition < partitions_.size(); ++partition) send(partition);
  }
}

void Pauses::send(size_t partition) {
  const auto now = Clock::now();
  const auto sent = producer_->send(
      topic_,
      {.value = "a record of some bytes", .partition = PartitionId(static_cast<int>(partition))},
      [this, partition, now](const Result<client::Delivery>& delivery) {
        if (delivery) {
          acknowledged(partition, now);
        } else {
          ++failed_;
        }
      });
  if (!sent) ++failed_;
}

void Pauses::acknowledged(size_t partition, Clock::time_point sent) {
  const std::lock_guard lock(mutex_);
  Partition& at = partitions_[partition];
  const auto now = Clock::now();
  at.longest = std::max(at.longest, now - at.last);
  at.last = now;
  at.sent = sent;
}

void Pauses::watch() {
  const std::lock_guard lock(mutex_);
  for (Partition& each : partitions_) {
    each.last = Clock::now();
    each.longest = {};
  }
}

void Pauses::go_on() {
  const auto asked = Clock::now();
  const auto goes_on = [&] {
    const std::lock_guard lock(mutex_);
    return std::ranges::all_of(partitions_, [&](const auto& each) { return each.sent > asked; });
  };
  while (!goes_on()) {
    if (Clock::now() - asked > std::chrono::minutes(2)) {
      throw std::runtime_error("writes did not go on within two minutes");
    }
    std::this_thread::sleep_for(milliseconds(2));
  }
}

Pauses::Clock::duration Pauses::longest() {
  const std::lock_guard lock(mutex_);
  Clock::duration longest{0};
  for (const Partition& each : partitions_) longest = std::max(longest, each.longest);
  return longest;
}

}  // namespace sluice::bench
