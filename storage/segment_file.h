#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>

#include "base/guarded.h"
#include "io/disk.h"
#include "storage/file_cache.h"

namespace sluice::storage {

/// One file of a segment (log or index), opened again when the file cache closed it. Shared by who
/// reads it: readable for as long as anyone holds it once pinned, also after it was deleted.
class SegmentFile final : public Evictable {
 public:
  /// `disk` and `cache` outlive it.
  SegmentFile(io::Disk& disk, FileCache& cache, std::string path)
      : disk_(disk), cache_(cache), state_(State{.path = std::move(path)}) {}
  ~SegmentFile() override;
  SegmentFile(const SegmentFile&) = delete;
  SegmentFile& operator=(const SegmentFile&) = delete;

  /// The open file; ready at once unless it has to be opened anew. Must exist.
  io::Task<Result<std::shared_ptr<io::File>>> open();
  /// Opens it, made when missing.
  io::Task<Result<std::shared_ptr<io::File>>> create();
  /// Opens it and keeps it open until this dies: to be called before its name goes or is given to
  /// another file.
  io::Task<Result<>> pin();
  /// The file's name from now on; the caller has renamed it.
  void set_path(std::string path);
  std::string path() const;

  /// Goes up with every cut of the file: whoever sends a slice of it checks at every turn.
  uint32_t generation() const { return generation_.load(std::memory_order_acquire); }
  void next_generation() { generation_.fetch_add(1, std::memory_order_acq_rel); }

  /// Whether something was written since the last sync began. Until it is synced the file stays
  /// open: the system tells a failed write-back to those that were open then.
  void set_unsynced(bool unsynced) { unsynced_.store(unsynced, std::memory_order_release); }

  std::shared_ptr<const void> evict() override;

 private:
  struct State {
    std::string path;
    std::shared_ptr<io::File> file;
    bool pinned = false;
  };
  io::Task<Result<std::shared_ptr<io::File>>> open_anew(io::OpenMode mode);

  io::Disk& disk_;
  FileCache& cache_;
  Guarded<State> state_;
  std::atomic<uint32_t> generation_{0};
  std::atomic<bool> unsynced_{false};
};

}  // namespace sluice::storage
