#include <algorithm>
#include <mutex>
#include <utility>

#include "storage/folder_recovery.h"
#include "storage/log_set.h"
#include "storage/log_set_state.h"
#include "storage/parallel.h"
#include "storage/segment_name.h"

namespace sluice::storage {
namespace {

/// Cleanly closed logs opened at once: each waits for a handful of small reads.
constexpr size_t kOpenedAtOnce = 32;

/// A log to open and what opening it needs.
struct Job {
  DataDirectory* directory;
  DataDirectory::FoundLog found;
  /// To be validated; 0 when closed cleanly.
  uint64_t bytes = 0;
  bool failed = false;
};

/// Counts what is done and tells it, one call at a time.
class Progress {
 public:
  explicit Progress(std::function<void(const RecoveryProgress&)> tell) : tell_(std::move(tell)) {}

  void expect(size_t logs, uint64_t bytes) {
    const std::scoped_lock lock(mutex_);
    so_far_.logs_total += logs;
    so_far_.bytes_total += bytes;
    if (tell_) tell_(so_far_);
  }
  void done(size_t logs, uint64_t bytes) {
    const std::scoped_lock lock(mutex_);
    so_far_.logs_done += logs;
    so_far_.bytes_done += bytes;
    if (tell_) tell_(so_far_);
  }

 private:
  const std::function<void(const RecoveryProgress&)> tell_;
  std::mutex mutex_;
  RecoveryProgress so_far_;
};

/// Finishes or undoes what a crash interrupted, then counts the bytes in segments that reach beyond
/// `from`.
io::Task<Result<uint64_t>> prepare_recovery(io::Disk& disk, std::string folder, Offset from) {
  CO_RETURN_IF_ERROR(co_await settle_folder(disk, folder));
  CO_ASSIGN_OR_RETURN(const auto entries, co_await disk.list(folder));
  uint64_t bytes = 0, last = 0;
  for (const auto& entry : entries) {
    const auto name = parse_segment_name(entry.name);
    if (!name || name->suffix != kLogSuffix) continue;
    // Sorted by name: the segment before this one ends where this one begins.
    if (name->offset <= from) bytes = 0;
    bytes += entry.size;
    last = entry.size;
  }
  co_return std::max(bytes, last);
}

/// Drops what the checkpoints say about a log of the same name that is gone. Only the synced end
/// tells whose it is; what stands without one, or with one of nobody, is Kafka's and counts.
void forget_predecessor(DataDirectory::FoundLog& found, const Uuid& topic_id) {
  if (!found.synced_end || found.synced_end->topic_id == topic_id) return;
  if (found.synced_end->topic_id.is_zero()) {
    found.synced_end.reset();
  } else {
    found = {.partition = found.partition, .synced_end = {}};
  }
}

Offset synced_end_of(const DataDirectory::FoundLog& found) {
  return found.synced_end ? found.synced_end->offset : Offset{0};
}

/// The opening of all logs of all directories.
class Opening {
 public:
  Opening(LogSetState& state, std::function<LogOptions(const TopicPartition&, const Uuid&)> options,
          std::function<void(const RecoveryProgress&)> tell)
      : state_(state), options_of_(std::move(options)), progress_(std::move(tell)) {}

  io::Task<void> run();

 private:
  /// Takes the jobs that the predicate picks, `at_once` at a time.
  io::Task<void> each(bool clean, size_t at_once, io::Task<void> (Opening::*step)(Job&));
  io::Task<void> prepare(Job& job);
  io::Task<void> open(Job& job);
  io::Task<Result<std::shared_ptr<Log>>> open_log(Job& job);
  io::Task<Result<std::optional<Uuid>>> topic_id_of(const Job& job, std::string folder);
  void failed(Job& job, Error cause);
  static bool is_clean(const Job& job) { return job.directory->found().clean; }

  LogSetState& state_;
  const std::function<LogOptions(const TopicPartition&, const Uuid&)> options_of_;
  Progress progress_;
  std::vector<Job> jobs_;
};

io::Task<void> Opening::each(bool clean, size_t at_once, io::Task<void> (Opening::*step)(Job&)) {
  std::vector<Job*> picked;
  for (Job& job : jobs_)
    if (is_clean(job) == clean && !job.failed) picked.push_back(&job);
  co_await run_on_workers(state_.ports.runtime.executor, picked.size(), at_once,
                          [&](size_t i) { return (this->*step)(*picked[i]); });
}

io::Task<void> Opening::run() {
  for (const auto& directory : state_.directories) {
    for (auto& lost : directory->found().lost) state_.table.add_lost(std::move(lost), *directory);
    for (auto& found : directory->found().logs)
      jobs_.push_back({.directory = directory.get(), .found = std::move(found)});
  }
  const size_t recovered_at_once = std::max<size_t>(state_.options.recovery_parallelism, 1);
  co_await each(false, recovered_at_once, &Opening::prepare);
  uint64_t bytes = 0;
  for (const Job& job : jobs_) bytes += job.bytes;
  progress_.expect(jobs_.size(), bytes);
  co_await each(true, kOpenedAtOnce, &Opening::open);
  co_await each(false, recovered_at_once, &Opening::open);
}

io::Task<void> Opening::prepare(Job& job) {
  const Offset from = synced_end_of(job.found);
  auto bytes = co_await prepare_recovery(
      job.directory->disk(), job.directory->path() + "/" + job.found.partition.folder(), from);
  if (bytes) {
    job.bytes = *bytes;
  } else {
    failed(job, std::move(bytes).error());
  }
}

io::Task<void> Opening::open(Job& job) {
  if (!state_.table.claim(job.found.partition)) {
    // Not in the table: it would hide the one that is.
    state_.ports.log.error(
        "log left out, another directory has one of that name",
        {{"folder", job.directory->path() + "/" + job.found.partition.folder()}});
    state_.table.add_duplicate(std::move(job.found), *job.directory);
    progress_.done(1, 0);
    co_return;
  }
  auto log = co_await open_log(job);
  if (log && (*log)->topic_id().is_zero() && (*log)->ends().end == Offset(0)) {
    // The id is written last: its making was cut short, nobody was told of it.
    co_await (*log)->abandon();
    log->reset();
    auto removed = co_await state_.remove_folder(*job.directory, job.found.partition);
    if (removed) {
      state_.table.release(job.found.partition);
      progress_.done(1, 0);
      co_return;
    }
    log = fail(std::move(removed).error());
  }
  if (!log) {
    failed(job, std::move(log).error());
    co_return;
  }
  state_.table.put(
      {.log = *log,
       .directory = job.directory,
       .recorded_synced_end = synced_end_of(job.found),
       .recorded_high_watermark = (*log)->is_damaged() ? job.found.high_watermark : Offset{0},
       .cleaned_end = std::min(job.found.cleaned_end, (*log)->ends().end)});
  progress_.done(1, 0);
}

/// Whose the folder is, its file says, which no checksum covers. Where the checkpoint and the
/// metadata agree against it, it has gone bad, and is written again.
io::Task<Result<std::optional<Uuid>>> Opening::topic_id_of(const Job& job, std::string folder) {
  auto said = co_await read_topic_id(job.directory->disk(), folder);
  if (!said && said.error() != Errc::corrupt_file) co_return said;
  const auto& recorded = job.found.synced_end;
  if (!recorded || recorded->topic_id.is_zero() || !state_.ports.topic_id_of) co_return said;
  const Uuid id = recorded->topic_id;
  if ((said && *said == id) || state_.ports.topic_id_of(job.found.partition) != id) co_return said;
  state_.ports.log.warning(
      "topic id of a log is written again, as the checkpoint and the metadata have it",
      {{"log", folder},
       {"topic_id", id.text()},
       {"instead_of", !said   ? said.error().message()
                      : *said ? (*said)->text()
                              : "none"}});
  CO_RETURN_IF_ERROR(co_await write_topic_id(job.directory->disk(), folder, id));
  co_return id;
}

io::Task<Result<std::shared_ptr<Log>>> Opening::open_log(Job& job) {
  const std::string folder = job.directory->path() + "/" + job.found.partition.folder();
  CO_ASSIGN_OR_RETURN(const auto topic_id, co_await topic_id_of(job, folder));
  forget_predecessor(job.found, topic_id.value_or(Uuid()));
  LogParams params;
  params.directory = job.directory->path();
  params.partition = job.found.partition;
  params.topic_id = topic_id.value_or(Uuid());
  params.options = options_of_(params.partition, params.topic_id);
  params.synced_end = synced_end_of(job.found);
  params.recovery_point = params.synced_end;
  params.log_start = job.found.log_start;
  params.high_watermark = job.found.high_watermark;
  params.cleaned_end = job.found.cleaned_end;
  params.clean = is_clean(job);
  params.power_lost = job.directory->found().power_lost;
  params.on_recovered = [this](uint64_t bytes) { progress_.done(0, bytes); };
  co_return co_await Log::open(state_.log_ports(*job.directory, job.found.partition),
                               std::move(params));
}

void Opening::failed(Job& job, Error cause) {
  job.failed = true;
  state_.ports.log.error("log not opened", {{"log", job.found.partition.folder()},
                                            {"directory", job.directory->path()},
                                            {"cause", cause.message()}});
  state_.table.add_failed(
      {.found = std::move(job.found), .directory = job.directory, .cause = std::move(cause)});
  progress_.done(1, 0);
}

io::Task<void> open_directories(LogSetState& state, LogSetIdentity identity,
                                std::vector<std::optional<Error>>& errors) {
  const auto& paths = state.options.directories;
  std::vector<std::unique_ptr<DataDirectory>> opened(paths.size());
  errors.resize(paths.size());
  co_await run_on_workers(state.ports.runtime.executor, paths.size(), paths.size(),
                          [&](size_t i) -> io::Task<void> {
                            auto directory = co_await DataDirectory::open(
                                state.directory_ports(), paths[i],
                                {.in_flight = state.options.lanes.in_flight,
                                 .timeout = state.options.lanes.timeout,
                                 .boot_id = state.options.boot_id},
                                {.cluster_id = identity.cluster_id, .node_id = identity.node_id});
                            if (directory) {
                              opened[i] = std::move(*directory);
                            } else {
                              errors[i] = std::move(directory).error();
                            }
                          });
  std::erase(opened, nullptr);
  state.directories = std::move(opened);
}

/// What is left to do once the logs are open.
io::Task<void> settle(LogSetState& state, DataDirectory& directory) {
  for (const auto& folder : directory.found().deleted)
    state.discarder.add_folder(directory.disk(), directory.path() + "/" + folder, TimePoint{});
  // What a crash left in the checkpoints about logs that are gone goes before any is made anew.
  if (const auto written = co_await directory.checkpoints().write(); !written) {
    state.ports.log.error("checkpoints not written",
                          {{"directory", directory.path()}, {"cause", written.error().message()}});
  }
  if (!state.options.stop_must_be_known) co_await state.note_boot(directory);
}

io::Task<Result<>> settle_directories(LogSetState& state) {
  bool any_online = false;
  for (const auto& directory : state.directories) {
    co_await settle(state, *directory);
    any_online = any_online || !directory->offline_because();
  }
  if (any_online) co_return Result<>{};
  for (const auto& log : state.table.all()) co_await log->abandon();
  co_return fail(Errc::disk_offline, "every data directory went offline while it was opened: " +
                                         *state.directories.front()->offline_because());
}

/// In use elsewhere or another's: a mistake of whoever starts us, not a broken disk.
bool is_misconfigured(const Error& error) {
  return error == Errc::locked || error == Errc::wrong_cluster;
}

}  // namespace

io::Task<Result<std::unique_ptr<LogSet>>> LogSet::open(
    LogSetPorts ports, LogSetOptions options, LogSetIdentity identity,
    std::function<LogOptions(const TopicPartition&, const Uuid&)> options_of,
    std::function<void(const RecoveryProgress&)> on_progress) {
  if (options.directories.empty())
    co_return fail(Errc::invalid_argument, "no data directory is configured; name at least one");
  auto state = std::make_unique<LogSetState>(std::move(ports), std::move(options));
  std::vector<std::optional<Error>> errors;
  co_await open_directories(*state, std::move(identity), errors);
  for (size_t i = 0; i < errors.size(); ++i) {
    if (!errors[i]) continue;
    if (is_misconfigured(*errors[i]) || state->directories.empty())
      co_return fail(std::move(*errors[i]));
    state->ports.log.error("data directory left out", {{"directory", state->options.directories[i]},
                                                       {"cause", errors[i]->message()}});
    state->left_out.emplace_back(state->options.directories[i], errors[i]->message());
  }
  {
    Opening opening(*state, std::move(options_of), std::move(on_progress));
    co_await opening.run();
  }
  CO_RETURN_IF_ERROR(co_await settle_directories(*state));
  state->background = std::make_unique<Background>(
      Background::Ports{.runtime = state->ports.runtime,
                        .log = state->ports.log,
                        .table = state->table,
                        .directories = state->directories,
                        .discarder = state->discarder,
                        .compactor = state->compactor,
                        .files = state->files,
                        .on_start_moved = state->ports.on_start_moved,
                        .metrics = state->ports.metrics},
      Background::Intervals{.checkpoint = state->options.checkpoint_interval,
                            .retention = state->options.retention_interval,
                            .compaction = state->options.compaction_interval,
                            .scrub = state->options.scrub_interval,
                            .scrub_bytes_per_second = state->options.scrub_bytes_per_second});
  co_return std::unique_ptr<LogSet>(new LogSet(std::move(state)));
}

}  // namespace sluice::storage
