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

}  // namespace

io::Task<Result<>> LogSet::check_all(TopicPartition partition, const std::atomic<bool>& stopping) {
  const auto entry = state_->table.entry(partition);
  if (!entry) co_return fail(no_log(partition));
  co_return co_await entry->log->check(
      {.stopping = stopping, .from = Offset{0}, .dense = is_dense(*entry)});
}

io::Task<Result<RepairPlan>> LogSet::plan_repair(TopicPartition partition, RangeSource& source,
                                                 const std::atomic<bool>& stopping) {
  const auto entry = state_->table.entry(partition);
  if (!entry) co_return fail(no_log(partition));
  Log& log = *entry->log;
  if (!log.is_damaged()) {
    co_return fail(Errc::invalid_request, partition.folder() + ": is not damaged");
  }
  co_await log.settle_writes();
  co_await state_->compactor.wait_idle();
  const LogOptions options = log.options();
  const RepairRules rules{
      .dense = is_dense(*entry),
      .committed = std::max(log.high_watermark(), entry->recorded_high_watermark),
      .segment_bytes = options.segment_bytes,
      .index_interval_bytes = options.index_interval_bytes};
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
  state.table.put({.log = *log, .directory = &directory, .cleaned_end = cleaned_end});
  co_return log;
}

}  // namespace sluice::storage
