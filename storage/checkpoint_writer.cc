#include "storage/checkpoint_writer.h"

#include <algorithm>
#include <utility>

namespace sluice::storage {

CheckpointWriter::CheckpointWriter(io::Disk& disk, std::string directory,
                                   std::function<std::vector<CheckpointRow>()> rows)
    : disk_(disk),
      directory_(std::move(directory)),
      rows_(std::move(rows)),
      files_{File{kSyncedEndFile, CheckpointKind::offsets_with_id, {}},
             File{kRecoveryPointFile, CheckpointKind::offsets, {}},
             File{kLogStartFile, CheckpointKind::offsets, {}},
             File{kHighWatermarkFile, CheckpointKind::offsets, {}},
             File{kCleanerOffsetFile, CheckpointKind::offsets, {}}} {}

void CheckpointWriter::seed(std::string_view name, const Checkpoint& entries) {
  for (File& file : files_)
    if (name == file.name) file.written = encode_checkpoint(entries, file.kind);
}

io::Task<Result<>> CheckpointWriter::write() {
  const uint64_t mine = asked_.fetch_add(1) + 1;
  const auto turn = co_await writing_.lock();
  if (served_ >= mine) co_return Result<>{};
  const uint64_t all = asked_.load();
  CO_RETURN_IF_ERROR(co_await write_now());
  served_ = all;
  co_return Result<>{};
}

io::Task<Result<>> CheckpointWriter::write_now() {
  auto rows = rows_();
  std::ranges::sort(rows, {}, &CheckpointRow::partition);
  std::array<Checkpoint, 5> entries;
  for (const auto& row : rows) {
    entries[0].push_back({row.partition, row.synced_end, row.topic_id});
    entries[1].push_back({row.partition, row.synced_end, {}});
    if (row.log_start.value() > 0) entries[2].push_back({row.partition, row.log_start, {}});
    entries[3].push_back({row.partition, row.high_watermark, {}});
    if (row.cleaned_end.value() >= 0) entries[4].push_back({row.partition, row.cleaned_end, {}});
  }
  for (size_t i = 0; i < files_.size(); ++i)
    CO_RETURN_IF_ERROR(co_await write_file(files_[i], std::move(entries[i])));
  co_return Result<>{};
}

io::Task<Result<>> CheckpointWriter::write_file(File& file, Checkpoint entries) {
  auto content = encode_checkpoint(entries, file.kind);
  if (content == file.written) co_return Result<>{};
  // Until the new content is known to be there, neither old nor new is.
  file.written.clear();
  CO_RETURN_IF_ERROR(co_await io::replace_file(disk_, directory_ + "/" + file.name, content));
  file.written = std::move(content);
  co_return Result<>{};
}

}  // namespace sluice::storage
