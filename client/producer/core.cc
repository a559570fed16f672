#include "client/producer/core.h"

#include <algorithm>
#include <utility>

namespace sluice::client {

/// Fails what is left when a close takes longer than it may.
class ProducerCore::CloseTimer final : public io::Timer {
 public:
  explicit CloseTimer(ProducerCore& core) : core_(core) {}
  void fire() override {
    core_.stop_senders(Error(Errc::timed_out, "the producer was closed before it was delivered"));
  }

 private:
  ProducerCore& core_;
};

ProducerCore::ProducerCore(Cluster& cluster, ProducerOptions options)
    : cluster_(cluster),
      options_(options),
      pool_(options_.buffer_memory, options_.batch_size),
      accumulator_(
          cluster.runtime().clock, pool_,
          {.batch_size = options_.batch_size, .delivery_timeout = options_.delivery_timeout}),
      identity_(cluster) {}

ProducerCore::~ProducerCore() { CHECK(closed_, "a producer is closed before it dies"); }

Result<bool> ProducerCore::try_send(std::string_view topic, const OutgoingRecord& record,
                                    DeliveryCallback* done) {
  if (closed_.load(std::memory_order_relaxed)) {
    return fail(Errc::shutting_down, "the producer is closed");
  }
  ASSIGN_OR_RETURN(const auto attempt, accumulator_.append(topic, record, done, nullptr));
  return attempt.outcome == Accumulator::Outcome::appended;
}

io::Task<Result<>> ProducerCore::send(std::string topic, OutgoingRecord record,
                                      DeliveryCallback* done) {
  const TimePoint deadline = cluster_.loop().now() + options_.max_block;
  PooledBytes spare;
  while (true) {
    if (closed_) co_return fail(Errc::shutting_down, "the producer is closed");
    auto attempt = accumulator_.append(topic, record, done, &spare);
    if (!attempt) co_return fail(std::move(attempt).error());
    switch (attempt->outcome) {
      case Accumulator::Outcome::appended:
        co_return Result<>{};
      case Accumulator::Outcome::needs_topic: {
        auto learnt = co_await learn(topic);
        for (uint32_t attempts = 1; !learnt; ++attempts) {
          const bool may_pass =
              learnt.error().retriable() && learnt.error() != Errc::unknown_topic_or_partition;
          const TimePoint next = cluster_.loop().now() + cluster_.backoff(attempts);
          if (!may_pass || next >= deadline) co_return learnt;
          co_await io::sleep_until(next);
          learnt = co_await learn(topic);
        }
        break;
      }
      case Accumulator::Outcome::needs_memory: {
        auto memory = co_await pool_.take(attempt->bytes, deadline);
        if (!memory) co_return fail(std::move(memory).error());
        spare = std::move(*memory);
        break;
      }
    }
  }
}

io::Task<Result<>> ProducerCore::learn(const std::string& topic) {
  auto metadata = co_await cluster_.topic(topic, false);
  if (!metadata) co_return fail(std::move(metadata).error());
  if ((*metadata)->leaders.empty()) {
    co_return fail(Errc::not_leader, "topic " + topic + " has no partitions yet");
  }
  for (PartitionQueue* queue : accumulator_.learn(**metadata)) {
    senders_.push_back(std::make_unique<PartitionSender>(
        SenderPorts{cluster_, accumulator_, counters_, identity_, options_}, topic, *queue));
    scope_.start(senders_.back()->run());
  }
  co_return Result<>{};
}

io::Task<void> ProducerCore::wait_for(std::vector<Accumulator::FlushPoint> points) {
  for (const auto& point : points) {
    while (true) {
      const uint64_t ticket = accumulator_.finished().ticket();
      if (accumulator_.reached(point)) break;
      co_await accumulator_.finished().wait(ticket);
    }
  }
  accumulator_.end_flush();
}

io::Task<Result<>> ProducerCore::flush() {
  co_await wait_for(accumulator_.flush());
  const std::lock_guard lock(counters_.mutex);
  if (auto failure = std::exchange(counters_.first_failure, std::nullopt)) {
    co_return fail(std::move(*failure));
  }
  co_return Result<>{};
}

void ProducerCore::stop_senders(const Error& why) {
  for (auto& sender : senders_) sender->stop(why);
}

io::Task<Result<>> ProducerCore::close(Duration limit) {
  if (closed_.exchange(true)) co_return Result<>{};
  CloseTimer timer(*this);
  cluster_.loop().arm(timer, cluster_.loop().now() + limit);
  auto flushed = co_await flush();
  cluster_.loop().disarm(timer);
  stop_senders(Error(Errc::shutting_down, "the producer is closed"));
  co_await scope_.join();
  co_return flushed;
}

ProducerMetrics ProducerCore::metrics() const {
  ProducerMetrics metrics;
  metrics.records_acked = counters_.records_acked.load(std::memory_order_relaxed);
  metrics.records_failed = counters_.records_failed.load(std::memory_order_relaxed);
  metrics.records_sent = metrics.records_acked + metrics.records_failed;
  metrics.bytes_sent = counters_.bytes_sent.load(std::memory_order_relaxed);
  metrics.batches_sent = counters_.batches_sent.load(std::memory_order_relaxed);
  metrics.retries = counters_.retries.load(std::memory_order_relaxed);
  metrics.buffer_used = pool_.used();
  metrics.buffer_total = pool_.total();
  metrics.waiters = pool_.waiters();
  return metrics;
}

}  // namespace sluice::client
