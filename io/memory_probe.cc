#include "io/memory_probe.h"

#include <algorithm>
#include <charconv>
#include <fstream>
#include <iterator>
#include <string_view>
#include <vector>

namespace sluice::io {
namespace {

/// What version 1 says for "no limit" is a little less than this on any machine.
constexpr uint64_t kNoLimit = uint64_t{1} << 60;

std::optional<std::string> text_of(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file.is_open()) return std::nullopt;
  std::string text(std::istreambuf_iterator<char>(file), {});
  if (file.bad()) return std::nullopt;
  return text;
}

template <class T>
std::optional<T> number(std::string_view text) {
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{}) return std::nullopt;
  return value;
}

/// The number behind `name` at the beginning of a line.
std::optional<uint64_t> line_number(std::string_view text, std::string_view name) {
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find('\n', at), text.size());
    std::string_view line = text.substr(at, end - at);
    at = end + 1;
    if (!line.starts_with(name)) continue;
    line.remove_prefix(name.size());
    const size_t digits = line.find_first_not_of(" \t");
    if (digits == 0 || digits == line.npos) continue;
    return number<uint64_t>(line.substr(digits));
  }
  return std::nullopt;
}

/// Of "some avg10=0.12 avg60=..." lines.
std::optional<double> stalled(std::string_view text, std::string_view who) {
  const size_t line = text.find(who);
  if (line == text.npos) return std::nullopt;
  constexpr std::string_view kField = "avg10=";
  const size_t field = text.find(kField, line);
  if (field == text.npos) return std::nullopt;
  return number<double>(text.substr(field + kField.size()));
}

std::optional<uint64_t> limit_in(const std::string& path) {
  const auto text = text_of(path);
  const auto limit = text ? number<uint64_t>(*text) : std::nullopt;
  if (!limit || *limit >= kNoLimit) return std::nullopt;  // also "max"
  return limit;
}

struct Membership {
  std::string path;
  bool is_v1 = false;
};

/// Of /proc/self/cgroup: "0::/path" in version 2, "4:memory:/path" in version 1, which stands in
/// front of it where both are mounted.
std::optional<Membership> membership(const std::string& text) {
  std::optional<Membership> found;
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find('\n', at), text.size());
    const std::string line = text.substr(at, end - at);
    at = end + 1;
    const size_t first = line.find(':');
    const size_t second = first == line.npos ? first : line.find(':', first + 1);
    if (second == line.npos) continue;
    const std::string controllers = "," + line.substr(first + 1, second - first - 1) + ",";
    if (controllers.find(",memory,") != controllers.npos) {
      return Membership{line.substr(second + 1), true};
    }
    if (controllers == ",,") found = Membership{line.substr(second + 1), false};
  }
  return found;
}

}  // namespace

SystemMemory::SystemMemory(std::string root) : root_(std::move(root)) {}

/// From the process's own group up to the top; none where no limit is set. Inside a container the
/// path may be the host's, and only the top is there.
std::optional<SystemMemory::Group> SystemMemory::tightest_group() const {
  const auto text = text_of(root_ + "/proc/self/cgroup");
  const auto member = text ? membership(*text) : std::nullopt;
  if (!member) return std::nullopt;
  const std::string top = root_ + (member->is_v1 ? "/sys/fs/cgroup/memory" : "/sys/fs/cgroup");
  std::optional<Group> tightest;
  for (std::string path = member->path == "/" ? "" : member->path;;) {
    const std::string folder = top + path + "/";
    const auto limit = limit_in(folder + (member->is_v1 ? "memory.limit_in_bytes" : "memory.max"));
    if (limit && (!tightest || *limit < tightest->limit)) {
      tightest =
          Group{.limit = *limit,
                .usage = folder + (member->is_v1 ? "memory.usage_in_bytes" : "memory.current"),
                .stat = folder + "memory.stat",
                .stalls = member->is_v1 ? "" : folder + "memory.pressure",
                .is_v1 = member->is_v1};
    }
    if (path.empty()) return tightest;
    path.resize(path.rfind('/'));
  }
}

MemoryReading SystemMemory::read() {
  MemoryReading reading;
  if (const auto text = text_of(root_ + "/proc/meminfo")) {
    if (const auto kib = line_number(*text, "MemTotal:")) reading.machine = *kib * 1024;
  }
  std::optional<std::string> stalls;
  // Looked for each time: limits come, go and change while the process runs.
  if (const auto group = tightest_group()) {
    reading.group_limit = group->limit;
    const auto usage = limit_in(group->usage);
    const auto stat = text_of(group->stat);
    if (usage && stat) {
      const std::string prefix = group->is_v1 ? "total_" : "";
      uint64_t droppable = line_number(*stat, "slab_reclaimable").value_or(0);
      for (const char* name : {"inactive_file", "active_file"}) {
        droppable += line_number(*stat, prefix + name).value_or(0);
      }
      reading.group_held = *usage - std::min(*usage, droppable);
    }
    if (!group->stalls.empty()) stalls = text_of(group->stalls);
  }
  if (!stalls) stalls = text_of(root_ + "/proc/pressure/memory");
  if (stalls) {
    reading.some_stalled = stalled(*stalls, "some");
    reading.all_stalled = stalled(*stalls, "full");
  }
  return reading;
}

}  // namespace sluice::io
