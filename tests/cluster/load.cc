#include "tests/cluster/load.h"

#include <algorithm>

#include <gtest/gtest.h>

namespace sluice::cluster {

client::ProducerOptions impatient() {
  client::ProducerOptions options;
  options.delivery_timeout = client::Milliseconds(2'000);
  options.max_block = client::Milliseconds(2'000);
  options.buffer_memory = 1024 * 1024;
  return options;
}

client::ProducerOptions patient() {
  client::ProducerOptions options;
  options.buffer_memory = 1024 * 1024;
  return options;
}

Load::Load(std::unique_ptr<client::Client> client, std::string topic, std::string name,
           client::ProducerOptions options)
    : topic_(std::move(topic)),
      name_(std::move(name)),
      client_(std::move(client)),
      producer_(client_->producer(options)),
      thread_([this] { run(); }) {}

Load::~Load() { stop(); }

void Load::run() {
  for (uint64_t i = 0; !stopping_; ++i) {
    const std::string value = name_ + "-" + std::to_string(i);
    const auto sent = producer_->send(
        topic_, {.key = value, .value = value},
        [this, value](const Result<client::Delivery>& delivery) {
          if (!delivery) {
            ++failed_;
          } else {
            const std::lock_guard lock(mutex_);
            acknowledged_[{delivery->partition.value(), delivery->offset.value()}] = value;
          }
          ++outcomes_;
          outcomes_.notify_all();
        });
    // Nobody to send to any more.
    if (!sent) break;
  }
}

void Load::wait_for(size_t outcomes) {
  for (size_t now = outcomes_; now < outcomes; now = outcomes_) outcomes_.wait(now);
}

void Load::stop() {
  stopping_ = true;
  if (thread_.joinable()) thread_.join();
  // Records that the broker never answered fail here; they were not acknowledged.
  static_cast<void>(producer_->close(client::Milliseconds(5'000)));
}

Records Load::acknowledged() {
  const std::lock_guard lock(mutex_);
  return acknowledged_;
}

Records read_all(client::Client& client, const std::string& topic) {
  const auto ends = client.admin()->list_offsets(topic, {client::OffsetSpec::Kind::latest}).value();
  const auto consumer = client.consumer();
  EXPECT_TRUE(consumer->assign(topic));
  Records records;
  const auto at_end = [&] {
    return std::ranges::all_of(ends, [&](const client::PartitionOffset& end) {
      const auto position = consumer->position({topic, end.partition});
      return position && *position >= end.offset;
    });
  };
  while (!at_end()) {
    const auto polled = consumer->poll(10'000, client::Milliseconds(1'000));
    if (!polled) {
      ADD_FAILURE() << polled.error().message();
      break;
    }
    for (const client::ConsumedRecord& record : *polled) {
      records[{record.partition.value(), record.offset.value()}] = record.value.value_or("");
    }
  }
  return records;
}

}  // namespace sluice::cluster
