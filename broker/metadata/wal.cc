#include "broker/metadata/wal.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <utility>

#include "base/check.h"
#include "base/mutation.h"
#include "broker/metadata/wal_codec.h"
#include "broker/metadata/wal_frame.h"

namespace sluice::broker {
namespace {

std::string numbered(const char* prefix, uint64_t number) {
  std::array<char, 48> name;
  std::snprintf(name.data(), name.size(), "%s-%020llu", prefix,
                static_cast<unsigned long long>(number));
  return name.data();
}

/// Not on the control loop, which ticks.
constexpr io::Lane kLargeWrites = io::Lane::background;
/// Up to so much is copied into the page cache sooner than another thread is woken.
constexpr size_t kSmallFrame = 64_KiB;

io::Task<Result<>> write_zeros(io::File& file, uint64_t from, uint64_t to) {
  static constexpr std::array<std::byte, 64_KiB> kZeros{};
  while (from < to) {
    const std::array<ByteView, 1> part = {
        ByteView(kZeros).first(std::min<uint64_t>(kZeros.size(), to - from))};
    CO_RETURN_IF_ERROR(co_await file.write_at(from, part, kLargeWrites));
    from += part[0].size();
  }
  co_return Result<>{};
}

}  // namespace

std::string wal_file_name(uint64_t sequence) { return numbered("wal", sequence); }
std::string wal_snapshot_name(uint64_t index) { return numbered("snapshot", index); }

std::string Wal::path_of(uint64_t sequence) const {
  return directory_ + "/" + wal_file_name(sequence);
}

io::Task<Result<>> Wal::append(WalBatch batch) {
  if (failed_) co_return fail(*failed_);
  const std::optional<HardState> hard_state = batch.hard_state;
  std::vector<std::byte> payload = wal::encode_batch(batch);
  const auto fits = [&] {
    return file_ != nullptr && position_ + wal::frame_size(payload.size()) <= file_bytes_;
  };
  // A file that stands alone must know the hard state too; its first frame may come long after its
  // header, when one before found no space, or after a crash between the two.
  if (!fits() || position_ == wal::kFileHeaderSize) {
    if (!batch.hard_state) batch.hard_state = hard_state_;
    payload = wal::encode_batch(batch);
  }
  if (!fits() && payload.size() <= wal::kMaxPayload) {
    CO_RETURN_IF_ERROR(co_await roll(wal::kFileHeaderSize + wal::frame_size(payload.size())));
  }
  if (payload.size() > wal::kMaxPayload) {
    co_return fail(Errc::invalid_argument,
                   "metadata: a change of " + std::to_string(payload.size()) +
                       " bytes is larger than " + std::to_string(wal::kMaxPayload) +
                       "; make it in several steps");
  }
  CO_RETURN_IF_ERROR(co_await write(wal::encode_frame(sequence_, next_number_, payload)));
  ++next_number_;
  if (batch.start) last_index_ = std::max(last_index_, batch.start->index);
  if (batch.truncate_from) last_index_ = std::min(last_index_, *batch.truncate_from - 1);
  if (!batch.entries.empty()) last_index_ = batch.entries.back().index;
  if (hard_state) hard_state_ = *hard_state;
  co_return Result<>{};
}

io::Task<Result<>> Wal::write(const std::vector<std::byte>& frame) {
  const std::array<ByteView, 1> parts = {frame};
  // What a failed write left behind is overwritten by the next one, or cut as torn.
  const io::Lane lane = frame.size() > kSmallFrame ? kLargeWrites : io::Lane::commit;
  CO_RETURN_IF_ERROR(co_await file_->write_at(position_, parts, lane));
  const bool syncs = !mutated(Mutation::forget_metadata);
  if (auto synced = syncs ? co_await file_->sync(io::Lane::commit) : Result<>{}; !synced) {
    failed_ = std::move(synced).error();
    co_return fail(*failed_);
  }
  position_ += frame.size();
  bytes_since_snapshot_ += frame.size();
  co_await mark_synced();
  co_return Result<>{};
}

/// Else a last frame that goes bad later would look torn, and be cut: the voter would forget what
/// it has said. Not synced, because it is not needed; a power cut that takes it leaves that doubt.
io::Task<void> Wal::mark_synced() {
  const auto mark = wal::encode_mark(sequence_, next_number_ + 1);
  if (position_ + mark.size() > file_bytes_) co_return;
  const std::array<ByteView, 1> parts = {mark};
  static_cast<void>(co_await file_->write_at(position_, parts, io::Lane::commit));
}

io::Task<Result<>> Wal::roll(size_t least_bytes) {
  const uint64_t sequence = sequence_ + 1;
  auto prepared = co_await prepare(sequence, least_bytes);
  if (!prepared) {
    if (prepared.error() != Errc::disk_full) failed_ = prepared.error();
    co_return fail(std::move(prepared).error());
  }
  CO_ASSIGN_OR_RETURN(const uint64_t bytes, (*prepared)->size());
  if (file_ != nullptr) sealed_.push_back({sequence_, last_index_, file_bytes_});
  file_ = std::move(*prepared);
  sequence_ = sequence;
  file_bytes_ = bytes;
  position_ = wal::kFileHeaderSize;
  co_return Result<>{};
}

io::Task<Result<std::unique_ptr<io::File>>> Wal::prepare(uint64_t sequence, size_t least_bytes) {
  const std::string path = path_of(sequence);
  const bool again = spare_ && spare_->bytes >= least_bytes;
  if (again) {
    CO_RETURN_IF_ERROR(co_await disk_.rename(path_of(spare_->sequence), path));
    // First the name, then the header: under its old name the file would look damaged.
    CO_RETURN_IF_ERROR(co_await disk_.sync_directory(directory_));
  }
  CO_ASSIGN_OR_RETURN(
      auto file, co_await disk_.open(path, again ? io::OpenMode::write : io::OpenMode::create));
  if (again) {
    spare_.reset();
  } else {
    const uint64_t bytes = std::max<uint64_t>(options_.file_bytes, least_bytes);
    auto zeroed = co_await file->truncate(0);
    if (zeroed) zeroed = co_await write_zeros(*file, 0, bytes);
    if (!zeroed) {
      file.reset();
      CO_RETURN_IF_ERROR(co_await disk_.remove(path));
      co_return fail(std::move(zeroed).error());
    }
  }
  const auto header = wal::encode_file_header({.sequence = sequence, .first_number = next_number_});
  const std::array<ByteView, 1> parts = {header};
  CO_RETURN_IF_ERROR(co_await file->write_at(0, parts, io::Lane::commit));
  CO_RETURN_IF_ERROR(co_await file->sync(io::Lane::commit));
  if (!again) CO_RETURN_IF_ERROR(co_await disk_.sync_directory(directory_));
  co_return std::move(file);
}

io::Task<Result<>> Wal::save_snapshot(WalSnapshot snapshot) {
  if (failed_) co_return fail(*failed_);
  CHECK(snapshot.index <= last_index_, "a snapshot stands for entries that are in the log");
  CO_RETURN_IF_ERROR(co_await replace_snapshot(snapshot));
  bytes_since_snapshot_ = 0;
  co_return co_await remove_covered(snapshot.index);
}

io::Task<Result<>> Wal::install_snapshot(WalSnapshot snapshot) {
  if (failed_) co_return fail(*failed_);
  CO_RETURN_IF_ERROR(co_await replace_snapshot(snapshot));
  // Entries behind it belong to another history. Until this is durable, they are known by the entry
  // at the snapshot's index, which has another term.
  if (last_index_ > snapshot.index) {
    WalBatch cut;
    cut.truncate_from = snapshot.index + 1;
    CO_RETURN_IF_ERROR(co_await append(std::move(cut)));
  }
  last_index_ = snapshot.index;
  bytes_since_snapshot_ = 0;
  co_return co_await remove_covered(snapshot.index);
}

io::Task<Result<>> Wal::replace_snapshot(const WalSnapshot& snapshot) {
  co_return co_await io::replace_file(disk_, directory_ + "/" + wal_snapshot_name(snapshot.index),
                                      wal::encode_snapshot(snapshot), kLargeWrites);
}

io::Task<Result<>> Wal::remove_covered(uint64_t snapshot_index) {
  CO_ASSIGN_OR_RETURN(const auto entries, co_await disk_.list(directory_));
  const std::string keep = wal_snapshot_name(snapshot_index);
  for (const io::DirectoryEntry& entry : entries) {
    if (entry.name.starts_with("snapshot-") && entry.name < keep) {
      CO_RETURN_IF_ERROR(co_await disk_.remove(directory_ + "/" + entry.name));
    }
  }
  // The last file done with is kept to be used again; only one, metadata grows slowly.
  while (!sealed_.empty() && sealed_.front().last_index <= snapshot_index) {
    if (spare_) CO_RETURN_IF_ERROR(co_await disk_.remove(path_of(spare_->sequence)));
    spare_ = sealed_.front();
    sealed_.erase(sealed_.begin());
  }
  co_return Result<>{};
}

}  // namespace sluice::broker
