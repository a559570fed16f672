#include <algorithm>
#include <string>
#include <utility>

#include "storage/log_set.h"
#include "storage/log_set_state.h"

// Damaged logs of a log set: how they are looked for and put right.
namespace sluice::storage {
namespace {

std::string folder_of(const LogTable::Entry& entry) {
  return entry.directory->path() + "/" + entry.log->partition().folder();
}

Error no_log(const TopicPartition& partition) {
  return {Errc::not_found, "there is no log of " + partition.folder()};
}

bool is_dense(const LogTable::Entry& entry) {
  return !entry.log->options().cleanup_compact && entry.cleaned_end.value() < 0;
}

/// As the file has them: of what lies behind damage the log itself no longer knows.
io::Task<LeaderEpochs> recorded_epochs(io::Disk& disk, std::string folder) {
  const auto content = co_await io::read_file(disk, folder + "/" + kLeaderEpochFile, 16_MiB);
  if (!content) co_return LeaderEpochs();
  auto parsed = LeaderEpochs::parse(*content);
  co_return parsed ? std::move(*parsed) : LeaderEpochs();
}

}  // namespace

io::Task<Result<>> LogSet::check_all(TopicPartition partition, const std::atomic<bool>& stopping) {
  const auto entry = state_->table.entry(partition);
  if (!entry) co_return fail(no_log(partition));
  co_return co_await entry->log->check(
      {.stopping = stopping, .from = Offset{0}, .dense = is_dense(*entry)});
}

io::Task<Result<RepairPlan>> LogSet::plan_repair(TopicPartition partition, RangeSource& source,
                                                 const std::atomic<bool>& stopping, bool proven) {
  const auto entry = state_->table.entry(partition);
  if (!entry) co_return fail(no_log(partition));
  Log& log = *entry->log;
  if (!log.is_damaged()) {
    co_return fail(Errc::invalid_request, partition.folder() + ": is not damaged");
  }
  co_await log.settle_writes();
  co_await state_->compactor.wait_idle();
  const LogOptions options = log.options();
  RepairRules rules{.dense = is_dense(*entry),
                    .committed = std::max(log.high_watermark(), entry->recorded_high_watermark),
                    .segment_bytes = options.segment_bytes,
                    .index_interval_bytes = options.index_interval_bytes,
                    .proven = proven};
  rules.promised = std::max({rules.committed, entry->recorded_synced_end, log.ends().synced_end});
  rules.epochs = co_await recorded_epochs(entry->directory->disk(), folder_of(*entry));
  co_return co_await storage::plan_repair(
      {entry->directory->disk(), state_->compaction_memory, stopping}, folder_of(*entry), rules,
      source);
}

io::Task<Result<std::shared_ptr<Log>>> LogSet::finish_repair(TopicPartition partition,
                                                             RepairPlan plan) {
  LogSetState& state = *state_;
  auto entry = state.table.take(partition);
  if (!entry) co_return fail(no_log(partition));
  const Log& old = *entry->log;
  DataDirectory& directory = *entry->directory;
  co_await entry->log->abandon();
  entry->log->outdate_slices();
  const LogEnds ends = old.ends();
  LogParams params;
  params.directory = directory.path();
  params.partition = partition;
  params.topic_id = old.topic_id();
  params.options = old.options();
  // What is missing behind the end is fetched anew: nobody counts on it meanwhile.
  params.synced_end = std::min(std::max(ends.synced_end, entry->recorded_synced_end), plan.end);
  params.recovery_point = params.synced_end;
  params.log_start = ends.start;
  params.high_watermark =
      std::min(std::max(old.high_watermark(), entry->recorded_high_watermark), plan.end);
  const bool stays_damaged = !plan.lost.empty();
  params.cleaned_end = plan.has_gaps ? std::max(entry->cleaned_end, Offset{0}) : entry->cleaned_end;
  const Offset cleaned_end = params.cleaned_end;
  Result<std::shared_ptr<Log>> log;
  auto replaced = co_await apply_repair(directory.disk(), folder_of(*entry), std::move(plan));
  if (replaced) {
    state.discarder.add_files(directory.disk(), std::move(*replaced),
                              state.ports.runtime.clock.now());
    log = co_await Log::open(state.log_ports(directory, partition), std::move(params));
  } else {
    log = fail(std::move(replaced).error());
  }
  if (!log) {
    state.table.keep_failed(*entry, log.error());
    co_return log;
  }
  if (stays_damaged) (*log)->set_damaged(old.damage().value_or("records are lost"));
  state.table.put(
      {.log = *log,
       .directory = &directory,
       .recorded_synced_end = stays_damaged ? entry->recorded_synced_end : Offset{0},
       .recorded_high_watermark = stays_damaged ? entry->recorded_high_watermark : Offset{0},
       .cleaned_end = cleaned_end});
  co_return log;
}

io::Task<Result<std::shared_ptr<Log>>> LogSet::start_over(TopicPartition partition, Uuid topic_id,
                                                          LogOptions options) {
  LogSetState& state = *state_;
  auto entry = state.table.take(partition);
  auto failed = entry ? std::nullopt : state.table.take_failed(partition);
  if (!entry && !failed) co_return fail(no_log(partition));
  const DataDirectory* place = entry ? entry->directory : failed->directory;
  const auto directory =
      std::ranges::find(state.directories, place, &std::unique_ptr<DataDirectory>::get);
  CHECK(directory != state.directories.end(), "a log lies in a directory in use");
  if (entry) {
    co_await entry->log->abandon();
    entry->log->outdate_slices();
  }
  auto aside = co_await state.put_aside(**directory, partition);
  if (!aside) {
    if (entry) {
      state.table.keep_failed(*entry, aside.error());
    } else {
      state.table.add_failed(std::move(*failed));
    }
    co_return fail(std::move(aside).error());
  }
  state.ports.log.warning("a folder that is no log of its topic is put aside",
                          {{"log", partition.folder()}, {"folder", *aside}});
  // The new one must not find what was noted about this one.
  const auto noted = co_await (*directory)->checkpoints().write();
  state.table.release(partition);
  if (!noted) co_return fail(Error(noted.error()));
  co_return co_await create(std::move(partition), topic_id, options);
}

}  // namespace sluice::storage
