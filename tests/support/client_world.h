#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "client/cluster.h"
#include "client/consumer/core.h"
#include "client/producer/core.h"
#include "proto/record/builder.h"
#include "tests/sim/simulator.h"
#include "tests/support/fake_broker.h"

namespace sluice::client {

/// A client's loop and a fake broker in a simulation. A producer and a consumer are made on first
/// use, so that a test may change their options before.
class ClientWorld : public testing::Test {
 protected:
  ClientWorld() {
    options.brokers = {"broker:9092"};
    options.retry_backoff = Milliseconds(10);
    EXPECT_TRUE(sim.run_on(broker_loop(), broker.start()));
  }
  void TearDown() override {
    if (consumer_) sim.run_on(loop(), consumer_->close());
    if (producer_) static_cast<void>(close(Milliseconds(0)));
    consumer_.reset();
    producer_.reset();
    if (cluster_) sim.run_on(loop(), cluster_->shut_down());
    cluster_.reset();
    sim.run_on(broker_loop(), broker.stop());
  }

  io::Loop& loop() { return app.runtime().executor.worker(0); }
  io::Loop& broker_loop() { return node.runtime().executor.worker(0); }

  Cluster& cluster() {
    if (!cluster_) cluster_ = std::make_unique<Cluster>(app.runtime(), loop(), options);
    return *cluster_;
  }
  ProducerCore& producer() {
    if (!producer_) producer_ = std::make_unique<ProducerCore>(cluster(), producing);
    return *producer_;
  }
  ConsumerCore& consumer() {
    if (!consumer_) consumer_ = std::make_unique<ConsumerCore>(cluster(), consuming);
    return *consumer_;
  }

  /// Sends to "t", waiting as a user would; what happens to the record goes to outcomes[value].
  Result<> send(std::string value, std::optional<PartitionId> partition = PartitionId(0)) {
    DeliveryCallback done = [this, value](const Result<Delivery>& delivery) {
      order.push_back(value);
      outcomes.insert_or_assign(value, delivery);
    };
    return sim.run_on(loop(),
                      producer().send("t", {.value = value, .partition = partition}, &done));
  }
  Result<> flush() { return sim.run_on(loop(), producer().flush()); }
  Result<> close(Duration limit) { return sim.run_on(loop(), producer().close(limit)); }
  bool delivered(const std::string& value) const {
    return outcomes.contains(value) && outcomes.at(value).has_value();
  }

  /// Fills a partition of "t" with batches of `per_batch` records, whose values are their offsets.
  void fill(size_t partition, int batches, int per_batch, size_t value_size = 0) {
    for (int i = 0; i < batches; ++i) {
      std::vector<std::byte> bytes;
      record::BatchBuilder builder(record::Growing{bytes});
      for (int j = 0; j < per_batch; ++j) {
        auto value = std::to_string(i * per_batch + j);
        if (value.size() < value_size) value.resize(value_size, ' ');
        EXPECT_TRUE(builder.append(std::nullopt, as_bytes(value), {}, Timestamp(1000 + i)));
      }
      broker.append("t", partition, builder.finish({}));
    }
  }
  Result<> assign(SeekTarget from = SeekBeginning{}) {
    return sim.run_on(loop(), consumer().assign("t", from));
  }
  /// "partition:value" of each record of one poll.
  Result<std::vector<std::string>> poll(size_t max, Milliseconds timeout = Milliseconds(5000)) {
    auto records = sim.run_on(loop(), consumer().poll(max, timeout));
    if (!records) return fail(std::move(records).error());
    std::vector<std::string> out;
    for (const auto& record : *records) {
      const std::string_view value = record.value.value_or("null");
      out.push_back(std::to_string(record.partition.value()) + ":" +
                    std::string(value.substr(0, value.find(' '))));
    }
    return out;
  }

  sim::Simulator sim{11};
  sim::SimNode& node = sim.add_node("broker");
  sim::SimNode& app = sim.add_node("app");
  FakeBroker broker{node.runtime(), "broker"};
  ClientOptions options;
  ProducerOptions producing;
  ConsumerOptions consuming;
  std::map<std::string, Result<Delivery>> outcomes;
  std::vector<std::string> order;

 private:
  std::unique_ptr<Cluster> cluster_;
  std::unique_ptr<ProducerCore> producer_;
  std::unique_ptr<ConsumerCore> consumer_;
};

}  // namespace sluice::client
