#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "io/task.h"

namespace sluice::io {

/// Why an operation is asked for; each lane has its own bound on operations in flight. `hot` and
/// `commit` writes run at once on the caller's thread (the page cache takes them); everything that
/// may wait for the device runs elsewhere.
enum class Lane : uint8_t { commit, hot, cold, background };
inline constexpr size_t kLanes = 4;

/// A read-only view of a file that stays valid while this lives, whatever happens to the file's
/// name. What lies beyond the file's end must not be touched (SIGBUS).
class MappedFile {
 public:
  virtual ~MappedFile() = default;
  /// `length` bytes from `position`, which must lie within the file's size and the mapped length.
  virtual ByteView bytes(uint64_t position, size_t length) const = 0;
  virtual size_t mapped_length() const = 0;
};

/// An open file; closed when it dies. Operations may come from any loop and overlap. The spans and
/// buffers handed in live until the task is done. Errors: disk_full, disk_failed, disk_offline...,
/// with a detail that names the path.
class File {
 public:
  virtual ~File() = default;

  /// Reads at `position`; less than asked only at the end of the file.
  virtual Task<Result<size_t>> read_at(uint64_t position, MutableBytes out, Lane lane) = 0;
  /// Writes all parts one behind the other at `position`. On an error any prefix may be written.
  virtual Task<Result<>> write_at(uint64_t position, std::span<const ByteView> parts,
                                  Lane lane) = 0;
  /// fdatasync: data and size. A failure is final for the directory (the page cache may have
  /// dropped what it could not write): never call it again for the same data.
  virtual Task<Result<>> sync(Lane lane) = 0;
  /// Starts write-back of a range without waiting for it, where the system can.
  virtual Task<Result<>> start_write_back(uint64_t position, uint64_t length) = 0;
  /// Reserves space without changing the size. Best effort: unsupported is no error.
  virtual Task<Result<>> allocate(uint64_t position, uint64_t length) = 0;
  virtual Task<Result<>> truncate(uint64_t size) = 0;
  virtual Result<uint64_t> size() const = 0;

  /// `length` may exceed the size now, for a file that will grow.
  virtual Result<std::unique_ptr<MappedFile>> map(size_t length) = 0;

  /// How many bytes from `position` on, up to `length`, are in the page cache without a gap.
  virtual Result<uint64_t> resident(uint64_t position, uint64_t length) const = 0;
  /// Reads a range into the page cache, off the caller's thread; done when it is there.
  virtual Task<Result<>> read_ahead(uint64_t position, uint64_t length) = 0;
  /// As read_at on the cold lane, off the caller's thread, and the page cache keeps nothing of it
  /// that it did not have before, as far as the system can do that: for who reads much once.
  virtual Task<Result<size_t>> read_through(uint64_t position, MutableBytes out) = 0;
  /// Lets the page cache forget a clean range.
  virtual void drop_cache(uint64_t position, uint64_t length) = 0;

  /// The descriptor, where there is one: for sendfile.
  virtual std::optional<int> descriptor() const { return std::nullopt; }
  virtual const std::string& path() const = 0;
};

enum class OpenMode : uint8_t {
  read,        ///< must exist
  write,       ///< must exist, read and write
  create,      ///< made when missing, read and write
  create_new,  ///< must not exist, read and write
};

struct DirectoryEntry {
  std::string name;
  bool is_directory = false;
  uint64_t size = 0;
};

struct DiskSpace {
  uint64_t total = 0;
  uint64_t available = 0;
};

/// Held while it lives; the file stays.
class FileLock {
 public:
  virtual ~FileLock() = default;
};

/// Files by path. Changes of names (create, rename, remove) are durable after sync_directory of the
/// directory that holds them.
class Disk {
 public:
  virtual ~Disk() = default;

  virtual Task<Result<std::unique_ptr<File>>> open(std::string path, OpenMode mode) = 0;
  virtual Task<Result<>> rename(std::string from, std::string to) = 0;
  virtual Task<Result<>> remove(std::string path) = 0;
  /// An empty directory or, when `recursive`, all below it too.
  virtual Task<Result<>> remove_directory(std::string path, bool recursive) = 0;
  /// With parents; no error when it exists. Each made entry is synced into its parent.
  virtual Task<Result<>> create_directories(std::string path) = 0;
  virtual Task<Result<>> sync_directory(std::string path) = 0;
  /// Sorted by name.
  virtual Task<Result<std::vector<DirectoryEntry>>> list(std::string path) = 0;
  virtual Task<Result<bool>> exists(std::string path) = 0;
  virtual Result<DiskSpace> space(const std::string& path) = 0;
  /// Takes the lock file, `locked` when another process holds it.
  virtual Task<Result<std::unique_ptr<FileLock>>> lock(std::string path) = 0;
};

/// The whole content; `limit` bounds what is read (corrupt_file when larger).
Task<Result<std::vector<std::byte>>> read_file(Disk& disk, std::string path, size_t limit);
/// Replaces a file's content as one step that survives a crash: temporary, sync, rename, sync of
/// the directory. A temporary that could not be written is removed.
Task<Result<>> replace_file(Disk& disk, std::string path, std::vector<std::byte> content,
                            Lane lane = Lane::commit);

}  // namespace sluice::io
