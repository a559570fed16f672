#include <chrono>
#include <memory>
#include <vector>

#include "client/cli/bench.h"
#include "client/cli/commands.h"
#include "io/process.h"

namespace sluice::cli {
namespace {

/// Without a rate only some records are timed: a callback costs as much as a small record.
constexpr uint64_t kTimedOneOf = 128;
constexpr uint64_t kRecordsBetweenLooks = 1024;

struct Flags {
  std::string topic;
  uint64_t records = 1'000'000;
  size_t size = 100;
  size_t batch = 0;
  int64_t linger = -1;
  std::string acks;
  std::string compression;
  size_t producers = 1;
  uint64_t rate = 0;
};

Result<client::ProducerOptions> options_of(const Shell& shell, const Flags& flags) {
  client::ProducerOptions options;
  if (!flags.acks.empty() && flags.acks != "all") options.idempotence = false;
  ASSIGN_OR_RETURN(options, shell.producer_options(options));
  if (flags.batch != 0) options.batch_size = flags.batch;
  if (flags.linger >= 0) options.linger = client::Milliseconds(flags.linger);
  if (!flags.acks.empty()) {
    RETURN_IF_ERROR(client::set_property(options, "acks", flags.acks));
  }
  if (!flags.compression.empty()) {
    RETURN_IF_ERROR(client::set_property(options, "compression.type", flags.compression));
  }
  return options;
}

/// One of the producers: a client, thread and connections of its own.
class Sender {
 public:
  Sender(const Shell& shell, const Flags& flags, std::unique_ptr<client::Client> client,
         const client::ProducerOptions& options)
      : clock_(shell.clock()),
        flags_(flags),
        client_(std::move(client)),
        producer_(client_->producer(options)) {}

  /// Sends `records` records, `interval` apart when that is not zero, and waits for their outcome.
  void run(uint64_t records, Duration interval) {
    const std::string value = sample_value(flags_.size);
    const TimePoint start = clock_.now();
    for (uint64_t i = 0; i < records && outcome_; ++i) {
      if (i % kRecordsBetweenLooks == 0 && io::interrupted()) break;
      const bool timed = interval > 0ns || i % kTimedOneOf == 0;
      if (!timed) {
        outcome_ = producer_->send(flags_.topic, {.value = value});
        continue;
      }
      // Open loop: a record counts from when it was due, not from when we came round to it.
      const TimePoint due =
          interval > 0ns ? start + interval * static_cast<int64_t>(i) : clock_.now();
      if (interval > 0ns && clock_.now() < due) io::block_until(due);
      outcome_ = producer_->send(
          flags_.topic, {.value = value},
          [this, due](const Result<client::Delivery>& delivery) { note(delivery, due); });
    }
    const Result<> closed = producer_->close(client::Milliseconds(120'000));
    if (outcome_ && !closed) outcome_ = closed;
  }

  /// The rest is for after run().
  const Result<>& outcome() const {
    return outcome_ && !timed_.outcome ? timed_.outcome : outcome_;
  }
  const Latencies& latencies() const { return timed_.latencies; }
  uint64_t acknowledged() const { return producer_->metrics().records_acked; }

 private:
  /// On the client's thread.
  void note(const Result<client::Delivery>& delivery, TimePoint due) {
    if (delivery) {
      timed_.latencies.add(clock_.now() - due);
    } else if (timed_.outcome) {
      timed_.outcome = fail(delivery.error());
    }
  }

  struct Timed {
    Latencies latencies;
    Result<> outcome;
  };

  const Clock& clock_;
  const Flags& flags_;
  const std::unique_ptr<client::Client> client_;
  const std::unique_ptr<client::Producer> producer_;
  Result<> outcome_;
  Timed timed_;
};

Result<> bench(const Shell& shell, const Flags& flags) {
  ASSIGN_OR_RETURN(const auto options, options_of(shell, flags));
  std::vector<std::unique_ptr<Sender>> senders;
  for (size_t i = 0; i < flags.producers; ++i) {
    ASSIGN_OR_RETURN(auto client, shell.connect());
    // Finds a missing topic before the clock runs, and opens the connection.
    RETURN_IF_ERROR(client->admin()->describe_topic(flags.topic));
    senders.push_back(std::make_unique<Sender>(shell, flags, std::move(client), options));
  }
  const Duration interval = flags.rate == 0 ? 0ns
                                            : Duration(1s) * static_cast<int64_t>(flags.producers) /
                                                  static_cast<int64_t>(flags.rate);
  const Stopwatch watch(shell.clock());
  io::run_on_threads(senders.size(), [&](size_t index) {
    const uint64_t share = flags.records / senders.size();
    senders[index]->run(share + (index < flags.records % senders.size() ? 1 : 0), interval);
  });
  Measurement measurement{.topic = flags.topic, .latency_of = "from send to acknowledgement"};
  watch.stop(measurement);
  for (const auto& sender : senders) {
    if (!sender->outcome()) return fail(sender->outcome().error());
    measurement.records += sender->acknowledged();
    measurement.latencies.add(sender->latencies());
  }
  measurement.bytes = measurement.records * flags.size;
  return print_measurement(shell, measurement);
}

}  // namespace

void add_bench_produce(CLI::App& parent, Shell& shell) {
  CLI::App& command = *parent.add_subcommand("produce", "Measures how fast records are taken");
  const auto flags = std::make_shared<Flags>();
  command.add_option("topic", flags->topic, "An existing topic; the records stay in it")
      ->required();
  command.add_option("--records", flags->records, "In all")->check(CLI::PositiveNumber);
  command.add_option("--size", flags->size, "Bytes of a value");
  command.add_option("--batch", flags->batch, "batch.size in bytes")->check(CLI::PositiveNumber);
  command.add_option("--linger", flags->linger, "linger.ms")->check(CLI::NonNegativeNumber);
  command.add_option("--acks", flags->acks, "0, 1 or all");
  command.add_option("-z,--compression", flags->compression, "none, gzip, snappy, lz4 or zstd");
  command.add_option("--producers", flags->producers, "Each with connections of its own")
      ->check(CLI::Range(1, 1024));
  command.add_option("--rate", flags->rate, "Records a second in all; else as fast as it goes");
  command.footer(
      "Latency is of every 128th record without --rate, else of all, counted from when the record\n"
      "was due.\n"
      "Examples:\n"
      "  sluice bench produce words --records 10000000 --size 100 -o json\n"
      "  sluice bench produce words --records 1000000 --size 1024 --producers 8 --acks all\n"
      "  sluice bench produce words --records 100000 --size 256 --rate 10000 --linger 0");
  command.callback([&shell, flags] {
    shell.choose("bench produce " + flags->topic, [&shell, flags] { return bench(shell, *flags); });
  });
}

}  // namespace sluice::cli
