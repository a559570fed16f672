#include "client/cli/memory_top.h"

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <functional>
#include <memory>
#include <optional>
#include <string_view>
#include <tuple>
#include <vector>

#include "base/size_text.h"
#include "client/cli/admin_page.h"
#include "client/cli/commands.h"
#include "client/cli/watch.h"
#include "client/cli/words.h"

namespace sluice::cli {
namespace {

/// What the broker did not tell.
constexpr const char* kUnknown = "?";

std::optional<uint64_t> number_at(const Json& object, std::string_view key) {
  if (!object.is_object()) return std::nullopt;
  const auto found = object.find(key);
  if (found == object.end() || !found->is_number_unsigned()) return std::nullopt;
  return found->get<uint64_t>();
}

std::string text_at(const Json& object, std::string_view key) {
  if (!object.is_object()) return kUnknown;
  const auto found = object.find(key);
  return found == object.end() || !found->is_string() ? kUnknown : found->get<std::string>();
}

const Json& member(const Json& object, std::string_view key) {
  static const Json kNone;
  if (!object.is_object()) return kNone;
  const auto found = object.find(key);
  return found == object.end() ? kNone : *found;
}

std::string size_at(const Json& object, std::string_view key) {
  const auto bytes = number_at(object, key);
  return bytes ? format_rough_size(*bytes) : kUnknown;
}

std::string count_at(const Json& object, std::string_view key) {
  const auto count = number_at(object, key);
  return count ? format_count(*count) : kUnknown;
}

/// "12 %"; below ten with one digit behind the point.
std::string percent(std::optional<uint64_t> part, std::optional<uint64_t> whole) {
  if (!part || !whole || *whole == 0) return kUnknown;
  const double value = 100.0 * static_cast<double>(*part) / static_cast<double>(*whole);
  char text[32];
  std::snprintf(text, sizeof text, value < 9.95 && value > 0 ? "%.1f %%" : "%.0f %%", value);
  return text;
}

void add_lines(const Json& page, const std::string& address, std::vector<std::string>& lines) {
  const Json& root = page["budget"];
  const auto cap = number_at(root, "cap");
  lines.push_back("memory of " + address + "  used " + size_at(root, "used") + " of " +
                  size_at(root, "cap") + " (" + percent(number_at(root, "used"), cap) + ")  peak " +
                  size_at(root, "peak") + "  refusals " + count_at(root, "refusals"));
  const Json& process = member(page, "process");
  const Json& faults = member(page, "page_faults");
  if (process.is_null()) {
    lines.emplace_back("process       the broker's system does not tell");
  } else {
    lines.push_back("process       resident " + size_at(process, "resident_anonymous") +
                    " anonymous, " + size_at(process, "resident_file") + " file  mapped " +
                    size_at(process, "mapped") + "  virtual " + size_at(process, "virtual") +
                    "  swapped " + size_at(process, "swapped"));
  }
  lines.push_back("page faults   " + count_at(faults, "major") + " major, " +
                  count_at(faults, "minor") + " minor");
  const Json& allocator = member(page, "allocator");
  lines.push_back("allocator     in use " + size_at(allocator, "in_use") + "  free " +
                  size_at(allocator, "free") + "  mapped " + size_at(allocator, "mapped"));
  const Json& attributed = member(page, "attributed");
  lines.push_back("unattributed  " + size_at(page, "unattributed") + " (" +
                  percent(number_at(page, "unattributed"), cap) +
                  " of the cap): resident anonymous less used, " +
                  size_at(attributed, "coroutine_frames") + " of frames, " +
                  size_at(attributed, "at_start") + " that was there at the start");
}

/// Below each node its children, those that use most first.
void add_nodes(const Json& node, size_t depth, Table& table) {
  const auto used = number_at(node, "used");
  const auto cap = number_at(node, "cap");
  table.rows.push_back({std::string(2 * depth, ' ') + text_at(node, "name"), size_at(node, "used"),
                        percent(used, cap), size_at(node, "peak"), size_at(node, "cap"),
                        count_at(node, "refusals")});
  std::vector<std::reference_wrapper<const Json>> children;
  for (const Json& child : member(node, "children")) children.emplace_back(child);
  std::ranges::sort(children, [](const Json& a, const Json& b) {
    const auto key = [](const Json& of) {
      return std::tuple(number_at(of, "used"), number_at(of, "peak"), text_at(of, "name"));
    };
    return key(a) > key(b);
  });
  for (const Json& child : children) add_nodes(child, depth + 1, table);
}

Table addresses_of(const Json& owners) {
  Table table{.columns = {{"ADDRESS"}, {"CONNECTIONS", true}, {"REQUESTS", true}}, .rows = {}};
  for (const Json& use : member(owners, "connections")) {
    table.rows.push_back(
        {text_at(use, "address"), count_at(use, "connections"), size_at(use, "bytes")});
  }
  return table;
}

Table partitions_of(const Json& owners) {
  Table table{.columns = {{"PARTITION"}, {"PRODUCERS", true}, {"STATE", true}}, .rows = {}};
  for (const Json& use : member(owners, "partitions")) {
    table.rows.push_back({text_at(use, "topic") + "-" + count_at(use, "partition"),
                          count_at(use, "producers"), size_at(use, "bytes")});
  }
  return table;
}

Result<> top(const Shell& shell, const std::string& named, double seconds) {
  ASSIGN_OR_RETURN(io::Endpoint at, shell.admin_address(named));
  AdminPages pages(std::move(at));
  return watch(shell, seconds, [&]() -> Result<Report> {
    ASSIGN_OR_RETURN(const Json page, pages.get("/memory"));
    return report_of_memory(page, pages.address().to_string());
  });
}

}  // namespace

Result<Report> report_of_memory(const Json& page, const std::string& address) {
  const Json& root = member(page, "budget");
  if (!number_at(root, "used") || !number_at(root, "cap")) {
    return fail(Errc::malformed_frame,
                "/memory of " + address + " tells of no budget; is it a sluiced of this version?");
  }
  Report report;
  report.document = {{"admin", address}};
  report.document.update(page);
  add_lines(page, address, report.lines);
  Table tree{.columns = {{"NODE"},
                         {"USED", true},
                         {"OF LIMIT", true},
                         {"PEAK", true},
                         {"LIMIT", true},
                         {"REFUSALS", true}},
             .rows = {}};
  add_nodes(root, 0, tree);
  for (const auto& row : tree.rows) {
    report.names.push_back(row.front().substr(row.front().find_first_not_of(' ')));
  }
  report.tables.push_back(std::move(tree));
  const Json& owners = member(page, "owners");
  for (Table table : {addresses_of(owners), partitions_of(owners)}) {
    if (!table.rows.empty()) report.tables.push_back(std::move(table));
  }
  return report;
}

void add_memory_top(CLI::App& parent, Shell& shell) {
  CLI::App& command = *parent.add_subcommand(
      "top", "Shows where a broker's memory is: budgets, owners, and what nothing accounts for");
  const auto named = std::make_shared<std::string>();
  command.add_option("--admin", *named,
                     "The broker's admin port, HOST or HOST:PORT; else port 9644 of the first "
                     "broker");
  const auto seconds = add_watch(command);
  command.footer(
      "A node may use up to its limit while all nodes above it have room; REFUSALS counts the\n"
      "times that it, or one above it, had none. PEAK is since the broker began. Unattributed is\n"
      "memory that no node accounts for: if it grows for hours, the broker leaks; tell us.\n\n"
      "Examples:\n"
      "  sluice memory top\n"
      "  sluice memory top --watch\n"
      "  sluice memory top --admin 127.0.0.1:9644 -o json");
  command.callback([&shell, named, seconds] {
    shell.reach_by("--admin HOST:PORT");
    shell.choose("memory top", [&shell, named, seconds] { return top(shell, *named, *seconds); });
  });
}

}  // namespace sluice::cli
