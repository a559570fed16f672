#include "storage/inspect.h"

#include <array>
#include <map>
#include <utility>
#include <vector>

#include "storage/checkpoint.h"
#include "storage/data_directory.h"
#include "storage/inspector.h"
#include "storage/meta_properties.h"

namespace sluice::storage {
namespace {

constexpr size_t kLargestFile = 64_MiB;

struct KnownCheckpoint {
  const char* name;
  CheckpointKind kind;
};
constexpr std::array kCheckpoints = {
    KnownCheckpoint{kSyncedEndFile, CheckpointKind::offsets_with_id},
    KnownCheckpoint{kRecoveryPointFile, CheckpointKind::offsets},
    KnownCheckpoint{kLogStartFile, CheckpointKind::offsets},
    KnownCheckpoint{kHighWatermarkFile, CheckpointKind::offsets},
    KnownCheckpoint{kCleanerOffsetFile, CheckpointKind::offsets}};

class Inspection {
 public:
  Inspection(io::Disk& disk, InspectOptions options, InspectSink sink, MemoryBudget& memory)
      : disk_(disk),
        options_(options),
        sink_(std::move(sink)),
        memory_(memory),
        segments_(disk, options_, sink_, memory, counts_) {}

  io::Task<Result<>> any(std::string path);
  const InspectCounts& counts() const { return counts_; }

 private:
  io::Task<Result<>> directory(std::string path, std::vector<io::DirectoryEntry> entries);
  io::Task<Result<>> log(std::string folder, std::vector<io::DirectoryEntry> entries);
  io::Task<Result<>> single_file(std::string path);
  io::Task<Result<>> checkpoint(std::string path, KnownCheckpoint known);
  io::Task<Result<LeaderEpochs>> epochs(std::string path);
  io::Task<Result<>> producers(std::string path, Offset at);
  /// Nothing when it is missing or, told as a problem, too large.
  io::Task<Result<std::optional<std::vector<std::byte>>>> content(std::string path);

  io::Disk& disk_;
  const InspectOptions options_;
  const InspectSink sink_;
  MemoryBudget& memory_;
  InspectCounts counts_;
  SegmentInspector segments_;
  /// Of the logs seen, by folder name.
  std::map<std::string, Offset> log_ends_;
};

std::string leaf_of(const std::string& path) { return path.substr(path.rfind('/') + 1); }

bool is_log_folder(const std::vector<io::DirectoryEntry>& entries) {
  for (const auto& entry : entries) {
    const auto name = parse_segment_name(entry.name);
    if (name && name->suffix == kLogSuffix) return true;
  }
  return false;
}

io::Task<Result<>> Inspection::any(std::string path) {
  while (path.size() > 1 && path.ends_with('/')) path.pop_back();
  auto entries = co_await disk_.list(path);
  if (!entries) {
    CO_ASSIGN_OR_RETURN(const bool there, co_await disk_.exists(path));
    if (!there) co_return fail(Errc::file_not_found, path + ": there is no such file or folder");
    co_return co_await single_file(std::move(path));
  }
  if (is_log_folder(*entries)) co_return co_await log(std::move(path), std::move(*entries));
  co_return co_await directory(std::move(path), std::move(*entries));
}

io::Task<Result<>> Inspection::directory(std::string path,
                                         std::vector<io::DirectoryEntry> entries) {
  bool ours = false;
  for (const auto& entry : entries) {
    if (!entry.is_directory) {
      ours = ours || entry.name == kMetaPropertiesFile;
      continue;
    }
    if (parse_log_folder(entry.name).kind != LogFolder::Kind::log) continue;
    ours = true;
    CO_ASSIGN_OR_RETURN(auto inside, co_await disk_.list(path + "/" + entry.name));
    CO_RETURN_IF_ERROR(co_await log(path + "/" + entry.name, std::move(inside)));
  }
  if (!ours) {
    co_return fail(Errc::invalid_argument,
                   path + ": neither a data directory nor the folder of a log");
  }
  const auto properties = co_await read_meta_properties(disk_, path);
  if (!properties) segments_.problem(path, std::string(properties.error().message()));
  for (const auto& known : kCheckpoints)
    CO_RETURN_IF_ERROR(co_await checkpoint(path + "/" + known.name, known));
  co_return Result<>{};
}

io::Task<Result<>> Inspection::log(std::string folder, std::vector<io::DirectoryEntry> entries) {
  ++counts_.logs;
  std::vector<Offset> bases, snapshots;
  for (const auto& entry : entries) {
    const auto name = parse_segment_name(entry.name);
    if (!name) continue;
    if (name->suffix == kLogSuffix) bases.push_back(name->offset);
    if (name->suffix == kSnapshotSuffix) snapshots.push_back(name->offset);
  }
  CO_ASSIGN_OR_RETURN(const LeaderEpochs known, co_await epochs(folder + "/" + kLeaderEpochFile));
  const auto topic_id = co_await read_topic_id(disk_, folder);
  if (!topic_id) segments_.problem(folder, std::string(topic_id.error().message()));
  std::optional<Offset> end;
  for (size_t i = 0; i < bases.size(); ++i) {
    if (end && bases[i] < *end) {
      segments_.problem(folder, "segment " + std::to_string(bases[i].value()) +
                                    " begins before the one in front ends, at " +
                                    std::to_string(end->value()));
    } else if (end && bases[i] > *end) {
      ++counts_.gaps;
      if (options_.dense)
        segments_.problem(folder, "no segment covers offset " + std::to_string(end->value()));
    }
    CO_ASSIGN_OR_RETURN(end,
                        co_await segments_.inspect(folder, bases[i], i + 1 < bases.size(), &known));
  }
  for (const Offset at : snapshots) {
    const std::string path = segment_path(folder, at, kSnapshotSuffix);
    CO_RETURN_IF_ERROR(co_await producers(path, at));
    if (options_.verify && end && at > *end)
      segments_.problem(path, "lies above the log end " + std::to_string(end->value()));
  }
  log_ends_[leaf_of(folder)] = end.value_or(Offset{0});
  co_return Result<>{};
}

io::Task<Result<std::optional<std::vector<std::byte>>>> Inspection::content(std::string path) {
  auto bytes = co_await io::read_file(disk_, path, kLargestFile);
  if (bytes) {
    segments_.file(path, bytes->size());
    co_return std::move(*bytes);
  }
  if (bytes.error() == Errc::file_not_found) co_return std::nullopt;
  if (bytes.error() != Errc::corrupt_file) co_return fail(std::move(bytes).error());
  segments_.problem(path, std::string(bytes.error().message()));
  co_return std::nullopt;
}

io::Task<Result<LeaderEpochs>> Inspection::epochs(std::string path) {
  CO_ASSIGN_OR_RETURN(const auto bytes, co_await content(path));
  if (!bytes) co_return LeaderEpochs{};
  auto parsed = LeaderEpochs::parse(*bytes);
  if (!parsed) {
    segments_.problem(path, std::string(parsed.error().message()));
    co_return LeaderEpochs{};
  }
  if (sink_.on_epochs) sink_.on_epochs(path, *parsed);
  co_return std::move(*parsed);
}

io::Task<Result<>> Inspection::producers(std::string path, Offset at) {
  CO_ASSIGN_OR_RETURN(const auto bytes, co_await content(path));
  if (!bytes) co_return Result<>{};
  ProducerState state(memory_);
  if (auto loaded = state.load_snapshot(*bytes); !loaded) {
    if (loaded.error() != Errc::corrupt_file) co_return loaded;
    segments_.problem(path, std::string(loaded.error().message()));
    co_return Result<>{};
  }
  if (sink_.on_producers) sink_.on_producers(path, state);
  for (const auto& [producer, last] : state.ends()) {
    if (options_.verify && last >= at)
      segments_.problem(path, "producer " + std::to_string(producer.value()) +
                                  " wrote last at offset " + std::to_string(last.value()) +
                                  ", which the snapshot does not cover");
  }
  co_return Result<>{};
}

io::Task<Result<>> Inspection::checkpoint(std::string path, KnownCheckpoint known) {
  CO_ASSIGN_OR_RETURN(const auto bytes, co_await content(path));
  if (!bytes) co_return Result<>{};
  const auto parsed = parse_checkpoint(*bytes, known.kind);
  if (!parsed) {
    segments_.problem(path, std::string(parsed.error().message()));
    co_return Result<>{};
  }
  if (!options_.verify) co_return Result<>{};
  for (const auto& entry : *parsed) {
    const auto end = log_ends_.find(entry.partition.folder());
    if (end != log_ends_.end() && entry.offset > end->second) {
      segments_.problem(path, entry.partition.folder() + " has " +
                                  std::to_string(entry.offset.value()) + ", its log ends at " +
                                  std::to_string(end->second.value()));
    }
  }
  co_return Result<>{};
}

io::Task<Result<>> Inspection::single_file(std::string path) {
  const std::string leaf = leaf_of(path);
  const std::string folder = path.size() > leaf.size() + 1
                                 ? path.substr(0, path.size() - leaf.size() - 1)
                                 : std::string(path.starts_with('/') ? "" : ".");
  if (leaf == kLeaderEpochFile) {
    CO_RETURN_IF_ERROR(co_await epochs(path));
    co_return Result<>{};
  }
  for (const auto& known : kCheckpoints)
    if (leaf == known.name) co_return co_await checkpoint(path, known);
  if (const auto name = parse_segment_name(leaf)) {
    if (name->suffix == kLogSuffix) {
      CO_RETURN_IF_ERROR(co_await segments_.inspect(folder, name->offset, false, nullptr));
      co_return Result<>{};
    }
    if (name->suffix == kIndexSuffix || name->suffix == kTimeIndexSuffix) {
      co_return co_await segments_.inspect_index(path, name->offset,
                                                 name->suffix == kTimeIndexSuffix);
    }
    if (name->suffix == kSnapshotSuffix) co_return co_await producers(path, name->offset);
  }
  co_return fail(Errc::invalid_argument,
                 path +
                     ": no file of a log; give a data directory, a log's folder, or a .log, "
                     ".index, .timeindex, .snapshot or checkpoint file");
}

}  // namespace

io::Task<Result<InspectCounts>> inspect(io::Disk& disk, std::string path, InspectOptions options,
                                        InspectSink sink, MemoryBudget& memory) {
  Inspection inspection(disk, options, std::move(sink), memory);
  CO_RETURN_IF_ERROR(co_await inspection.any(std::move(path)));
  co_return inspection.counts();
}

}  // namespace sluice::storage
