#include "client/producer/core.h"

#include <algorithm>
#include <utility>

namespace sluice::client {
namespace {

/// How many of a producer's last batches a broker knows again (KIP-98).
constexpr size_t kRemembered = 5;

ProducerOptions checked(ProducerOptions options) {
  // Nobody can tell whether a batch that is not answered was refused for its sequence.
  if (options.acks == Acks::none) options.idempotence = false;
  const size_t most = options.idempotence ? kRemembered : SIZE_MAX;
  options.max_in_flight = std::clamp<size_t>(options.max_in_flight, 1, most);
  options.batch_size = std::min(options.batch_size, options.buffer_memory);
  return options;
}

}  // namespace

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
      options_(checked(options)),
      pool_(options_.buffer_memory, options_.batch_size),
      accumulator_(cluster.runtime(), pool_,
                   {.batch_size = options_.batch_size,
                    .delivery_timeout = options_.delivery_timeout,
                    .compressed = options_.compression != Compression::none}),
      identity_(cluster) {}

ProducerCore::~ProducerCore() { CHECK(closed_, "a producer is closed before it dies"); }

Result<bool> ProducerCore::try_send(std::string_view topic, const OutgoingRecord& record,
                                    DeliveryCallback* done) {
  ASSIGN_OR_RETURN(const auto attempt, accumulator_.append(topic, record, done, nullptr));
  return attempt.outcome == Accumulator::Outcome::appended;
}

io::Task<Result<>> ProducerCore::send(std::string topic, OutgoingRecord record,
                                      DeliveryCallback* done) {
  const TimePoint deadline = cluster_.loop().now() + options_.max_block;
  PooledBytes spare;
  while (true) {
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
        // A batch that lingers must not hold the memory that somebody waits for.
        accumulator_.press();
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
  if (closed_) co_return fail(Errc::shutting_down, "the producer is closed");
  if (std::ranges::find(topics_, topic) == topics_.end()) {
    if (topics_.empty()) scope_.start(refresh());
    topics_.push_back(topic);
  }
  for (PartitionQueue* queue : accumulator_.learn(**metadata)) {
    senders_.push_back(std::make_unique<PartitionSender>(
        SenderPorts{cluster_, accumulator_, counters_, identity_, options_}, topic, *queue));
    scope_.start(senders_.back()->run());
  }
  co_return Result<>{};
}

/// Asks for the topics from time to time: they may have got more partitions.
io::Task<void> ProducerCore::refresh() {
  while (!closed_) {
    const uint64_t ticket = closing_.ticket();
    const TimePoint next = cluster_.loop().now() + cluster_.options().metadata_max_age;
    if (co_await closing_.wait(ticket, next)) break;
    for (size_t i = 0; i < topics_.size() && !closed_; ++i) {
      // What cannot be learnt now is asked for again the next time.
      const std::string topic = topics_[i];
      static_cast<void>(co_await learn(topic));
    }
  }
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
  accumulator_.close();
  closing_.notify_all();
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
  metrics.records_sent = accumulator_.records();
  metrics.bytes_sent = counters_.bytes_sent.load(std::memory_order_relaxed);
  metrics.batches_sent = counters_.batches_sent.load(std::memory_order_relaxed);
  metrics.retries = counters_.retries.load(std::memory_order_relaxed);
  metrics.buffer_used = pool_.used();
  metrics.buffer_total = pool_.total();
  metrics.waiters = pool_.waiters();
  return metrics;
}

}  // namespace sluice::client
