// What a power loss leaves of a DiskImage.

#include <algorithm>
#include <limits>
#include <set>

#include "tests/sim/disk_image.h"

namespace sluice::sim {
namespace {

constexpr uint64_t kSector = 512;

}  // namespace

DiskImage DiskImage::crash(CrashMode mode, Random& random) const {
  DiskImage after = *this;
  for (const NameChange* change : surviving_names(mode, random)) {
    for (const auto& [dir, name, inode] : change->edits) {
      auto& names = after.directory(dir).durable;
      if (inode == 0) {
        names.erase(name);
      } else {
        names[name] = inode;
      }
    }
  }
  after.unsynced_names_.clear();
  for (auto& [inode, node] : after.directories_) {
    if (node->now != node->durable) after.directory(inode).now = node->durable;
  }
  after.collect({});
  for (auto& [inode, node] : after.files_) {
    if (node->unsynced.empty() && !node->forgot) continue;
    FileNode crashed;
    crashed.durable = after_crash(*node, mode, random);
    crashed.now = crashed.durable;
    node = std::make_shared<FileNode>(std::move(crashed));
  }
  return after;
}

bool DiskImage::has_unsynced() const {
  return !unsynced_names_.empty() || std::ranges::any_of(files_, [](const auto& entry) {
    return entry.second->forgot || !entry.second->unsynced.empty();
  });
}

std::vector<const DiskImage::NameChange*> DiskImage::surviving_names(CrashMode mode,
                                                                     Random& random) const {
  std::vector<const NameChange*> surviving;
  if (mode == CrashMode::lose_all) return surviving;
  // Half of the random crashes lose names one by one, the others all or none of them: with many
  // changes, the extremes would otherwise never be seen.
  const uint64_t kind = mode == CrashMode::random ? random.below(4) : 0;
  std::set<std::pair<InodeId, std::string>> lost;
  for (const auto& change : unsynced_names_) {
    const bool rests_on_lost = std::ranges::any_of(
        change.edits, [&](const Edit& edit) { return lost.contains({edit.directory, edit.name}); });
    const bool stays = kind == 0 || (kind > 1 && random.one_in(2));
    if (stays && !rests_on_lost) {
      surviving.push_back(&change);
      continue;
    }
    for (const auto& edit : change.edits) lost.emplace(edit.directory, edit.name);
  }
  return surviving;
}

FileContent DiskImage::after_crash(const FileNode& file, CrashMode mode, Random& random) {
  FileContent content = file.durable;
  switch (mode) {
    case CrashMode::lose_all:
      return content;
    case CrashMode::zero_tail:
      for (const auto& change : file.unsynced) {
        const uint64_t end = change.position + (change.bytes ? change.bytes->size() : 0);
        if (!change.bytes || end > content.size()) content.resize(end);
      }
      return content;
    case CrashMode::keep_all:
      for (const auto& change : file.unsynced) apply(content, change);
      return content;
    case CrashMode::torn:
      for (const auto& change : file.unsynced) {
        if (&change == &file.unsynced.back()) {
          apply_half(content, change);
        } else {
          apply(content, change);
        }
      }
      return content;
    case CrashMode::random:
      return after_random_crash(file, random);
  }
  return content;
}

FileContent DiskImage::after_random_crash(const FileNode& file, Random& random) {
  switch (random.below(4)) {
    case 0:
      return after_crash(file, CrashMode::keep_all, random);
    case 1:
      return after_crash(file, random.one_in(2) ? CrashMode::lose_all : CrashMode::zero_tail,
                         random);
    default:
      break;
  }
  const bool in_order = random.one_in(2);
  uint64_t end_max = std::numeric_limits<uint64_t>::max();
  bool cut = false;
  FileContent content = file.durable;
  for (const auto& change : file.unsynced) {
    if (in_order && !cut) cut = random.one_in(file.unsynced.size());
    const uint64_t fate = cut ? 3 : in_order ? 0 : random.below(4);
    if (!change.bytes) {
      if (fate == 3 || end_max != std::numeric_limits<uint64_t>::max()) {
        end_max = std::min(end_max, change.position);
      } else {
        content.resize(change.position);
      }
      continue;
    }
    if (change.position + change.bytes->size() > end_max) continue;
    if (fate < 2) {
      apply(content, change);
    } else if (fate == 2 || random.one_in(2)) {
      apply_pieces(content, change, random);
    }
    if (in_order && cut) break;
  }
  return content;
}

void DiskImage::apply(FileContent& content, const DataChange& change) {
  if (change.bytes) {
    content.write(change.position, *change.bytes);
  } else {
    content.resize(change.position);
  }
}

void DiskImage::apply_half(FileContent& content, const DataChange& change) {
  if (!change.bytes) return;
  const uint64_t end = change.position + change.bytes->size();
  const uint64_t middle = change.position + change.bytes->size() / 2;
  uint64_t boundary = middle / kSector * kSector;
  if (boundary <= change.position) boundary += kSector;
  if (boundary >= end) {  // Within one sector, which is atomic: only the size may come alone.
    if (end > content.size()) content.resize(end);
    return;
  }
  content.write(change.position, ByteView(*change.bytes).first(boundary - change.position));
}

void DiskImage::apply_pieces(FileContent& content, const DataChange& change, Random& random) {
  const uint64_t unit = random.one_in(2) ? kSector : FileContent::kPage;
  const ByteView bytes = *change.bytes;
  const uint64_t end = change.position + bytes.size();
  for (uint64_t at = change.position; at < end;) {
    const uint64_t next = std::min(end, (at / unit + 1) * unit);
    if (random.one_in(2)) content.write(at, bytes.subspan(at - change.position, next - at));
    at = next;
  }
  if (random.one_in(2) && end > content.size()) content.resize(end);
}

}  // namespace sluice::sim
