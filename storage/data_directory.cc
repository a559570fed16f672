#include "storage/data_directory.h"

#include <algorithm>
#include <array>
#include <utility>

#include <absl/container/flat_hash_map.h>

#include "storage/text_lines.h"

namespace sluice::storage {
namespace {

constexpr const char* kLockFile = ".lock";
constexpr const char* kBootIdFile = ".boot-id";
constexpr std::string_view kDeletedFolderSuffix = "-delete";
constexpr std::string_view kStrayFolderSuffix = "-stray";
constexpr size_t kLongestFileName = 255;
constexpr size_t kLongestTopic = 249;
constexpr size_t kLongestBootId = 128;

io::LaneOptions lane_options(const DataDirectory::Options& asked, MetricsRegistry& metrics,
                             const std::string& path) {
  io::LaneOptions options;
  options.in_flight = asked.in_flight;
  options.timeout = asked.timeout;
  const MetricLabels labels = {{"directory", path}};
  options.times.read = &metrics.histogram("disk_read_seconds", "Reads of log files.", labels);
  options.times.write = &metrics.histogram("disk_write_seconds", "Writes of log files.", labels);
  options.times.sync =
      &metrics.histogram("disk_sync_seconds", "fdatasync and fsync of log files.", labels);
  return options;
}

bool is_topic_name(std::string_view name) {
  const auto allowed = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-';
  };
  return !name.empty() && name.size() <= kLongestTopic && std::ranges::all_of(name, allowed);
}

}  // namespace

LogFolder parse_log_folder(std::string_view name) {
  if (name.ends_with(kDeletedFolderSuffix))
    return {.kind = LogFolder::Kind::deleted, .partition = {}};
  const size_t dash = name.rfind('-');
  if (dash == std::string_view::npos) return {};
  const auto digits = name.substr(dash + 1);
  const auto partition = parse_number<int32_t>(digits);
  if (!partition || *partition < 0 || std::to_string(*partition) != digits) return {};
  if (!is_topic_name(name.substr(0, dash))) return {};
  return {.kind = LogFolder::Kind::log,
          .partition = {std::string(name.substr(0, dash)), PartitionId(*partition)}};
}

namespace {

std::string renamed_folder(const TopicPartition& partition, const Uuid& unique,
                           std::string_view suffix) {
  constexpr std::string_view kHex = "0123456789abcdef";
  std::string tail = "-" + std::to_string(partition.partition.value()) + ".";
  for (const std::byte byte : unique.bytes()) {
    tail += kHex[std::to_integer<size_t>(byte >> 4)];
    tail += kHex[std::to_integer<size_t>(byte & std::byte{15})];
  }
  tail += suffix;
  return partition.topic.substr(0, kLongestFileName - tail.size()) + tail;
}

}  // namespace

std::string deleted_folder_name(const TopicPartition& partition, const Uuid& unique) {
  return renamed_folder(partition, unique, kDeletedFolderSuffix);
}

std::string stray_folder_name(const TopicPartition& partition, const Uuid& unique) {
  return renamed_folder(partition, unique, kStrayFolderSuffix);
}

DataDirectory::DataDirectory(Ports ports, std::string path, Options options)
    : ports_(std::move(ports)),
      path_(std::move(path)),
      boot_id_(options.boot_id),
      disk_([&] {
        auto lanes = lane_options(options, ports_.metrics, path_);
        lanes.on_offline = [this](const Error& cause) {
          *offline_because_.lock() = std::string(cause.message());
          ports_.on_offline(*this, cause);
        };
        return std::make_unique<io::LaneDisk>(ports_.runtime.disk, ports_.runtime.clock, path_,
                                              std::move(lanes));
      }()),
      checkpoints_(std::make_unique<CheckpointWriter>(*disk_, path_,
                                                      [this] { return ports_.rows(*this); })) {}

io::Task<Result<std::unique_ptr<DataDirectory>>> DataDirectory::open(Ports ports, std::string path,
                                                                     Options options,
                                                                     Identity identity) {
  std::unique_ptr<DataDirectory> directory(
      new DataDirectory(std::move(ports), std::move(path), std::move(options)));
  auto& disk = *directory->disk_;
  CO_RETURN_IF_ERROR(co_await disk.create_directories(directory->path_));
  auto lock = co_await disk.lock(directory->path_ + "/" + kLockFile);
  if (!lock) {
    if (lock.error() != Errc::locked) co_return fail(std::move(lock).error());
    // Its own words name the process.
    co_return fail(std::move(lock).error().with_context("data directory " + directory->path_ +
                                                        " is in use by another broker"));
  }
  directory->lock_ = std::move(*lock);
  CO_RETURN_IF_ERROR(co_await directory->check_identity(std::move(identity)));
  CO_ASSIGN_OR_RETURN(directory->found_.clean,
                      co_await take_clean_shutdown(disk, directory->path_));
  CO_RETURN_IF_ERROR(co_await directory->read_boot_id());
  CO_RETURN_IF_ERROR(co_await directory->find_logs());
  // A process that died between a rename and its sync left names that a power cut takes back.
  CO_RETURN_IF_ERROR(co_await disk.sync_directory(directory->path_));
  co_return directory;
}

io::Task<Result<>> DataDirectory::check_identity(Identity identity) {
  CO_ASSIGN_OR_RETURN(const auto found, co_await read_meta_properties(*disk_, path_));
  if (found) {
    if (found->cluster_id == identity.cluster_id && found->node_id == identity.node_id)
      co_return Result<>{};
    co_return fail(Errc::wrong_cluster,
                   "data directory " + path_ + " belongs to node " +
                       std::to_string(found->node_id.value()) + " of cluster " + found->cluster_id +
                       ", this is node " + std::to_string(identity.node_id.value()) +
                       " of cluster " + identity.cluster_id +
                       "; point it to its own data directory, or empty this one to start anew");
  }
  const MetaProperties made{.cluster_id = std::move(identity.cluster_id),
                            .node_id = identity.node_id,
                            .directory_id = Uuid::random(ports_.runtime.random)};
  co_return co_await io::replace_file(*disk_, path_ + "/" + kMetaPropertiesFile, made.encode());
}

io::Task<Result<>> DataDirectory::read_boot_id() {
  const auto before = co_await io::read_file(*disk_, path_ + "/" + kBootIdFile, kLongestBootId);
  boot_noted_ = before && !boot_id_.empty() && as_text(*before) == boot_id_;
  found_.power_lost = !found_.clean && !boot_noted_;
  co_return Result<>{};
}

io::Task<Result<>> DataDirectory::note_boot() {
  if (boot_noted_ || boot_id_.empty()) co_return Result<>{};
  // Not synced: when a power cut takes it, its loss says what it would have said.
  CO_ASSIGN_OR_RETURN(const auto file,
                      co_await disk_->open(path_ + "/" + kBootIdFile, io::OpenMode::create));
  CO_RETURN_IF_ERROR(co_await file->truncate(0));
  const std::array<ByteView, 1> parts = {as_bytes(boot_id_)};
  CO_RETURN_IF_ERROR(co_await file->write_at(0, parts, io::Lane::hot));
  boot_noted_ = true;
  co_return Result<>{};
}

io::Task<Result<Checkpoint>> DataDirectory::load(const char* name, CheckpointKind kind) {
  auto entries = co_await read_checkpoint(*disk_, path_ + "/" + name, kind);
  if (entries) {
    checkpoints_->seed(name, *entries);
    co_return std::move(*entries);
  }
  // What the disk does not show now may be there: it must not be written over as empty.
  if (!(entries.error() == Errc::corrupt_file)) co_return fail(std::move(entries).error());
  ports_.log.warning("checkpoint unusable, taken for empty",
                     {{"file", path_ + "/" + name}, {"cause", entries.error().message()}});
  co_return Checkpoint{};
}

io::Task<Result<>> DataDirectory::find_logs() {
  CO_ASSIGN_OR_RETURN(const auto entries, co_await disk_->list(path_));
  absl::flat_hash_map<std::string, size_t> by_folder;
  for (const auto& entry : entries) {
    if (!entry.is_directory) continue;
    auto folder = parse_log_folder(entry.name);
    if (folder.kind == LogFolder::Kind::deleted) {
      found_.deleted.push_back(entry.name);
    } else if (folder.kind == LogFolder::Kind::log) {
      by_folder.emplace(entry.name, found_.logs.size());
      found_.logs.push_back({.partition = std::move(folder.partition), .synced_end = {}});
    } else if (entry.name != "lost+found" && entry.name != "metadata") {
      ports_.log.warning("folder left alone, it is no log", {{"folder", path_ + "/" + entry.name}});
    }
  }
  struct Source {
    const char* name;
    CheckpointKind kind;
    void (*note)(FoundLog& log, const CheckpointEntry& entry);
  };
  constexpr std::array kSources = {
      Source{kSyncedEndFile, CheckpointKind::offsets_with_id,
             [](FoundLog& log, const CheckpointEntry& entry) { log.synced_end = entry; }},
      // The synced end says more; it is read to know what the file holds.
      Source{kRecoveryPointFile, CheckpointKind::offsets, [](FoundLog&, const CheckpointEntry&) {}},
      Source{kLogStartFile, CheckpointKind::offsets,
             [](FoundLog& log, const CheckpointEntry& entry) { log.log_start = entry.offset; }},
      Source{
          kHighWatermarkFile, CheckpointKind::offsets,
          [](FoundLog& log, const CheckpointEntry& entry) { log.high_watermark = entry.offset; }},
      Source{kCleanerOffsetFile, CheckpointKind::offsets,
             [](FoundLog& log, const CheckpointEntry& entry) { log.cleaned_end = entry.offset; }}};
  for (const Source& source : kSources) {
    CO_ASSIGN_OR_RETURN(const auto checkpoint, co_await load(source.name, source.kind));
    for (const auto& entry : checkpoint) {
      const auto it = by_folder.find(entry.partition.folder());
      if (it != by_folder.end()) {
        source.note(found_.logs[it->second], entry);
      } else if (source.kind == CheckpointKind::offsets_with_id) {
        found_.lost.push_back(entry);
      }
    }
  }
  co_return Result<>{};
}

std::optional<std::string> DataDirectory::offline_because() const {
  return *offline_because_.lock();
}

io::Task<Result<>> DataDirectory::close_cleanly() {
  CO_RETURN_IF_ERROR(co_await mark_clean_shutdown(*disk_, path_));
  lock_.reset();
  co_return Result<>{};
}

}  // namespace sluice::storage
