#include "storage/log_table.h"

#include <algorithm>
#include <utility>

namespace sluice::storage {
namespace {

CheckpointRow row_of(const LogTable::Entry& entry) {
  const LogEnds ends = entry.log->ends();
  const bool damaged = entry.log->damage().has_value();
  return {.partition = entry.log->partition(),
          .topic_id = entry.log->topic_id(),
          .synced_end =
              damaged ? std::max(ends.synced_end, entry.recorded_synced_end) : ends.synced_end,
          .log_start = ends.start,
          .high_watermark =
              damaged ? std::max(entry.log->high_watermark(), entry.recorded_high_watermark)
                      : entry.log->high_watermark(),
          .cleaned_end = std::min(entry.cleaned_end, ends.end)};
}

CheckpointRow row_of(const DataDirectory::FoundLog& found) {
  CheckpointRow row{.partition = found.partition,
                    .topic_id = {},
                    .synced_end = {},
                    .log_start = found.log_start,
                    .high_watermark = found.high_watermark,
                    .cleaned_end = found.cleaned_end};
  if (found.synced_end) {
    row.topic_id = found.synced_end->topic_id;
    row.synced_end = found.synced_end->offset;
  }
  return row;
}

}  // namespace

std::shared_ptr<Log> LogTable::find(const TopicPartition& partition) const {
  const auto tables = tables_.lock();
  const auto it = tables->logs.find(partition);
  return it == tables->logs.end() ? nullptr : it->second.log;
}

std::optional<LogTable::Entry> LogTable::entry(const TopicPartition& partition) const {
  const auto tables = tables_.lock();
  const auto it = tables->logs.find(partition);
  if (it == tables->logs.end()) return std::nullopt;
  return it->second;
}

std::optional<Error> LogTable::find_failed(const TopicPartition& partition) const {
  const auto tables = tables_.lock();
  const auto it = tables->failed.find(partition);
  if (it == tables->failed.end()) return std::nullopt;
  return it->second.cause;
}

std::vector<std::shared_ptr<Log>> LogTable::all() const {
  std::vector<std::shared_ptr<Log>> logs;
  const auto tables = tables_.lock();
  logs.reserve(tables->logs.size());
  for (const auto& item : tables->logs) logs.push_back(item.second.log);
  return logs;
}

std::vector<LogTable::Entry> LogTable::entries() const {
  std::vector<Entry> entries;
  const auto tables = tables_.lock();
  entries.reserve(tables->logs.size());
  for (const auto& item : tables->logs) entries.push_back(item.second);
  return entries;
}

size_t LogTable::logs_in(const DataDirectory& directory) const {
  const auto tables = tables_.lock();
  return static_cast<size_t>(std::ranges::count_if(
      tables->logs, [&](const auto& item) { return item.second.directory == &directory; }));
}

bool LogTable::any_failed_in(const DataDirectory& directory) const {
  const auto tables = tables_.lock();
  const auto failed = [&](const auto& item) { return item.second.directory == &directory; };
  const auto duplicate = [&](const auto& item) { return item.second == &directory; };
  return std::ranges::any_of(tables->failed, failed) ||
         std::ranges::any_of(tables->duplicates, duplicate);
}

bool LogTable::claim(const TopicPartition& partition) {
  auto tables = tables_.lock();
  if (tables->logs.contains(partition) || tables->failed.contains(partition)) return false;
  return tables->claimed.insert(partition).second;
}

std::optional<LogTable::Entry> LogTable::take(const TopicPartition& partition) {
  auto tables = tables_.lock();
  const auto it = tables->logs.find(partition);
  if (it == tables->logs.end()) return std::nullopt;
  Entry entry = std::move(it->second);
  tables->logs.erase(it);
  // Whatever becomes of it now, it is no loss.
  std::erase_if(tables->lost, [&](const auto& item) { return item.first.partition == partition; });
  tables->claimed.insert(partition);
  return entry;
}

void LogTable::put(Entry entry) {
  const TopicPartition partition = entry.log->partition();
  auto tables = tables_.lock();
  tables->claimed.erase(partition);
  const bool added = tables->logs.emplace(partition, std::move(entry)).second;
  CHECK(added, "a partition has one log");
}

void LogTable::release(const TopicPartition& partition) {
  tables_.lock()->claimed.erase(partition);
}

void LogTable::add_failed(Failed failed) {
  auto tables = tables_.lock();
  tables->claimed.erase(failed.found.partition);
  const TopicPartition partition = failed.found.partition;
  tables->failed.insert_or_assign(partition, std::move(failed));
}

std::optional<LogTable::Failed> LogTable::take_failed(const TopicPartition& partition) {
  auto tables = tables_.lock();
  const auto it = tables->failed.find(partition);
  if (it == tables->failed.end()) return std::nullopt;
  Failed failed = std::move(it->second);
  tables->failed.erase(it);
  tables->claimed.insert(partition);
  return failed;
}

void LogTable::add_duplicate(DataDirectory::FoundLog found, const DataDirectory& directory) {
  tables_.lock()->duplicates.emplace_back(std::move(found), &directory);
}

void LogTable::add_lost(CheckpointEntry entry, const DataDirectory& directory) {
  tables_.lock()->lost.emplace_back(std::move(entry), &directory);
}

Offset LogTable::lost_end(const TopicPartition& partition, const Uuid& topic_id) const {
  const auto tables = tables_.lock();
  for (const auto& [entry, place] : tables->lost) {
    if (entry.partition == partition && entry.topic_id == topic_id) return entry.offset;
  }
  return Offset{0};
}

void LogTable::keep_failed(const Entry& taken, Error cause) {
  const CheckpointRow row = row_of(taken);
  add_failed({.found = {.partition = row.partition,
                        .synced_end = CheckpointEntry{.partition = row.partition,
                                                      .offset = row.synced_end,
                                                      .topic_id = row.topic_id},
                        .log_start = row.log_start,
                        .high_watermark = row.high_watermark,
                        .cleaned_end = row.cleaned_end},
              .directory = taken.directory,
              .cause = std::move(cause)});
}

void LogTable::set_cleaned_end(const Log& log, Offset end) {
  auto tables = tables_.lock();
  const auto it = tables->logs.find(log.partition());
  if (it != tables->logs.end() && it->second.log.get() == &log) it->second.cleaned_end = end;
}

void LogTable::lower_cleaned_end(const TopicPartition& partition, Offset end) {
  auto tables = tables_.lock();
  const auto it = tables->logs.find(partition);
  if (it != tables->logs.end()) it->second.cleaned_end = std::min(it->second.cleaned_end, end);
}

std::vector<CheckpointRow> LogTable::rows(const DataDirectory& directory) const {
  std::vector<CheckpointRow> rows;
  for (const Entry& entry : entries())
    if (entry.directory == &directory) rows.push_back(row_of(entry));
  const auto tables = tables_.lock();
  for (const auto& item : tables->failed)
    if (item.second.directory == &directory) rows.push_back(row_of(item.second.found));
  for (const auto& [found, place] : tables->duplicates)
    if (place == &directory) rows.push_back(row_of(found));
  for (const auto& [entry, place] : tables->lost) {
    if (place != &directory || tables->logs.contains(entry.partition)) continue;
    rows.push_back(
        row_of(DataDirectory::FoundLog{.partition = entry.partition, .synced_end = entry}));
  }
  return rows;
}

}  // namespace sluice::storage
