#include "storage/meta_properties.h"

#include <utility>
#include <vector>

#include "storage/text_lines.h"

namespace sluice::storage {
namespace {

constexpr size_t kLargestFile = 64_KiB;
constexpr std::string_view kTopicIdKey = "topic_id: ";

std::vector<std::byte> to_content(std::string_view text) {
  const ByteView bytes = as_bytes(text);
  return {bytes.begin(), bytes.end()};
}

/// Nothing when the file is missing.
io::Task<Result<std::optional<std::vector<std::byte>>>> read_small(io::Disk& disk,
                                                                   std::string path) {
  auto content = co_await io::read_file(disk, path, kLargestFile);
  if (content) co_return std::move(*content);
  if (content.error() == Errc::file_not_found) co_return std::nullopt;
  co_return fail(std::move(content).error());
}

}  // namespace

std::vector<std::byte> MetaProperties::encode() const {
  return to_content("version=1\ncluster.id=" + cluster_id +
                    "\nnode.id=" + std::to_string(node_id.value()) +
                    "\ndirectory.id=" + directory_id.text() + "\n");
}

Result<MetaProperties> MetaProperties::parse(ByteView content) {
  TextLines lines(as_text(content));
  MetaProperties found;
  std::string_view version, node, directory;
  while (auto line = lines.next()) {
    if (line->ends_with('\r')) line->remove_suffix(1);
    const size_t equals = line->find('=');
    if (line->starts_with('#') || equals == std::string_view::npos) continue;
    const auto key = line->substr(0, equals);
    const auto value = line->substr(equals + 1);
    if (key == "version") version = value;
    if (key == "cluster.id") found.cluster_id = value;
    if (key == "node.id") node = value;
    if (key == "directory.id") directory = value;
  }
  if (version != "1") {
    return fail(Errc::corrupt_file,
                "version is \"" + std::string(version) + "\", only version=1 is known");
  }
  if (found.cluster_id.empty()) return fail(Errc::corrupt_file, "cluster.id is missing");
  const auto node_id = parse_number<int32_t>(node);
  if (!node_id || *node_id < 0)
    return fail(Errc::corrupt_file, "node.id is \"" + std::string(node) + "\", not a number");
  found.node_id = NodeId(*node_id);
  if (!directory.empty()) {
    const auto id = Uuid::parse(directory);
    if (!id) {
      return fail(Errc::corrupt_file,
                  "directory.id is \"" + std::string(directory) + "\", not an id");
    }
    found.directory_id = *id;
  }
  return found;
}

io::Task<Result<std::optional<MetaProperties>>> read_meta_properties(io::Disk& disk,
                                                                     std::string directory) {
  const std::string path = directory + "/" + kMetaPropertiesFile;
  CO_ASSIGN_OR_RETURN(const auto content, co_await read_small(disk, path));
  if (!content) co_return std::nullopt;
  auto properties = MetaProperties::parse(*content);
  if (!properties) co_return fail(std::move(properties).error().with_context(path));
  co_return std::move(*properties);
}

io::Task<Result<std::optional<Uuid>>> read_topic_id(io::Disk& disk, std::string log_folder) {
  const std::string path = log_folder + "/" + kPartitionMetadataFile;
  CO_ASSIGN_OR_RETURN(const auto content, co_await read_small(disk, path));
  if (!content) co_return std::nullopt;
  TextLines lines(as_text(*content));
  const auto version = lines.next();
  const auto line = lines.next();
  if (version == "version: 0" && line && line->starts_with(kTopicIdKey)) {
    if (const auto id = Uuid::parse(line->substr(kTopicIdKey.size()))) co_return *id;
  }
  co_return fail(Errc::corrupt_file, path +
                                         ": should hold \"version: 0\" and a topic id; move the "
                                         "file away to have the id taken from the topic");
}

io::Task<Result<>> write_topic_id(io::Disk& disk, std::string log_folder, Uuid topic_id) {
  return io::replace_file(disk, log_folder + "/" + kPartitionMetadataFile,
                          to_content("version: 0\n" + std::string(kTopicIdKey) + topic_id.text()));
}

io::Task<Result<bool>> take_clean_shutdown(io::Disk& disk, std::string directory) {
  const std::string path = directory + "/" + kCleanShutdownFile;
  CO_ASSIGN_OR_RETURN(const bool clean, co_await disk.exists(path));
  if (!clean) co_return false;
  CO_RETURN_IF_ERROR(co_await disk.remove(path));
  CO_RETURN_IF_ERROR(co_await disk.sync_directory(directory));
  co_return true;
}

io::Task<Result<>> mark_clean_shutdown(io::Disk& disk, std::string directory) {
  return io::replace_file(disk, directory + "/" + kCleanShutdownFile,
                          to_content(R"({"version":0,"brokerEpoch":-1})"));
}

}  // namespace sluice::storage
