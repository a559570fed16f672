#include "storage/checkpoint.h"

#include <utility>

#include "storage/text_lines.h"

namespace sluice::storage {
namespace {

/// Room for two hundred thousand logs with the longest names.
constexpr size_t kLargestCheckpoint = 64_MiB;

Result<CheckpointEntry> parse_entry(const TextLines& lines, std::string_view line,
                                    CheckpointKind kind) {
  const auto offset = parse_number<int64_t>(take_last_field(line));
  std::optional<Uuid> id = Uuid();
  if (kind == CheckpointKind::offsets_with_id) id = Uuid::parse(take_last_field(line));
  const auto partition = parse_number<int32_t>(take_last_field(line));
  if (!offset || *offset < 0 || !id || !partition || *partition < 0 || line.empty())
    return fail(lines.bad("topic, partition and offset should stand here"));
  return CheckpointEntry{.partition = {std::string(line), PartitionId(*partition)},
                         .offset = Offset(*offset),
                         .topic_id = *id};
}

}  // namespace

std::vector<std::byte> encode_checkpoint(const Checkpoint& entries, CheckpointKind kind) {
  std::string text = "0\n" + std::to_string(entries.size()) + "\n";
  text.reserve(text.size() + entries.size() * 48);
  for (const auto& entry : entries) {
    text += entry.partition.topic;
    text += ' ';
    text += std::to_string(entry.partition.partition.value());
    if (kind == CheckpointKind::offsets_with_id) {
      text += ' ';
      text += entry.topic_id.text();
    }
    text += ' ';
    text += std::to_string(entry.offset.value());
    text += '\n';
  }
  const ByteView bytes = as_bytes(text);
  return {bytes.begin(), bytes.end()};
}

Result<Checkpoint> parse_checkpoint(ByteView content, CheckpointKind kind) {
  TextLines lines(as_text(content));
  ASSIGN_OR_RETURN(const size_t count, lines.checkpoint_header());
  Checkpoint entries;
  while (const auto line = lines.next()) {
    if (entries.size() == count) return fail(lines.bad("there are more entries than announced"));
    ASSIGN_OR_RETURN(auto entry, parse_entry(lines, *line, kind));
    entries.push_back(std::move(entry));
  }
  if (entries.size() != count) {
    return fail(Errc::corrupt_file, "there are " + std::to_string(entries.size()) +
                                        " entries where the second line says " +
                                        std::to_string(count));
  }
  return entries;
}

io::Task<Result<Checkpoint>> read_checkpoint(io::Disk& disk, std::string path,
                                             CheckpointKind kind) {
  auto content = co_await io::read_file(disk, path, kLargestCheckpoint);
  if (!content) {
    if (content.error() == Errc::file_not_found) co_return Checkpoint{};
    co_return fail(std::move(content).error());
  }
  auto entries = parse_checkpoint(*content, kind);
  if (!entries) co_return fail(std::move(entries).error().with_context(path));
  co_return std::move(*entries);
}

io::Task<Result<>> write_checkpoint(io::Disk& disk, std::string path, Checkpoint entries,
                                    CheckpointKind kind) {
  return io::replace_file(disk, std::move(path), encode_checkpoint(entries, kind));
}

}  // namespace sluice::storage
