#include <algorithm>
#include <memory>

#include "base/size_text.h"
#include "client/cli/commands.h"
#include "client/cli/time_text.h"

namespace sluice::cli {
namespace {

struct Flags {
  std::string topic;
  std::string time;
};

Json timestamp_or_null(Timestamp time) {
  return time == kNoTimestamp ? Json(nullptr) : Json(time.value());
}

/// The first record at or after a time, of each partition.
Result<> print_at(const Shell& shell, const Flags& flags) {
  ASSIGN_OR_RETURN(const Timestamp time, parse_time(flags.time, shell.clock().wall_now()));
  ASSIGN_OR_RETURN(const auto client, shell.connect());
  ASSIGN_OR_RETURN(
      const auto offsets,
      client->admin()->list_offsets(flags.topic, {client::OffsetSpec::Kind::at_timestamp, time}));
  Report report{.document = Json::array()};
  Table table{.columns = {{"PARTITION", true}, {"OFFSET", true}, {"TIME"}}, .rows = {}};
  for (const client::PartitionOffset& found : offsets) {
    const bool none = found.offset.value() < 0;
    report.document.push_back(
        {{"partition", found.partition.value()},
         {"offset", none ? Json(nullptr) : Json(found.offset.value())},
         {"timestamp", none ? Json(nullptr) : timestamp_or_null(found.timestamp)}});
    table.rows.push_back({std::to_string(found.partition.value()),
                          none ? "none" : std::to_string(found.offset.value()),
                          none ? "" : format_timestamp(found.timestamp)});
    report.names.push_back(std::to_string(found.partition.value()));
  }
  report.tables.push_back(std::move(table));
  return shell.print(report);
}

Result<> print_range(const Shell& shell, const Flags& flags) {
  using Kind = client::OffsetSpec::Kind;
  ASSIGN_OR_RETURN(const auto client, shell.connect());
  const auto admin = client->admin();
  ASSIGN_OR_RETURN(const auto first, admin->list_offsets(flags.topic, {Kind::earliest}));
  ASSIGN_OR_RETURN(const auto end, admin->list_offsets(flags.topic, {Kind::latest}));
  Report report{.document = Json::array()};
  Table table{.columns = {{"PARTITION", true}, {"START", true}, {"END", true}, {"OFFSETS", true}},
              .rows = {}};
  for (const client::PartitionOffset& last : end) {
    const auto start =
        std::ranges::find(first, last.partition, &client::PartitionOffset::partition);
    // Added between the two questions: it is empty or begins at 0.
    const Offset log_start = start == first.end() ? Offset(0) : start->offset;
    report.document.push_back({{"partition", last.partition.value()},
                               {"start", log_start.value()},
                               {"end", last.offset.value()}});
    table.rows.push_back({std::to_string(last.partition.value()), std::to_string(log_start.value()),
                          std::to_string(last.offset.value()),
                          std::to_string(last.offset - log_start)});
    report.names.push_back(std::to_string(last.partition.value()));
  }
  report.tables.push_back(std::move(table));
  return shell.print(report);
}

}  // namespace

void add_offsets(CLI::App& parent, Shell& shell) {
  CLI::App& command = *parent.add_subcommand("offsets",
                                             "Shows where a topic's partitions begin and "
                                             "end, or where a time is in them");
  const auto flags = std::make_shared<Flags>();
  command.add_option("topic", flags->topic, "The topic")->required();
  command.add_option("--time", flags->time,
                     "The first record at or after this TIME: 2026-11-21T07:00:00Z, milliseconds, "
                     "now-1h, -15m");
  command.footer(
      "Examples:\n"
      "  sluice offsets orders\n"
      "  sluice offsets orders --time -15m\n"
      "  sluice offsets orders --time 2026-11-21T07:00:00Z -o json");
  command.callback([&shell, flags] {
    shell.choose("offsets " + flags->topic, [&shell, flags] {
      return flags->time.empty() ? print_range(shell, *flags) : print_at(shell, *flags);
    });
  });
}

}  // namespace sluice::cli
