#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/random.h"
#include "base/result.h"
#include "io/disk.h"
#include "tests/sim/file_content.h"

namespace sluice::sim {

/// What a power loss leaves of the changes that were not synced. Synced ones always stay.
enum class CrashMode : uint8_t {
  keep_all,   ///< the cache happened to be written back
  lose_all,   ///< nothing of it was
  torn,       ///< names and all writes stay but each file's last, of which the first half stays
  zero_tail,  ///< names and sizes stay, the data behind them reads as zeros
  random,     ///< any subset: of names, of writes, of the sectors or pages of a write, and sizes
};

using InodeId = uint64_t;

/// A file system as a value: files and directories as programs see them, and beside them what is
/// durable. Copies are cheap: they share every file that neither side changes.
///
/// Assumed of a real one, after Pillai et al. "All File Systems Are Not Created Equal" (OSDI 2014):
/// sectors are atomic; a rename is atomic; changes of one name stay in order, of different names do
/// not; a lost truncate loses the later writes beyond it; everything else may be reordered.
class DiskImage {
 public:
  DiskImage();

  /// The disk as the next boot finds it: durable and in use are the same in it.
  DiskImage crash(CrashMode mode, Random& random) const;
  /// Whether a crash could lose anything.
  bool has_unsynced() const;
  /// Of all names, kinds, sizes and contents that programs see; not of what is durable.
  uint64_t hash() const;

  /// file_not_found and the like, as POSIX has them, with the path in the detail.
  Result<InodeId> find(std::string_view path) const;
  Result<InodeId> create(std::string_view path, bool directory);
  Result<> rename(std::string_view from, std::string_view to);
  Result<> remove(std::string_view path);
  Result<> remove_directory(std::string_view path, bool recursive);
  Result<std::vector<io::DirectoryEntry>> list(std::string_view path) const;
  bool is_directory(InodeId inode) const { return directories_.contains(inode); }

  const FileContent& content(InodeId file) const { return files_.at(file)->now; }
  void write(InodeId file, uint64_t position, ByteView bytes);
  void truncate(InodeId file, uint64_t size);
  /// Space taken up to `end`, whatever the size is.
  void allocate(InodeId file, uint64_t end);
  /// Bytes of a file's space, in whole pages.
  uint64_t space_of(InodeId file) const;
  uint64_t space_used() const;

  /// The newest change so far: a sync covers those up to the moment it was asked for.
  uint64_t last_change() const { return changes_; }
  void sync_file(InodeId file, uint64_t through);
  /// A failed sync: its changes are no longer written back by anyone, though reads still see them.
  void forget_unsynced(InodeId file, uint64_t through);
  /// The cache lets go of what is not waiting to be written back: reads see what the device has.
  void drop_clean(InodeId file);
  /// Makes durable the changes of names in this directory, and those of others that they rest on.
  void sync_directory(InodeId directory, uint64_t through);
  /// Drops files that no name, durable or not, leads to, but for those in `open`.
  void collect(const std::set<InodeId>& open);

 private:
  /// A write, or a truncate when `bytes` is null.
  struct DataChange {
    uint64_t sequence;
    uint64_t position;
    std::shared_ptr<const std::vector<std::byte>> bytes;
  };
  struct FileNode {
    FileContent now;
    FileContent durable;
    std::vector<DataChange> unsynced;
    uint64_t allocated = 0;
    bool forgot = false;  // a failed sync dropped changes: `now` may differ from `durable`
  };
  using Names = std::map<std::string, InodeId, std::less<>>;
  struct DirectoryNode {
    Names now;
    Names durable;
  };
  /// Inode 0: the name is gone.
  struct Edit {
    InodeId directory;
    std::string name;
    InodeId inode;
  };
  /// Edits that take effect together.
  struct NameChange {
    uint64_t sequence;
    std::vector<Edit> edits;
  };
  struct Place {
    InodeId directory;
    std::string name;
  };

  static constexpr InodeId kRoot = 1;

  static FileContent after_crash(const FileNode& file, CrashMode mode, Random& random);
  static FileContent after_random_crash(const FileNode& file, Random& random);
  static void apply(FileContent& content, const DataChange& change);
  static void apply_half(FileContent& content, const DataChange& change);
  static void apply_pieces(FileContent& content, const DataChange& change, Random& random);

  FileNode& file(InodeId inode);
  DirectoryNode& directory(InodeId inode);
  Result<Place> place(std::string_view path) const;
  InodeId lookup(const Place& place) const;
  bool below(InodeId inode, InodeId directory) const;
  void change_names(std::vector<Edit> edits);
  void empty_directory(InodeId inode);
  /// The changes of names that stay at a crash.
  std::vector<const NameChange*> surviving_names(CrashMode mode, Random& random) const;
  uint64_t hash_directory(InodeId inode) const;

  std::map<InodeId, std::shared_ptr<FileNode>> files_;
  std::map<InodeId, std::shared_ptr<DirectoryNode>> directories_;
  std::vector<NameChange> unsynced_names_;
  uint64_t changes_ = 0;
  InodeId next_inode_ = kRoot + 1;
};

}  // namespace sluice::sim
