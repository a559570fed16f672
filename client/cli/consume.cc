#include <algorithm>
#include <functional>
#include <memory>
#include <optional>

#include "client/cli/bound.h"
#include "client/cli/commands.h"
#include "client/cli/progress.h"
#include "client/cli/range.h"
#include "client/cli/record_format.h"
#include "client/cli/record_json.h"
#include "io/console.h"
#include "io/process.h"

namespace sluice::cli {
namespace {

constexpr size_t kWriteSize = 256_KiB;
constexpr size_t kRecordsAPoll = 10'000;
/// How long an interrupt or the end of a time range may go unnoticed.
constexpr client::Milliseconds kPollTimeout{100};

struct Flags {
  std::string topic;
  std::vector<int32_t> partitions;
  std::string from = "beginning";
  std::string until;
  uint64_t count = 0;
  std::string format;
  std::string group;
};

using Printer = std::function<void(std::string& out, const client::ConsumedRecord& record)>;

Result<Printer> printer_of(const Shell& shell, const Flags& flags) {
  const bool structured =
      shell.format() == OutputFormat::json || shell.format() == OutputFormat::yaml;
  if (structured && !flags.format.empty()) {
    return fail(Errc::invalid_argument, "-f and -o json exclude each other; take one");
  }
  if (shell.format() == OutputFormat::name) {
    return fail(Errc::invalid_argument, "records have no names; take -f FORMAT or -o json");
  }
  if (shell.format() == OutputFormat::json) {
    return [](std::string& out, const client::ConsumedRecord& record) {
      append_record_json(out, record);
      out += '\n';
    };
  }
  if (shell.format() == OutputFormat::yaml) {
    return [](std::string& out, const client::ConsumedRecord& record) {
      std::string json;
      append_record_json(json, record);
      out += "---\n" + render({.document = Json::parse(json)}, {.format = OutputFormat::yaml});
    };
  }
  const bool wide = shell.format() == OutputFormat::wide;
  const std::string usual = wide ? R"(%p\t%o\t%T\t%k\t%s\n)" : R"(%s\n)";
  ASSIGN_OR_RETURN(auto format, RecordFormat::parse(flags.format.empty() ? usual : flags.format));
  return [format = std::move(format)](std::string& out, const client::ConsumedRecord& record) {
    format.append(out, record);
  };
}

/// The partitions that are being read, and where each of them ends.
class Ends {
 public:
  Ends(client::Consumer& consumer, std::string topic)
      : consumer_(consumer), topic_(std::move(topic)) {}

  void set(const std::vector<PartitionRange>& ranges) {
    reading_ = 0;
    for (const PartitionRange& range : ranges) {
      const auto id = static_cast<size_t>(range.partition.value());
      if (id >= stops_.size()) stops_.resize(id + 1, Offset(0));
      stops_[id] = range.stop;
      ++reading_;
    }
    for (const PartitionRange& range : ranges) {
      if (range.start >= range.stop) finish(range.partition);
    }
  }

  bool all_reached() const { return reading_ == 0; }
  bool is_wanted(const client::ConsumedRecord& record) const {
    return record.offset < stop_of(record.partition);
  }
  /// After the last record of a poll of that partition, and when nothing came.
  void check(PartitionId partition, Offset next) {
    if (next >= stop_of(partition)) finish(partition);
  }
  /// Records that compaction or a transaction took away are passed without a record to see.
  void check_positions() {
    for (const client::Partition& partition : consumer_.assignment()) {
      const auto position = consumer_.position(partition);
      if (position) check(partition.id, *position);
    }
  }

 private:
  Offset stop_of(PartitionId partition) const {
    return stops_[static_cast<size_t>(partition.value())];
  }
  void finish(PartitionId partition) {
    Offset& stop = stops_[static_cast<size_t>(partition.value())];
    if (stop == kFinished) return;
    stop = kFinished;
    consumer_.pause({topic_, partition});
    --reading_;
  }

  static constexpr Offset kFinished{-1};
  client::Consumer& consumer_;
  const std::string topic_;
  std::vector<Offset> stops_;
  size_t reading_ = 0;
};

class Consumption {
 public:
  Consumption(const Shell& shell, const Flags& flags, Printer printer, client::Consumer& consumer,
              client::Admin& admin, bool goes_on)
      : shell_(shell),
        flags_(flags),
        printer_(std::move(printer)),
        consumer_(consumer),
        admin_(admin),
        ends_(consumer, flags.topic),
        goes_on_(goes_on) {
    out_.reserve(2 * kWriteSize);
  }

  Result<> run() {
    RETURN_IF_ERROR(assign());
    Progress progress(shell_);
    while (!ends_.all_reached() && !is_full() && !io::interrupted()) {
      // As with `| head`: nothing may come for long that would fail to be written.
      if (io::reader_is_gone(io::StandardStream::out)) return {};
      const uint64_t missing = flags_.count == 0 ? UINT64_MAX : flags_.count - records_;
      const size_t most = std::min<uint64_t>(kRecordsAPoll, missing);
      ASSIGN_OR_RETURN(const auto records, poll(most));
      RETURN_IF_ERROR(print(records));
      if (records.size() < most) {
        // The next poll may wait: what is here must be seen now.
        RETURN_IF_ERROR(write());
        ends_.check_positions();
      }
      RETURN_IF_ERROR(end_with_time());
      progress.update(records_, bytes_);
    }
    return write();
  }

 private:
  bool is_full() const { return flags_.count != 0 && records_ >= flags_.count; }

  Result<> assign() {
    const Timestamp now = shell_.clock().wall_now();
    ASSIGN_OR_RETURN(from_, parse_bound(flags_.from, now));
    if (!flags_.until.empty()) {
      ASSIGN_OR_RETURN(until_, parse_bound(flags_.until, now));
    }
    ASSIGN_OR_RETURN(const auto ranges,
                     resolve_ranges(admin_, flags_.topic, flags_.partitions, from_, until_, now));
    std::vector<std::pair<client::Partition, client::SeekTarget>> partitions;
    for (const PartitionRange& range : ranges) {
      partitions.emplace_back(client::Partition{flags_.topic, range.partition}, range.start);
    }
    RETURN_IF_ERROR(consumer_.assign(partitions));
    ends_.set(ranges);
    waits_for_time_ = until_ && until_->kind == Bound::Kind::time && until_->time > now;
    return {};
  }

  /// A time to stop at that lay in the future becomes offsets once it has passed.
  Result<> end_with_time() {
    const Timestamp now = shell_.clock().wall_now();
    if (!waits_for_time_ || now < until_->time) return {};
    waits_for_time_ = false;
    ASSIGN_OR_RETURN(const auto ranges,
                     resolve_ranges(admin_, flags_.topic, flags_.partitions, from_, until_, now));
    ends_.set(ranges);
    ends_.check_positions();
    return {};
  }

  /// What was printed and is gone does not end the reading: the next poll goes on.
  Result<std::span<const client::ConsumedRecord>> poll(size_t most) {
    auto records = consumer_.poll(most, kPollTimeout);
    if (records || records.error() != Errc::log_truncated || !goes_on_) return records;
    RETURN_IF_ERROR(write());
    shell_.warn("consume " + std::string(records.error().message()));
    return std::span<const client::ConsumedRecord>{};
  }

  Result<> print(std::span<const client::ConsumedRecord> records) {
    for (const client::ConsumedRecord& record : records) {
      if (!ends_.is_wanted(record)) continue;
      printer_(out_, record);
      ++records_;
      bytes_ += record.value ? record.value->size() : 0;
      ends_.check(record.partition, record.offset + 1);
      if (out_.size() >= kWriteSize) RETURN_IF_ERROR(write());
    }
    return {};
  }

  Result<> write() {
    const auto written = shell_.write(out_);
    out_.clear();
    return written;
  }

  const Shell& shell_;
  const Flags& flags_;
  const Printer printer_;
  client::Consumer& consumer_;
  client::Admin& admin_;
  Ends ends_;
  /// Also behind a log that was cut.
  const bool goes_on_;
  Bound from_;
  std::optional<Bound> until_;
  bool waits_for_time_ = false;
  std::string out_;
  uint64_t records_ = 0;
  uint64_t bytes_ = 0;
};

Result<> consume(const Shell& shell, const Flags& flags) {
  if (!flags.group.empty()) {
    return fail(Errc::unsupported,
                "group " + flags.group +
                    ": this version has no consumer groups; leave out -g, or say where to begin "
                    "with --from");
  }
  ASSIGN_OR_RETURN(auto printer, printer_of(shell, flags));
  ASSIGN_OR_RETURN(const auto options, shell.consumer_options());
  ASSIGN_OR_RETURN(const auto client, shell.connect());
  const auto consumer = client->consumer(options);
  const auto admin = client->admin();
  const bool goes_on = options.on_truncation != client::OnTruncation::fail;
  return Consumption(shell, flags, std::move(printer), *consumer, *admin, goes_on).run();
}

}  // namespace

void add_consume(CLI::App& parent, Shell& shell) {
  CLI::App& command = *parent.add_subcommand("consume", "Prints the records of a topic");
  const auto flags = std::make_shared<Flags>();
  command.add_option("topic", flags->topic, "What to read")->required();
  command.add_option("-p,--partition", flags->partitions, "Only this partition; repeatable")
      ->expected(1)
      ->take_all()
      ->check(CLI::NonNegativeNumber);
  command.add_option("--from", flags->from,
                     "beginning (default), end, an OFFSET, -N (N before the end) or a TIME");
  command.add_option("--until", flags->until,
                     "end (as it is now), an OFFSET or a TIME; else it goes on for ever");
  command.add_option("-n,--count", flags->count, "Stops after so many records")
      ->check(CLI::PositiveNumber);
  command.add_option("-f,--format", flags->format,
                     "%t topic %p partition %o offset %k key %s value %T timestamp %h headers "
                     "%K %S sizes; \\n \\t \\xHH");
  command.add_option("-g,--group", flags->group,
                     "Shares the partitions with the members of this group; not in this version");
  command.footer(
      "A TIME is 2026-11-21T07:00:00Z, 1763708400000, now-1h or -15m.\n"
      "Examples:\n"
      "  sluice consume words --from beginning --until end -f '%p %o %s\\n'\n"
      "  sluice consume orders --from -15m -o json\n"
      "  sluice consume orders -p 0 --from -10 -n 10");
  command.callback([&shell, flags] {
    shell.choose("consume " + flags->topic, [&shell, flags] { return consume(shell, *flags); });
  });
}

}  // namespace sluice::cli
