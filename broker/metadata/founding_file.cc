#include "broker/metadata/founding_file.h"

#include <charconv>
#include <utility>

#include "base/bytes.h"
#include "base/crc32c.h"

namespace sluice::broker {
namespace {

constexpr size_t kMostBytes = 1_MiB;
constexpr std::string_view kVersionLine = "version=1";
constexpr std::string_view kCrcKey = "crc=";

std::string path_in(const std::string& directory) { return directory + "/founding"; }

std::string line_of(std::string_view key, const ClusterMember& member) {
  return std::string(key) + "=" + std::to_string(member.node_id.value()) + " " +
         member.directory_id.text() + " " + member.address.to_string() + "\n";
}

std::optional<ClusterMember> parse_member(std::string_view text) {
  const size_t first = text.find(' ');
  const size_t second = first == text.npos ? text.npos : text.find(' ', first + 1);
  if (second == text.npos) return std::nullopt;
  ClusterMember member;
  int32_t node = -1;
  const auto [end, error] = std::from_chars(text.data(), text.data() + first, node);
  const auto id = Uuid::parse(text.substr(first + 1, second - first - 1));
  auto address = io::Endpoint::parse(text.substr(second + 1));
  if (error != std::errc() || end != text.data() + first || node < 0 || !id || !address) {
    return std::nullopt;
  }
  member.node_id = NodeId{node};
  member.directory_id = *id;
  member.address = std::move(*address);
  return member;
}

std::string crc_line(std::string_view before) {
  return std::string(kCrcKey) + std::to_string(crc32c(as_bytes(before))) + "\n";
}

/// False when the line means nothing.
bool take_line(std::string_view line, Founding& founding) {
  const size_t equals = line.find('=');
  if (equals == line.npos) return false;
  const std::string_view key = line.substr(0, equals);
  const std::string_view value = line.substr(equals + 1);
  if (key == "cluster.id") {
    founding.cluster_id = value;
    // An id has none; a line that lost its end has the next one's.
    return !value.empty() && value.find('=') == value.npos;
  }
  if (key != "founder" && key != "member") return false;
  auto member = parse_member(value);
  if (!member) return false;
  (key == "founder" ? founding.founders : founding.members).push_back(std::move(*member));
  return true;
}

}  // namespace

std::string render_founding(const Founding& founding) {
  std::string text = std::string(kVersionLine) + "\ncluster.id=" + founding.cluster_id + "\n";
  for (const ClusterMember& founder : founding.founders) text += line_of("founder", founder);
  for (const ClusterMember& member : founding.members) text += line_of("member", member);
  return text + crc_line(text);
}

Result<Founding> parse_founding(std::string_view text) {
  Founding founding;
  size_t number = 0;
  const std::string_view all = text;
  while (!text.empty()) {
    const size_t end = text.find('\n');
    const std::string_view line = text.substr(0, end);
    // The last line; files of earlier versions have none.
    if (line.starts_with(kCrcKey)) {
      if (text == crc_line(all.substr(0, all.size() - text.size()))) break;
      return fail(Errc::corrupt_file, "its checksum is another one");
    }
    text.remove_prefix(end == text.npos ? text.size() : end + 1);
    ++number;
    const bool good = number == 1 ? line == kVersionLine : take_line(line, founding);
    if (good && end != text.npos) continue;
    return fail(Errc::corrupt_file, "line " + std::to_string(number) + " is broken");
  }
  if (founding.cluster_id.empty()) return fail(Errc::corrupt_file, "it names no cluster");
  for (auto* members : {&founding.founders, &founding.members}) {
    for (ClusterMember& member : *members) member.cluster_id = founding.cluster_id;
  }
  return founding;
}

io::Task<Result<std::optional<Founding>>> read_founding(io::Disk& disk, std::string directory) {
  const std::string path = path_in(directory);
  CO_ASSIGN_OR_RETURN(const bool exists, co_await disk.exists(path));
  if (!exists) co_return std::nullopt;
  CO_ASSIGN_OR_RETURN(const auto content, co_await io::read_file(disk, path, kMostBytes));
  auto founding = parse_founding(as_text(content));
  if (!founding) {
    co_return fail(Errc::corrupt_file,
                   path + ": " + std::string(founding.error().message()) +
                       "; restore it from another founder's, or remove the metadata directory to "
                       "join as a new broker");
  }
  co_return std::move(*founding);
}

io::Task<Result<>> write_founding(io::Disk& disk, std::string directory, Founding founding) {
  const std::string text = render_founding(founding);
  const ByteView bytes = as_bytes(text);
  co_return co_await io::replace_file(disk, path_in(directory), {bytes.begin(), bytes.end()});
}

}  // namespace sluice::broker
