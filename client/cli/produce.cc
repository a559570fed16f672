#include <chrono>
#include <memory>
#include <optional>

#include "base/size_text.h"
#include "client/cli/commands.h"
#include "client/cli/line_reader.h"
#include "client/cli/progress.h"
#include "client/cli/record_parser.h"
#include "client/cli/words.h"
#include "io/console.h"
#include "io/process.h"

namespace sluice::cli {
namespace {

// A stream gives its records bit by bit: waiting a little fills the batches.
constexpr client::Milliseconds kLinger{5};
constexpr uint64_t kRecordsBetweenUpdates = 4096;

struct Flags {
  std::string topic;
  std::string file;
  std::string key_separator;
  std::string format;
  std::vector<std::string> headers;
  std::string compression;
  std::string acks;
  std::optional<int32_t> partition;
  bool empty_is_null = false;
};

struct Counts {
  uint64_t records = 0;
  uint64_t bytes = 0;
};

Result<client::ProducerOptions> options_of(const Shell& shell, const Flags& flags) {
  client::ProducerOptions options;
  if (!flags.file.empty() || !io::is_terminal(io::StandardStream::in)) options.linger = kLinger;
  // Only acks=all can promise it; -X may still insist.
  if (flags.acks != "all" && !flags.acks.empty()) options.idempotence = false;
  ASSIGN_OR_RETURN(options, shell.producer_options(options));
  if (!flags.acks.empty()) {
    RETURN_IF_ERROR(client::set_property(options, "acks", flags.acks));
  }
  if (!flags.compression.empty()) {
    RETURN_IF_ERROR(client::set_property(options, "compression.type", flags.compression));
  }
  return options;
}

Result<std::unique_ptr<RecordParser>> parser_of(const Flags& flags) {
  if (flags.format.empty()) return line_parser(flags.key_separator);
  if (!flags.key_separator.empty()) {
    return fail(Errc::invalid_argument,
                "-K and -f exclude each other; take -f '%k" + flags.key_separator + "%s\\n'");
  }
  if (flags.format == "json") return json_parser();
  return format_parser(flags.format);
}

Result<io::InputStream> input_of(const Flags& flags) {
  if (flags.file.empty() || flags.file == "-") return io::InputStream::standard_input();
  return io::InputStream::open(flags.file);
}

/// The headers of -H, for every record.
Result<std::vector<client::Header>> headers_of(const Flags& flags) {
  std::vector<client::Header> headers;
  for (const std::string_view text : flags.headers) {
    const size_t equals = text.find('=');
    if (equals == std::string_view::npos) {
      return fail(Errc::invalid_argument,
                  "-H '" + std::string(text) + "' is not of the form key=value");
    }
    headers.push_back({text.substr(0, equals), text.substr(equals + 1)});
  }
  return headers;
}

class Production {
 public:
  Production(const Shell& shell, const Flags& flags, client::Producer& producer,
             std::vector<client::Header> headers)
      : shell_(shell), flags_(flags), producer_(producer), headers_(std::move(headers)) {}

  /// Sends line by line to the end of the input, or until somebody interrupts it.
  Result<Counts> send_all(LineReader& lines, RecordParser& parser) {
    Progress progress(shell_);
    ParsedRecord record;
    while (!io::interrupted()) {
      const auto line = lines.next();
      if (!line && line.error() == Errc::cancelled) break;
      if (!line) return fail(line.error());
      if (!*line) break;
      Result<> sent = parser.parse(**line, record);
      if (sent) sent = send(record);
      if (!sent) {
        return fail(
            Error(sent.error()).with_context("line " + std::to_string(lines.line_number())));
      }
      ++counts_.records;
      counts_.bytes += (*line)->size();
      if (counts_.records % kRecordsBetweenUpdates == 0) {
        progress.update(counts_.records, counts_.bytes);
      }
    }
    return counts_;
  }

 private:
  Result<> send(ParsedRecord& record) {
    if (flags_.empty_is_null) {
      if (record.key && record.key->empty()) record.key.reset();
      if (record.value && record.value->empty()) record.value.reset();
    }
    client::OutgoingRecord outgoing{.key = record.key,
                                    .value = record.value,
                                    .headers = headers_,
                                    .partition = record.partition,
                                    .timestamp = record.timestamp};
    if (flags_.partition) outgoing.partition = PartitionId(*flags_.partition);
    if (!record.headers.empty()) {
      record.headers.insert(record.headers.end(), headers_.begin(), headers_.end());
      outgoing.headers = record.headers;
    }
    return producer_.send(flags_.topic, outgoing);
  }

  const Shell& shell_;
  const Flags& flags_;
  client::Producer& producer_;
  const std::vector<client::Header> headers_;
  Counts counts_;
};

Result<> report(const Shell& shell, const Flags& flags, const Counts& counts, double seconds) {
  if (shell.format() == OutputFormat::table || shell.format() == OutputFormat::wide) {
    shell.note(throughput_line(counts.records, counts.bytes, seconds));
    return {};
  }
  Report report{.document = {{"topic", flags.topic},
                             {"records", counts.records},
                             {"bytes", counts.bytes},
                             {"seconds", seconds}}};
  report.names.push_back(flags.topic);
  return shell.print(report);
}

Result<> produce(const Shell& shell, const Flags& flags) {
  ASSIGN_OR_RETURN(const auto options, options_of(shell, flags));
  ASSIGN_OR_RETURN(const auto parser, parser_of(flags));
  ASSIGN_OR_RETURN(auto headers, headers_of(flags));
  ASSIGN_OR_RETURN(auto input, input_of(flags));
  ASSIGN_OR_RETURN(const auto client, shell.connect());
  const auto producer = client->producer(options);
  LineReader lines([&input](MutableBytes out) { return input.read(out); }, parser->delimiter());

  const TimePoint started = shell.clock().now();
  Production production(shell, flags, *producer, std::move(headers));
  const auto counts = production.send_all(lines, *parser);
  const auto flushed = producer->flush();
  const std::chrono::duration<double> took = shell.clock().now() - started;
  if (!flushed) {
    const client::ProducerMetrics metrics = producer->metrics();
    return fail(Error(flushed.error())
                    .with_context(format_count(metrics.records_failed) + " of " +
                                  counted(metrics.records_sent, "record") + " failed"));
  }
  if (!counts) return fail(counts.error());
  return report(shell, flags, *counts, took.count());
}

}  // namespace

void add_produce(CLI::App& parent, Shell& shell) {
  CLI::App& command =
      *parent.add_subcommand("produce", "Sends the lines of a file or of standard input");
  const auto flags = std::make_shared<Flags>();
  command.add_option("topic", flags->topic, "Where the records go")->required();
  command.add_option("file", flags->file, "Read instead of standard input");
  command.add_option("-K,--key-separator", flags->key_separator,
                     "What stands before it in a line is the key");
  command.add_option("-f,--format", flags->format,
                     "How a record is written: %k %s %p %T %h and literals, or json");
  command.add_option("-H,--header", flags->headers, "A header of every record, key=value")
      ->expected(1)
      ->take_all();
  command.add_option("-z,--compression", flags->compression, "none, gzip, snappy, lz4 or zstd");
  command.add_option("--acks", flags->acks, "Who must have a record: 0, 1 or all");
  command.add_option("-p,--partition", flags->partition, "Sends everything to this partition");
  command.add_flag("-Z,--empty-as-null", flags->empty_is_null,
                   "An empty key or value is sent as none (a tombstone)");
  command.footer(
      "Examples:\n"
      "  sluice produce words /usr/share/dict/words\n"
      "  printf 'k1:v1\\nk2:v2\\n' | sluice produce orders -K:\n"
      "  sluice consume orders --until end -o json | sluice produce copy -f json");
  command.callback([&shell, flags] {
    shell.choose("produce " + flags->topic, [&shell, flags] { return produce(shell, *flags); });
  });
}

}  // namespace sluice::cli
