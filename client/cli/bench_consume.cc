#include <atomic>
#include <map>
#include <memory>
#include <vector>

#include "client/cli/bench.h"
#include "client/cli/commands.h"
#include "client/cli/range.h"
#include "io/process.h"

namespace sluice::cli {
namespace {

constexpr size_t kRecordsAPoll = 10'000;
constexpr client::Milliseconds kPollTimeout{100};

struct Flags {
  std::string topic;
  uint64_t records = 0;
  size_t consumers = 1;
};

/// One of the consumers: a client, thread and connections of its own, and some of the partitions.
class Reader {
 public:
  Reader(const Clock& clock, std::string topic, std::unique_ptr<client::Client> client,
         const client::ConsumerOptions& options)
      : clock_(clock),
        topic_(std::move(topic)),
        client_(std::move(client)),
        consumer_(client_->consumer(options)) {}

  void add(const PartitionRange& range) {
    partitions_.emplace_back(client::Partition{topic_, range.partition}, range.start);
    if (range.start < range.stop) stops_[range.partition] = range.stop;
  }

  /// Reads to the stops or, when `wanted` is not 0, until all readers together have so many.
  void run(uint64_t wanted, std::atomic<uint64_t>& so_far) {
    outcome_ = consumer_->assign(partitions_);
    while (outcome_ && !io::interrupted()) {
      if (wanted != 0 ? so_far.load() >= wanted : stops_.empty()) return;
      const TimePoint before = clock_.now();
      const auto records = consumer_->poll(kRecordsAPoll, kPollTimeout);
      if (!records) {
        outcome_ = fail(records.error());
        return;
      }
      if (!records->empty()) latencies_.add(clock_.now() - before);
      take(*records);
      so_far += records->size();
    }
  }

  /// The rest is for after run().
  const Result<>& outcome() const { return outcome_; }
  const Latencies& latencies() const { return latencies_; }
  uint64_t records() const { return records_; }
  uint64_t bytes() const { return bytes_; }

 private:
  void take(std::span<const client::ConsumedRecord> records) {
    for (const client::ConsumedRecord& record : records) {
      bytes_ += (record.key ? record.key->size() : 0) + (record.value ? record.value->size() : 0);
    }
    records_ += records.size();
    std::erase_if(stops_, [&](const auto& stop) {
      const auto position = consumer_->position({topic_, stop.first});
      return position && *position >= stop.second;
    });
  }

  const Clock& clock_;
  const std::string topic_;
  const std::unique_ptr<client::Client> client_;
  const std::unique_ptr<client::Consumer> consumer_;
  std::vector<std::pair<client::Partition, client::SeekTarget>> partitions_;
  std::map<PartitionId, Offset> stops_;
  Result<> outcome_;
  Latencies latencies_;
  uint64_t records_ = 0;
  uint64_t bytes_ = 0;
};

Result<> bench(const Shell& shell, const Flags& flags) {
  ASSIGN_OR_RETURN(const auto options, shell.consumer_options());
  ASSIGN_OR_RETURN(const auto client, shell.connect());
  const auto admin = client->admin();
  const Bound beginning{.kind = Bound::Kind::beginning};
  const Bound end{.kind = Bound::Kind::end};
  ASSIGN_OR_RETURN(const auto ranges, resolve_ranges(*admin, flags.topic, {}, beginning, end,
                                                     shell.clock().wall_now()));
  std::vector<std::unique_ptr<Reader>> readers;
  for (size_t i = 0; i < std::min(flags.consumers, ranges.size()); ++i) {
    ASSIGN_OR_RETURN(auto own, shell.connect());
    readers.push_back(
        std::make_unique<Reader>(shell.clock(), flags.topic, std::move(own), options));
  }
  for (size_t i = 0; i < ranges.size(); ++i) readers[i % readers.size()]->add(ranges[i]);

  std::atomic<uint64_t> so_far = 0;
  const Stopwatch watch(shell.clock());
  io::run_on_threads(readers.size(),
                     [&](size_t index) { readers[index]->run(flags.records, so_far); });
  Measurement measurement{.topic = flags.topic, .latency_of = "of a poll that brought records"};
  watch.stop(measurement);
  for (const auto& reader : readers) {
    if (!reader->outcome()) return fail(reader->outcome().error());
    measurement.records += reader->records();
    measurement.bytes += reader->bytes();
    measurement.latencies.add(reader->latencies());
  }
  return print_measurement(shell, measurement);
}

}  // namespace

void add_bench_consume(CLI::App& parent, Shell& shell) {
  CLI::App& command = *parent.add_subcommand("consume", "Measures how fast records are read");
  const auto flags = std::make_shared<Flags>();
  command.add_option("topic", flags->topic, "Read from its beginning")->required();
  command.add_option("--records", flags->records,
                     "Stops after so many, waiting for them; else at the end as it is now");
  command.add_option("--consumers", flags->consumers, "Share the partitions among them")
      ->check(CLI::Range(1, 1024));
  command.footer(
      "Latency is of a poll of up to 10,000 records.\n"
      "Examples:\n"
      "  sluice bench consume words\n"
      "  sluice bench consume words --records 1000000 -o json\n"
      "  sluice bench consume words --consumers 2 -X fetch.max.bytes=16777216");
  command.callback([&shell, flags] {
    shell.choose("bench consume " + flags->topic, [&shell, flags] { return bench(shell, *flags); });
  });
}

}  // namespace sluice::cli
