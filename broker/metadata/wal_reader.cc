#include "broker/metadata/wal_reader.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <string_view>
#include <utility>

#include "broker/metadata/wal_codec.h"

namespace sluice::broker {
namespace {

/// Far above what files and snapshots grow to.
constexpr size_t kMaxFile = 1_GiB;
constexpr std::string_view kWayOut =
    "; the metadata log was durable and is damaged: restore the directory from a backup";

/// The number behind the prefix; nothing for other names.
std::optional<uint64_t> number_of(std::string_view name, std::string_view prefix) {
  if (!name.starts_with(prefix)) return std::nullopt;
  name.remove_prefix(prefix.size());
  uint64_t number = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), number);
  if (error != std::errc() || end != name.data() + name.size() || name.size() != 20) {
    return std::nullopt;
  }
  return number;
}

Error damaged(const std::string& path, std::string what) {
  return Error(Errc::corrupt_file, path + ": " + std::move(what) + std::string(kWayOut));
}

}  // namespace

io::Task<Result<Wal::Opened>> Wal::open(io::Disk& disk, std::string directory, WalOptions options) {
  CO_RETURN_IF_ERROR(co_await disk.create_directories(directory));
  WalReader reader(disk, std::move(directory), options);
  co_return co_await reader.read();
}

io::Task<Result<Wal::Opened>> WalReader::read() {
  Wal::Opened opened{std::unique_ptr<Wal>(new Wal(disk_, directory_, options_)), {}};
  Wal& wal = *opened.wal;
  Wal::Content& content = opened.content;
  CO_ASSIGN_OR_RETURN(const auto entries, co_await disk_.list(directory_));
  CO_ASSIGN_OR_RETURN(content.snapshot, co_await read_snapshot(entries));
  if (content.snapshot) wal.last_index_ = content.snapshot->index;

  std::vector<FileContent> files;
  for (const io::DirectoryEntry& entry : entries) {
    const auto sequence = number_of(entry.name, "wal-");
    if (!sequence) continue;
    CO_ASSIGN_OR_RETURN(auto file, co_await read_wal(*sequence));
    files.push_back(std::move(file));
  }
  const size_t first = first_of_chain(files);
  const auto is_used = [&](size_t i) { return i >= first && files[i].header; };
  // All is found sound before anything is changed: damaged files stay as they are. From the end on,
  // so that the file is named behind which something lacks.
  for (size_t i = files.size(); i-- > 0;) {
    if (!is_used(i)) CO_RETURN_IF_ERROR(check_covered(files[i], wal.last_index_));
  }
  for (size_t i = 0; i < files.size(); ++i) {
    if (is_used(i)) CO_RETURN_IF_ERROR(replay(files[i], content));
  }
  for (size_t i = 0; i < files.size(); ++i) {
    const FileContent& file = files[i];
    if (!is_used(i)) continue;
    wal.next_number_ = file.next_number();
    if (wal.file_ != nullptr) {
      wal.sealed_.push_back({wal.sequence_, wal.last_index_, wal.file_bytes_});
    }
    CO_RETURN_IF_ERROR(co_await go_on_in(wal, file));
    wal.last_index_ = std::max(wal.last_index_, file.last_index);
    wal.bytes_since_snapshot_ += file.uncovered_bytes;
  }
  for (size_t i = 0; i < files.size(); ++i) {
    if (!is_used(i)) CO_RETURN_IF_ERROR(co_await disk_.remove(path_of(files[i].sequence)));
  }
  wal.hard_state_ = content.hard_state;
  if (content.start) wal.last_index_ = std::max(wal.last_index_, content.start->index);
  co_return opened;
}

io::Task<Result<std::optional<WalSnapshot>>> WalReader::read_snapshot(
    const std::vector<io::DirectoryEntry>& entries) {
  std::string newest;
  for (const io::DirectoryEntry& entry : entries) {
    if (number_of(entry.name, "snapshot-")) newest = entry.name;
  }
  if (newest.empty()) co_return std::optional<WalSnapshot>{};
  const std::string path = directory_ + "/" + newest;
  CO_ASSIGN_OR_RETURN(const auto bytes, co_await io::read_file(disk_, path, kMaxFile));
  auto snapshot = wal::decode_snapshot(bytes);
  if (!snapshot) co_return fail(damaged(path, std::string(snapshot.error().message())));
  co_return std::optional<WalSnapshot>(std::move(*snapshot));
}

/// After a failed sync the page cache may show, as clean, what the device lost, and a later sync
/// succeeds all the same. So what is read is what comes from the device.
io::Task<Result<>> WalReader::forget_cached(std::string path) {
  CO_ASSIGN_OR_RETURN(const auto file, co_await disk_.open(std::move(path), io::OpenMode::write));
  CO_ASSIGN_OR_RETURN(const uint64_t size, file->size());
  CO_RETURN_IF_ERROR(co_await file->sync(io::Lane::commit));
  file->drop_cache(0, size);
  co_return Result<>{};
}

io::Task<Result<WalReader::FileContent>> WalReader::read_wal(uint64_t sequence) {
  FileContent file{.sequence = sequence};
  CO_RETURN_IF_ERROR(co_await forget_cached(path_of(sequence)));
  CO_ASSIGN_OR_RETURN(file.bytes, co_await io::read_file(disk_, path_of(sequence), kMaxFile));
  file.header = wal::decode_file_header(file.bytes);
  // Recycled and not yet made ready: the header is the one of its last use.
  if (file.header && file.header->sequence != sequence) file.header.reset();
  std::optional<uint64_t> first_number;
  if (file.header) first_number = file.header->first_number;
  file.scanned = wal::scan(file.bytes, sequence, first_number);
  if (file.scanned.damaged) {
    co_return fail(damaged(path_of(sequence), "the frame at byte " +
                                                  std::to_string(file.scanned.end) +
                                                  " is broken and good ones follow"));
  }
  co_return file;
}

size_t WalReader::first_of_chain(const std::vector<FileContent>& files) {
  size_t first = files.size();
  for (size_t i = files.size(); i-- > 0;) {
    if (!files[i].header) continue;
    if (first < files.size() && files[i].next_number() != files[first].header->first_number) break;
    first = i;
  }
  return first;
}

Result<> WalReader::check_covered(const FileContent& file, uint64_t snapshot_index) const {
  // Without a header it was never used under this name: read_wal() found no frame of it.
  if (!file.header) return {};
  uint64_t last = 0;
  for (const wal::Frame& frame : file.scanned.frames) {
    const auto batch = wal::decode_batch(frame.payload);
    if (!batch) return fail(damaged(path_of(file.sequence), std::string(batch.error().message())));
    // What was truncated within the file counts for nothing, whatever follows.
    if (batch->truncate_from) last = std::min(last, *batch->truncate_from - 1);
    if (!batch->entries.empty()) last = batch->entries.back().index;
  }
  if (last <= snapshot_index) return {};
  return fail(damaged(path_of(file.sequence),
                      "its entries up to " + std::to_string(last) +
                          " are in no snapshot, and the next file does not follow it"));
}

Result<> WalReader::replay(FileContent& file, Wal::Content& content) {
  const std::string path = path_of(file.sequence);
  for (const wal::Frame& frame : file.scanned.frames) {
    auto batch = wal::decode_batch(frame.payload);
    if (!batch) return fail(damaged(path, std::string(batch.error().message())));
    const bool has_entries = !batch->entries.empty();
    if (batch->start && !content.snapshot) content.start = batch->start;
    if (batch->hard_state) content.hard_state = *batch->hard_state;
    RETURN_IF_ERROR(replay(std::move(*batch), file, content));
    if (has_entries && file.last_index > content.base()) {
      file.uncovered_bytes += wal::frame_size(frame.payload.size());
    }
  }
  return {};
}

Result<> WalReader::replay(WalBatch batch, FileContent& file, Wal::Content& content) {
  const uint64_t base = content.base();
  if (batch.truncate_from) {
    if (*batch.truncate_from <= base + 1) diverged_ = false;
    while (!content.entries.empty() && content.entries.back().index >= *batch.truncate_from) {
      content.entries.pop_back();
    }
  }
  for (WalEntry& entry : batch.entries) {
    file.last_index = entry.index;
    if (content.snapshot && entry.index == base) diverged_ = entry.term != content.snapshot->term;
    if (entry.index <= base || diverged_) continue;
    const uint64_t expected = content.entries.empty() ? base + 1 : content.entries.back().index + 1;
    if (entry.index != expected) {
      return fail(damaged(path_of(file.sequence), "entry " + std::to_string(entry.index) +
                                                      " follows entry " +
                                                      std::to_string(expected - 1)));
    }
    content.entries.push_back(std::move(entry));
  }
  return {};
}

io::Task<Result<>> WalReader::go_on_in(Wal& wal, const FileContent& file) {
  CO_ASSIGN_OR_RETURN(wal.file_, co_await disk_.open(path_of(file.sequence), io::OpenMode::write));
  wal.sequence_ = file.sequence;
  wal.file_bytes_ = file.bytes.size();
  wal.position_ = file.scanned.end;
  if (file.scanned.torn) {
    const std::vector<std::byte> zeros(file.bytes.size() - file.scanned.end);
    const std::array<ByteView, 1> parts = {zeros};
    CO_RETURN_IF_ERROR(co_await wal.file_->write_at(wal.position_, parts, io::Lane::commit));
  }
  // Nothing is appended before the zeros are on the device: what was read came from there.
  co_return co_await wal.file_->sync(io::Lane::commit);
}

}  // namespace sluice::broker
