#include "tests/sim/disk_image.h"

#include <algorithm>
#include <cerrno>
#include <ranges>

#include "base/check.h"
#include "tests/sim/hash.h"

namespace sluice::sim {
namespace {

std::unexpected<Error> refuse(int number, std::string_view what, std::string_view path) {
  return fail(error_from_errno(number, std::string(what) + " " + std::string(path)));
}

std::vector<std::string> components(std::string_view path) {
  std::vector<std::string> parts;
  while (!path.empty()) {
    const size_t slash = std::min(path.find('/'), path.size());
    const auto part = path.substr(0, slash);
    if (!part.empty() && part != ".") parts.emplace_back(part);
    path.remove_prefix(std::min(slash + 1, path.size()));
  }
  return parts;
}

/// A writable version of what copies share.
template <class Node>
Node& own(std::shared_ptr<Node>& node) {
  if (node.use_count() > 1) node = std::make_shared<Node>(*node);
  return *node;
}

}  // namespace

DiskImage::DiskImage() { directories_.emplace(kRoot, std::make_shared<DirectoryNode>()); }

DiskImage::FileNode& DiskImage::file(InodeId inode) {
  const auto found = files_.find(inode);
  CHECK(found != files_.end(), "an open file's inode stays");
  return own(found->second);
}

DiskImage::DirectoryNode& DiskImage::directory(InodeId inode) {
  return own(directories_.at(inode));
}

Result<DiskImage::Place> DiskImage::place(std::string_view path) const {
  auto parts = components(path);
  if (parts.empty()) return Place{0, {}};  // the root, which no directory names
  InodeId at = kRoot;
  for (size_t i = 0; i + 1 < parts.size(); ++i) {
    at = lookup({at, parts[i]});
    if (at == 0) return refuse(ENOENT, "find", path);
    if (!is_directory(at)) return refuse(ENOTDIR, "find", path);
  }
  return Place{at, std::move(parts.back())};
}

InodeId DiskImage::lookup(const Place& place) const {
  if (place.directory == 0) return kRoot;
  const auto& names = directories_.at(place.directory)->now;
  const auto found = names.find(place.name);
  return found == names.end() ? 0 : found->second;
}

Result<InodeId> DiskImage::find(std::string_view path) const {
  ASSIGN_OR_RETURN(const Place at, place(path));
  const InodeId inode = lookup(at);
  if (inode == 0) return refuse(ENOENT, "find", path);
  return inode;
}

Result<InodeId> DiskImage::create(std::string_view path, bool is_directory) {
  ASSIGN_OR_RETURN(const Place at, place(path));
  if (lookup(at) != 0) return refuse(EEXIST, "create", path);
  const InodeId inode = next_inode_++;
  if (is_directory) {
    directories_.emplace(inode, std::make_shared<DirectoryNode>());
  } else {
    files_.emplace(inode, std::make_shared<FileNode>());
  }
  change_names({{at.directory, at.name, inode}});
  return inode;
}

Result<> DiskImage::rename(std::string_view from, std::string_view to) {
  ASSIGN_OR_RETURN(const Place source, place(from));
  ASSIGN_OR_RETURN(const Place target, place(to));
  const InodeId moved = lookup(source);
  const InodeId replaced = lookup(target);
  if (moved == 0) return refuse(ENOENT, "rename", from);
  if (source.directory == 0 || target.directory == 0) return refuse(EBUSY, "rename", from);
  if (moved == replaced) return {};
  if (below(target.directory, moved)) return refuse(EINVAL, "rename", from);
  if (replaced != 0 && is_directory(moved) && !is_directory(replaced)) {
    return refuse(ENOTDIR, "rename", to);
  }
  if (replaced != 0 && is_directory(replaced)) {
    if (!is_directory(moved)) return refuse(EISDIR, "rename", to);
    if (!directories_.at(replaced)->now.empty()) return refuse(ENOTEMPTY, "rename", to);
  }
  change_names({{source.directory, source.name, 0}, {target.directory, target.name, moved}});
  return {};
}

Result<> DiskImage::remove(std::string_view path) {
  ASSIGN_OR_RETURN(const Place at, place(path));
  const InodeId inode = lookup(at);
  if (inode == 0) return refuse(ENOENT, "remove", path);
  if (is_directory(inode)) return refuse(EISDIR, "remove", path);
  change_names({{at.directory, at.name, 0}});
  return {};
}

Result<> DiskImage::remove_directory(std::string_view path, bool recursive) {
  ASSIGN_OR_RETURN(const Place at, place(path));
  const InodeId inode = lookup(at);
  if (inode == 0) return refuse(ENOENT, "remove directory", path);
  if (!is_directory(inode)) return refuse(ENOTDIR, "remove directory", path);
  if (at.directory == 0) return refuse(EBUSY, "remove directory", path);
  if (recursive) empty_directory(inode);
  if (!directories_.at(inode)->now.empty()) return refuse(ENOTEMPTY, "remove directory", path);
  change_names({{at.directory, at.name, 0}});
  return {};
}

void DiskImage::empty_directory(InodeId inode) {
  const Names names = directories_.at(inode)->now;
  for (const auto& [name, child] : names) {
    if (is_directory(child)) empty_directory(child);
    change_names({{inode, name, 0}});
  }
}

Result<std::vector<io::DirectoryEntry>> DiskImage::list(std::string_view path) const {
  ASSIGN_OR_RETURN(const InodeId inode, find(path));
  if (!is_directory(inode)) return refuse(ENOTDIR, "list", path);
  std::vector<io::DirectoryEntry> entries;
  for (const auto& [name, child] : directories_.at(inode)->now) {
    const bool is_dir = is_directory(child);
    entries.push_back({name, is_dir, is_dir ? 0 : content(child).size()});
  }
  return entries;
}

bool DiskImage::below(InodeId inode, InodeId ancestor) const {
  if (inode == ancestor) return true;
  const auto found = directories_.find(ancestor);
  if (found == directories_.end()) return false;
  return std::ranges::any_of(found->second->now,
                             [&](const auto& entry) { return below(inode, entry.second); });
}

void DiskImage::change_names(std::vector<Edit> edits) {
  for (const auto& [dir, name, inode] : edits) {
    auto& names = directory(dir).now;
    if (inode == 0) {
      names.erase(name);
    } else {
      names[name] = inode;
    }
  }
  unsynced_names_.push_back({++changes_, std::move(edits)});
}

void DiskImage::write(InodeId inode, uint64_t position, ByteView bytes) {
  if (bytes.empty()) return;
  auto& node = file(inode);
  node.now.write(position, bytes);
  node.unsynced.push_back(
      {++changes_, position, std::make_shared<std::vector<std::byte>>(bytes.begin(), bytes.end())});
}

void DiskImage::truncate(InodeId inode, uint64_t size) {
  auto& node = file(inode);
  node.now.resize(size);
  node.allocated = size;
  node.unsynced.push_back({++changes_, size, nullptr});
}

void DiskImage::allocate(InodeId inode, uint64_t end) {
  auto& node = file(inode);
  node.allocated = std::max(node.allocated, end);
}

uint64_t DiskImage::space_of(InodeId inode) const {
  const auto& node = *files_.at(inode);
  const uint64_t end = std::max(node.now.size(), node.allocated);
  return (end + FileContent::kPage - 1) / FileContent::kPage * FileContent::kPage;
}

uint64_t DiskImage::space_used() const {
  uint64_t used = 0;
  for (const auto& [inode, node] : files_) used += space_of(inode);
  return used;
}

void DiskImage::sync_file(InodeId inode, uint64_t through) {
  if (files_.at(inode)->unsynced.empty()) return;
  auto& node = file(inode);
  if (!node.forgot && node.unsynced.back().sequence <= through) {
    node.durable = node.now;
    node.unsynced.clear();
    return;
  }
  const auto later = std::ranges::find_if(
      node.unsynced, [&](const DataChange& change) { return change.sequence > through; });
  for (auto change = node.unsynced.begin(); change != later; ++change) {
    apply(node.durable, *change);
  }
  node.unsynced.erase(node.unsynced.begin(), later);
}

void DiskImage::forget_unsynced(InodeId inode, uint64_t through) {
  auto& node = file(inode);
  node.forgot = true;
  std::erase_if(node.unsynced,
                [&](const DataChange& change) { return change.sequence <= through; });
}

void DiskImage::drop_clean(InodeId inode) {
  if (!files_.at(inode)->forgot) return;
  auto& node = file(inode);
  // The size is the inode's and stays in memory; what the device lost of the bytes reads as zeros.
  const uint64_t size = node.now.size();
  node.now = node.durable;
  for (const auto& change : node.unsynced) apply(node.now, change);
  node.now.resize(size);
}

void DiskImage::sync_directory(InodeId inode, uint64_t through) {
  std::set<std::pair<InodeId, std::string>> needed;
  std::vector<NameChange> synced;
  for (auto change = unsynced_names_.rbegin(); change != unsynced_names_.rend(); ++change) {
    const bool wanted =
        change->sequence <= through && std::ranges::any_of(change->edits, [&](const Edit& edit) {
          return edit.directory == inode || needed.contains({edit.directory, edit.name});
        });
    if (!wanted) continue;
    for (const auto& edit : change->edits) needed.emplace(edit.directory, edit.name);
    synced.push_back(*change);
  }
  for (const auto& change : std::views::reverse(synced)) {
    for (const auto& [dir, name, child] : change.edits) {
      auto& names = directory(dir).durable;
      if (child == 0) {
        names.erase(name);
      } else {
        names[name] = child;
      }
    }
    std::erase_if(unsynced_names_,
                  [&](const NameChange& other) { return other.sequence == change.sequence; });
  }
}

void DiskImage::collect(const std::set<InodeId>& open) {
  std::set<InodeId> named = {kRoot};
  for (const auto& [inode, node] : directories_) {
    for (const auto& entry : node->now) named.insert(entry.second);
    for (const auto& entry : node->durable) named.insert(entry.second);
  }
  for (const auto& change : unsynced_names_) {
    for (const auto& edit : change.edits) {
      named.insert(edit.inode);
      named.insert(edit.directory);
    }
  }
  const auto unused = [&](const auto& entry) {
    return !named.contains(entry.first) && !open.contains(entry.first);
  };
  std::erase_if(files_, unused);
  if (std::erase_if(directories_, unused) > 0) collect(open);
}

uint64_t DiskImage::hash() const { return hash_directory(kRoot); }

uint64_t DiskImage::hash_directory(InodeId inode) const {
  uint64_t hash = 0;
  for (const auto& [name, child] : directories_.at(inode)->now) {
    hash = mix(hash, name);
    hash = mix(mix(hash, is_directory(child)),
               is_directory(child) ? hash_directory(child) : content(child).hash());
  }
  return hash;
}

}  // namespace sluice::sim
