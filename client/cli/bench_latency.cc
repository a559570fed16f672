#include <atomic>
#include <chrono>
#include <memory>

#include "base/bytes.h"
#include "base/size_text.h"
#include "client/cli/bench.h"
#include "client/cli/commands.h"
#include "client/cli/range.h"
#include "client/cli/words.h"
#include "io/process.h"
#include "io/random.h"

namespace sluice::cli {
namespace {

constexpr size_t kRecordsAPoll = 1'000;
constexpr client::Milliseconds kPollTimeout{100};
/// How long records that were sent may still arrive.
constexpr Duration kPatience = 10s;

struct Flags {
  std::string topic;
  uint64_t rate = 1'000;
  size_t size = 1024;
  std::string duration = "10s";
  std::string warm_up = "1s";
  int64_t linger = 0;
  std::string acks = "1";
};

/// What stands at the front of each value: which run it belongs to, and when it was due. Records
/// of a run that are not to be counted (warming up) carry a time of 0.
struct Stamp {
  static constexpr size_t kSize = 16;
  uint64_t run = 0;
  int64_t due = 0;

  void write(std::string& value) const {
    auto* const at = reinterpret_cast<std::byte*>(value.data());
    store_be(at, run);
    store_be(at + 8, due);
  }
  static Stamp read(std::string_view value) {
    const std::byte* const at = as_bytes(value).data();
    return {load_be<uint64_t>(at), load_be<int64_t>(at + 8)};
  }
};

/// How the sending thread tells the reading one how far it is.
struct Run {
  uint64_t id = 0;
  Duration interval{0};
  uint64_t warm_up_records = 0;
  uint64_t records = 0;
  std::atomic<uint64_t> sent = 0;
  std::atomic<bool> sending = true;
};

Result<> send_all(const Clock& clock, client::Producer& producer, const Flags& flags, Run& run) {
  std::string value = sample_value(flags.size);
  const TimePoint start = clock.now();
  Result<> outcome;
  for (uint64_t i = 0; i < run.warm_up_records + run.records && !io::interrupted(); ++i) {
    const TimePoint due = start + run.interval * static_cast<int64_t>(i);
    if (clock.now() < due) io::block_until(due);
    const bool counted = i >= run.warm_up_records;
    Stamp{run.id, counted ? due.time_since_epoch().count() : 0}.write(value);
    outcome = producer.send(flags.topic, {.value = value});
    if (!outcome) break;
    run.sent += counted ? 1 : 0;
  }
  const Result<> flushed = producer.flush();
  run.sending = false;
  return outcome ? flushed : outcome;
}

Result<Latencies> receive_all(const Clock& clock, client::Consumer& consumer, const Run& run) {
  Latencies latencies;
  TimePoint give_up = clock.now() + kPatience;
  while (run.sending || (latencies.count() < run.sent && clock.now() < give_up)) {
    if (run.sending) give_up = clock.now() + kPatience;
    ASSIGN_OR_RETURN(const auto records, consumer.poll(kRecordsAPoll, kPollTimeout));
    const TimePoint now = clock.now();
    for (const client::ConsumedRecord& record : records) {
      if (!record.value || record.value->size() < Stamp::kSize) continue;
      const Stamp stamp = Stamp::read(*record.value);
      if (stamp.run != run.id || stamp.due == 0) continue;
      latencies.add(now - TimePoint(Duration(stamp.due)));
    }
  }
  return latencies;
}

/// A bare number counts seconds, as scripts give it.
std::string in_seconds(const std::string& text) {
  const bool bare = !text.empty() && text.find_first_not_of("0123456789.") == std::string::npos;
  return bare ? text + "s" : text;
}

Result<> prepare(const Flags& flags, Run& run) {
  if (flags.size < Stamp::kSize) {
    return fail(Errc::invalid_argument, "--size " + std::to_string(flags.size) +
                                            " leaves no room for the time; take " +
                                            std::to_string(Stamp::kSize) + " or more");
  }
  ASSIGN_OR_RETURN(const Duration duration, parse_duration(in_seconds(flags.duration)));
  ASSIGN_OR_RETURN(const Duration warm_up, parse_duration(in_seconds(flags.warm_up)));
  if (duration <= 0ns || warm_up < 0ns) {
    return fail(Errc::invalid_argument, "--duration must be above and --warm-up not below zero");
  }
  run.interval = Duration(1s) / static_cast<int64_t>(flags.rate);
  run.records = static_cast<uint64_t>(duration / run.interval);
  run.warm_up_records = static_cast<uint64_t>(warm_up / run.interval);
  run.id = io::SystemRandom().next();
  return {};
}

Result<client::ProducerOptions> options_of(const Shell& shell, const Flags& flags) {
  client::ProducerOptions options;
  options.idempotence = flags.acks == "all";
  ASSIGN_OR_RETURN(options, shell.producer_options(options));
  options.linger = client::Milliseconds(flags.linger);
  RETURN_IF_ERROR(client::set_property(options, "acks", flags.acks));
  return options;
}

Result<> bench(const Shell& shell, const Flags& flags) {
  Run run;
  RETURN_IF_ERROR(prepare(flags, run));
  ASSIGN_OR_RETURN(const auto producer_options, options_of(shell, flags));
  ASSIGN_OR_RETURN(const auto consumer_options, shell.consumer_options());
  // Two clients, as two programs would be.
  ASSIGN_OR_RETURN(const auto sending, shell.connect());
  ASSIGN_OR_RETURN(const auto receiving, shell.connect());
  const Bound end{.kind = Bound::Kind::end};
  ASSIGN_OR_RETURN(const auto ranges, resolve_ranges(*receiving->admin(), flags.topic, {}, end,
                                                     std::nullopt, shell.clock().wall_now()));
  std::vector<std::pair<client::Partition, client::SeekTarget>> ends;
  for (const PartitionRange& range : ranges) {
    ends.emplace_back(client::Partition{flags.topic, range.partition}, range.start);
  }
  const auto producer = sending->producer(producer_options);
  const auto consumer = receiving->consumer(consumer_options);
  RETURN_IF_ERROR(consumer->assign(ends));

  Result<> sent;
  Result<Latencies> received;
  const Stopwatch watch(shell.clock());
  io::run_on_threads(2, [&](size_t index) {
    if (index == 0) sent = send_all(shell.clock(), *producer, flags, run);
    if (index == 1) received = receive_all(shell.clock(), *consumer, run);
  });
  RETURN_IF_ERROR(sent);
  RETURN_IF_ERROR(received);
  if (received->count() < run.sent && !io::interrupted()) {
    return fail(Errc::timed_out, format_count(run.sent - received->count()) + " of " +
                                     counted(run.sent, "record") + " did not arrive within " +
                                     format_duration(kPatience));
  }
  Measurement measurement{.topic = flags.topic,
                          .records = received->count(),
                          .bytes = received->count() * flags.size,
                          .latencies = *received,
                          .latency_of = "from when it was due to when it was polled"};
  watch.stop(measurement);
  measurement.seconds -= std::chrono::duration<double>(run.interval).count() *
                         static_cast<double>(run.warm_up_records);
  return print_measurement(shell, measurement);
}

}  // namespace

void add_bench_latency(CLI::App& parent, Shell& shell) {
  CLI::App& command =
      *parent.add_subcommand("latency", "Measures the time from producer to consumer");
  const auto flags = std::make_shared<Flags>();
  command.add_option("topic", flags->topic, "An existing topic; the records stay in it")
      ->required();
  command.add_option("--rate", flags->rate, "Records a second")->check(CLI::Range(1, 10'000'000));
  command.add_option("--size", flags->size, "Bytes of a value");
  command.add_option("--duration", flags->duration,
                     "How long to measure: seconds, or a time with its unit");
  command.add_option("--warm-up", flags->warm_up, "How long to send before that");
  command.add_option("--linger", flags->linger, "linger.ms")->check(CLI::NonNegativeNumber);
  command.add_option("--acks", flags->acks, "0, 1 or all");
  command.footer(
      "Open loop: a record counts from when it was due, also when the sender was held up.\n"
      "Examples:\n"
      "  sluice bench latency words --rate 10000 --size 1024 --duration 10s -o json\n"
      "  sluice bench latency words --rate 100 --duration 30s --acks all");
  command.callback([&shell, flags] {
    shell.choose("bench latency " + flags->topic, [&shell, flags] { return bench(shell, *flags); });
  });
}

}  // namespace sluice::cli
