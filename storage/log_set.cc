#include "storage/log_set.h"

#include <algorithm>
#include <utility>

#include "storage/log_set_state.h"
#include "storage/parallel.h"

namespace sluice::storage {
namespace {

/// Logs closed at once: what they wait for is the device, which likes company.
constexpr size_t kClosedAtOnce = 32;
/// What compaction takes beside its key table: room for the largest batches it reads.
constexpr size_t kCompactionBuffers = 64_MiB;

Error taken(const TopicPartition& partition, const std::optional<Error>& failed) {
  if (!failed)
    return {Errc::already_exists, "there is a log of " + partition.folder() + " already"};
  return Error(*failed).with_context("the folder of " + partition.folder() +
                                     " exists but its log could not be opened");
}

Error none_such(const TopicPartition& partition) {
  return {Errc::not_found, "there is no log of " + partition.folder()};
}

constexpr std::string_view kMaps = "index_maps";
constexpr std::string_view kMappedBytes = "index_mapped_bytes";

}  // namespace

LogSetState::LogSetState(LogSetPorts to, LogSetOptions chosen)
    : ports(std::move(to)),
      options(std::move(chosen)),
      files(options.max_open_files),
      maps(options.max_index_maps, options.max_mapped_index_bytes),
      producer_memory(ports.memory.child("producer_state", ports.memory.cap() / 8)),
      compaction_memory(
          ports.memory.child("compaction", options.compaction_map_bytes + kCompactionBuffers)),
      discarder(ports.log),
      compactor({.executor = ports.runtime.executor,
                 .random = ports.runtime.random,
                 .clock = ports.runtime.clock,
                 .memory = compaction_memory,
                 .log = ports.log},
                options.compaction_map_bytes) {
  ports.metrics.gauge(kMaps, "Index files that are mapped.", {},
                      [this] { return static_cast<double>(maps.open()); });
  ports.metrics.gauge(kMappedBytes,
                      "What the mapped index files hold; how much of it is resident "
                      "is the page cache's.",
                      {}, [this] { return static_cast<double>(maps.bytes()); });
}

LogSetState::~LogSetState() {
  ports.metrics.drop_gauge(kMaps, {});
  ports.metrics.drop_gauge(kMappedBytes, {});
}

LogPorts LogSetState::log_ports(DataDirectory& directory, const TopicPartition& partition) {
  return {
      .disk = directory.disk(),
      .clock = ports.runtime.clock,
      .files = files,
      .maps = maps,
      .memory = producer_memory,
      .log = ports.log,
      .executor = &ports.runtime.executor,
      .before_truncation =
          [this, &directory](TopicPartition cut, Offset end) {
            table.lower_cleaned_end(cut, end);
            return directory.checkpoints().write();
          },
      .discard =
          [this, &directory, partition](std::vector<std::string> paths) {
            const auto log = table.find(partition);
            const Duration delay = log ? log->options().file_delete_delay_ms : 0ms;
            discarder.add_files(directory.disk(), std::move(paths),
                                ports.runtime.clock.now() + delay);
          },
      .take_offline = [&directory](const Error& cause) { directory.disk().take_offline(cause); },
      .on_damage =
          [this, partition] {
            if (ports.on_damage) ports.on_damage(partition);
          }};
}

DataDirectory::Ports LogSetState::directory_ports() {
  return {.runtime = ports.runtime,
          .metrics = ports.metrics,
          .log = ports.log,
          .rows = [this](const DataDirectory& directory) { return table.rows(directory); },
          .on_offline =
              [this](const DataDirectory& directory, const Error& cause) {
                ports.log.error("data directory offline until restart",
                                {{"directory", directory.path()}, {"cause", cause.message()}});
                if (ports.on_directory_offline) ports.on_directory_offline(directory.path(), cause);
              }};
}

io::Task<Result<>> LogSetState::remove_folder(DataDirectory& directory, TopicPartition partition) {
  CO_ASSIGN_OR_RETURN(std::string renamed, co_await hide_folder(directory, std::move(partition)));
  discard_folder(directory, std::move(renamed));
  co_return Result<>{};
}

namespace {

io::Task<Result<std::string>> rename_folder(DataDirectory& directory, std::string folder,
                                            std::string to) {
  std::string renamed = directory.path() + "/" + to;
  CO_RETURN_IF_ERROR(co_await directory.disk().rename(directory.path() + "/" + folder, renamed));
  CO_RETURN_IF_ERROR(co_await directory.disk().sync_directory(directory.path()));
  co_return renamed;
}

}  // namespace

io::Task<Result<std::string>> LogSetState::hide_folder(DataDirectory& directory,
                                                       TopicPartition partition) {
  return rename_folder(directory, partition.folder(),
                       deleted_folder_name(partition, Uuid::random(ports.runtime.random)));
}

io::Task<Result<std::string>> LogSetState::put_aside(DataDirectory& directory,
                                                     TopicPartition partition) {
  return rename_folder(directory, partition.folder(),
                       stray_folder_name(partition, Uuid::random(ports.runtime.random)));
}

void LogSetState::discard_folder(DataDirectory& directory, std::string path) {
  discarder.add_folder(directory.disk(), std::move(path), ports.runtime.clock.now());
}

io::Task<void> LogSetState::note_boot(DataDirectory& directory) {
  if (table.any_failed_in(directory) || directory.offline_because()) co_return;
  if (const auto noted = co_await directory.note_boot(); !noted) {
    ports.log.warning("boot id not written, a killed process will look like a power cut",
                      {{"directory", directory.path()}, {"cause", noted.error().message()}});
  }
}

DataDirectory* LogSetState::roomiest() const {
  DataDirectory* best = nullptr;
  size_t fewest = 0;
  for (const auto& directory : directories) {
    if (directory->offline_because()) continue;
    const size_t logs = table.logs_in(*directory);
    if (best == nullptr || logs < fewest) {
      best = directory.get();
      fewest = logs;
    }
  }
  return best;
}

LogSet::LogSet(std::unique_ptr<LogSetState> state) : state_(std::move(state)) {}
LogSet::~LogSet() {
  CHECK(state_->closed || state_->table.all().empty(), "a log set is closed before it dies");
}

std::shared_ptr<Log> LogSet::find(const TopicPartition& partition) const {
  return state_->table.find(partition);
}

std::vector<std::shared_ptr<Log>> LogSet::all() const { return state_->table.all(); }

std::optional<Error> LogSet::find_failed(const TopicPartition& partition) const {
  return state_->table.find_failed(partition);
}

io::Task<Result<std::shared_ptr<Log>>> LogSet::create(TopicPartition partition, Uuid topic_id,
                                                      LogOptions options) {
  LogSetState& state = *state_;
  if (!state.table.claim(partition))
    co_return fail(taken(partition, state.table.find_failed(partition)));
  DataDirectory* const directory = state.roomiest();
  if (directory == nullptr) {
    state.table.release(partition);
    co_return fail(Errc::disk_offline, "no data directory is left to make " + partition.folder() +
                                           " in; all are offline until a restart");
  }
  LogParams params;
  params.directory = directory->path();
  params.partition = partition;
  params.topic_id = topic_id;
  params.options = options;
  auto log = co_await Log::create(state.log_ports(*directory, partition), std::move(params));
  if (!log) {
    state.table.release(partition);
    co_return fail(std::move(log).error());
  }
  // Last: its directory sync makes the log's first files durable too.
  auto named = co_await write_topic_id(directory->disk(),
                                       directory->path() + "/" + partition.folder(), topic_id);
  if (!named) {
    co_await (*log)->abandon();
    state.table.release(partition);
    co_return fail(std::move(named).error());
  }
  const Offset lost = state.table.lost_end(partition, topic_id);
  if (lost > Offset(0)) {
    (*log)->set_damaged(directory->path() + "/" + partition.folder() +
                        ": the folder is gone, though everything before " +
                        std::to_string(lost.value()) +
                        " was synced; restore the partition from a replica or a backup");
  }
  state.table.put({.log = *log, .directory = directory, .recorded_synced_end = lost});
  if (lost > Offset(0)) {
    // Before the folder, empty as it is, could be taken for all there was.
    CO_RETURN_IF_ERROR(co_await directory->checkpoints().write());
  }
  co_return std::move(*log);
}

io::Task<Result<>> LogSet::remove(TopicPartition partition) {
  LogSetState& state = *state_;
  auto entry = state.table.take(partition);
  if (!entry) co_return fail(none_such(partition));
  DataDirectory& directory = *entry->directory;
  co_await entry->log->abandon();
  auto hidden = co_await state.hide_folder(directory, partition);
  if (!hidden) {
    state.table.keep_failed(*entry, hidden.error());
    co_return fail(std::move(hidden).error());
  }
  entry->log.reset();
  // A log of that name that is made later must not find what was noted about this one.
  auto noted = co_await directory.checkpoints().write();
  // In any case: a full disk that cannot take the checkpoints needs the room.
  state.discard_folder(directory, std::move(*hidden));
  state.table.release(partition);
  co_return noted;
}

io::Task<Result<Offset>> LogSet::delete_records(TopicPartition partition, Offset before) {
  const auto entry = state_->table.entry(partition);
  if (!entry) co_return fail(none_such(partition));
  Log& log = *entry->log;
  const Offset high_watermark = log.high_watermark();
  if (before.value() < 0) before = high_watermark;
  if (before > high_watermark) {
    co_return fail(Errc::offset_out_of_range,
                   partition.folder() + ": records can be deleted up to the high watermark " +
                       std::to_string(high_watermark.value()) + ", not up to " +
                       std::to_string(before.value()));
  }
  if (before.value() > 0) {
    CO_RETURN_IF_ERROR(co_await log.advance_start(before));
    // Also when the log begins there already: a call before this one may have failed here.
    CO_RETURN_IF_ERROR(co_await entry->directory->checkpoints().write());
  }
  co_return log.ends().start;
}

void LogSet::check(const std::string& path) {
  for (const auto& entry : state_->table.entries()) {
    const std::string folder = entry.directory->path() + "/" + entry.log->partition().folder();
    if (path.starts_with(folder + "/")) state_->background->check(entry.log, Offset{0});
  }
}

void LogSet::check(const TopicPartition& partition, Offset from) {
  if (auto log = state_->table.find(partition)) state_->background->check(std::move(log), from);
}

void LogSet::give_up_idle_files() {
  state_->files.shrink_to(state_->files.limit() * 7 / 10);
  state_->maps.shrink_to(state_->maps.limit() * 7 / 10);
}

void LogSet::start() { state_->background->start(); }

io::Task<Result<>> LogSet::close() {
  LogSetState& state = *state_;
  co_await state.background->stop();
  const auto entries = state.table.entries();
  std::vector<std::optional<Error>> failures(entries.size());
  co_await run_on_workers(state.ports.runtime.executor, entries.size(), kClosedAtOnce,
                          [&](size_t i) -> io::Task<void> {
                            if (entries[i].directory->offline_because()) {
                              co_await entries[i].log->abandon();
                            } else if (auto closed = co_await entries[i].log->close(); !closed) {
                              failures[i] = std::move(closed).error();
                            }
                          });
  co_await state.discarder.remove_due(TimePoint::max());

  Result<> outcome;
  for (const auto& directory : state.directories) {
    if (directory->offline_because()) continue;
    bool whole = !state.table.any_failed_in(*directory);
    for (size_t i = 0; i < entries.size(); ++i) {
      if (entries[i].directory != directory.get()) continue;
      // Damage is found again only by an open that looks for it.
      whole = whole && !failures[i] && !entries[i].log->damage();
      // What was damaged before is no failure of the stop.
      const bool failed = failures[i] && *failures[i] != Errc::partition_corrupt;
      if (failed && outcome) outcome = fail(std::move(*failures[i]));
    }
    auto closed = co_await directory->checkpoints().write();
    const bool known =
        state.stop_is_known || !state.options.stop_must_be_known || directory->found().clean;
    if (closed && whole && known) closed = co_await directory->close_cleanly();
    if (!closed && outcome) outcome = std::move(closed);
  }
  state.closed = true;
  co_return outcome;
}

io::Task<void> LogSet::stop_is_known() {
  state_->stop_is_known = true;
  for (const auto& directory : state_->directories) co_await state_->note_boot(*directory);
}

std::vector<LogSet::Directory> LogSet::directories() const {
  std::vector<Directory> all;
  for (const auto& directory : state_->directories) {
    Directory shown{.path = directory->path(),
                    .offline_because = directory->offline_because(),
                    .stopped_cleanly = directory->found().clean,
                    .power_lost = directory->found().power_lost};
    for (const auto& entry : state_->table.entries()) {
      if (entry.directory != directory.get()) continue;
      ++shown.logs;
      shown.bytes += entry.log->ends().bytes;
    }
    all.push_back(std::move(shown));
  }
  for (const auto& [path, why] : state_->left_out)
    all.push_back({.path = path, .offline_because = why});
  return all;
}

}  // namespace sluice::storage
