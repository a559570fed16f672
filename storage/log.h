#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/log.h"
#include "base/memory_budget.h"
#include "base/result.h"
#include "base/strong.h"
#include "base/time.h"
#include "base/uuid.h"
#include "io/runtime.h"
#include "storage/file_cache.h"
#include "storage/file_slice.h"
#include "storage/options.h"

namespace sluice::storage {

struct TopicPartition {
  std::string topic;
  PartitionId partition{0};

  /// "<topic>-<partition>", the name of the log's folder.
  std::string folder() const { return topic + "-" + std::to_string(partition.value()); }
  bool operator==(const TopicPartition&) const = default;
  auto operator<=>(const TopicPartition&) const = default;
};

/// Who appends decides what is checked and what is assigned.
enum class AppendOrigin : uint8_t {
  client,       ///< one batch, fully validated; offsets, epoch (and LogAppendTime) are assigned
  coordinator,  ///< as client, and control batches are allowed
  replica,      ///< batches with their offsets and epochs, which must go on at the log end
};

struct AppendRequest {
  /// One batch (replica: one or more), stamped in place. Lives until the append is done.
  MutableBytes batch;
  /// The append is refused with fenced_leader_epoch when the log's epoch is another.
  LeaderEpoch leader_epoch{0};
  AppendOrigin origin = AppendOrigin::client;
  /// Wall time at arrival; what LogAppendTime stamps.
  Timestamp now{0};
};

struct Appended {
  Offset base_offset{-1};
  Offset last_offset{-1};
  /// Set on a LogAppendTime topic.
  Timestamp log_append_time = kNoTimestamp;
  Offset log_start{0};
  /// An idempotent producer's repeat: nothing was written, the offsets are the first time's.
  bool duplicate = false;
};

struct ReadRequest {
  Offset from{0};
  /// Nothing at or above it is returned; at most the log end.
  Offset bound{0};
  size_t max_bytes = 1_MiB;
  /// Return the first batch even when it is larger than max_bytes.
  bool at_least_one = true;
};

struct ReadResult {
  /// Whole batches; begins with the batch that contains `from`. Empty (length 0, no file) when
  /// `from` is at the bound.
  FileSlice slice;
  Offset log_start{0};
  Offset log_end{0};
};

struct TimestampOffset {
  Offset offset{-1};
  Timestamp timestamp = kNoTimestamp;
};

struct LogEnds {
  Offset start{0};        ///< first offset that may be read
  Offset end{0};          ///< the next append's offset
  Offset synced_end{0};   ///< everything before it is on the device
  Offset last_stable{0};  ///< first offset of the oldest open transaction, or end
  uint64_t bytes = 0;     ///< of all segments
};

/// A segment as retention and compaction look at it; a value.
struct SegmentInfo {
  Offset base{0};
  /// Where the next segment begins, or the log end.
  Offset next{0};
  uint64_t bytes = 0;
  /// Largest timestamp of its records; none while it is empty.
  Timestamp max_timestamp = kNoTimestamp;
  std::shared_ptr<SegmentFile> file;
  bool active = false;
};

/// What a log uses of its node; all outlive it.
struct LogPorts {
  /// The data directory's, with its lanes.
  io::Disk& disk;
  const Clock& clock;
  FileCache& files;
  /// Of indexes.
  FileCache& maps;
  /// What producer state, and batches while they are inflated, are charged to.
  MemoryBudget& memory;
  Logger log;
  /// Where large batches are inflated and packed; null: on the caller's loop.
  io::Executor* executor = nullptr;
  /// Makes it durable that the log is going to end at `end`, below what was synced, before anything
  /// is cut: else recovery would take the shorter log for damage. ends() tells the lower synced end
  /// already. Empty: nothing to record.
  std::function<io::Task<Result<>>(TopicPartition, Offset end)> before_truncation;
  /// Removes files that were renamed to `*.deleted`, when it suits. Empty: they are removed at
  /// once.
  std::function<void(std::vector<std::string> paths)> discard;
  /// The directory can no longer be trusted; called at most once a log.
  std::function<void(const Error& cause)> take_offline;
  /// It was found to be damaged; once a log, from any loop. Must not block or call the log.
  std::function<void()> on_damage = {};
};

/// Which log to open and what the checkpoints say about it.
struct LogParams {
  /// The data directory; the log's folder is directory + "/" + partition.folder().
  std::string directory;
  TopicPartition partition;
  Uuid topic_id;
  LogOptions options;
  /// Everything below was validated and indexed before; where an unclean open begins to check.
  Offset recovery_point{0};
  /// Everything below was on the device: a log that ends before it, or is bad there, is damaged.
  Offset synced_end{0};
  Offset log_start{0};
  Offset high_watermark{0};
  /// Compaction has seen everything before it; negative: it never ran, and no offset is missing.
  Offset cleaned_end{-1};
  /// Closed by close(): indexes and snapshots are trusted.
  bool clean = false;
  /// The machine stopped since the log was written (another boot id): what was not synced may have
  /// holes, so that valid batches behind a bad one beyond the synced end prove nothing. Else they
  /// prove corruption, because the page cache survives a process.
  bool power_lost = false;
  /// Bytes validated since the last call.
  std::function<void(uint64_t bytes)> on_recovered = nullptr;
};

/// One partition's log: a facade over its segments, append queue, indexes, producer state and epoch
/// cache. All calls may come from any loop and overlap; appends are ordered by arrival. What the
/// disk does wrong comes back as an Error with the data directory offline where that is final.
class Log {
 public:
  /// Opens a log whose folder exists, recovers it unless it was closed cleanly; a folder without
  /// segments becomes an empty log at log_start. What recovery finds damaged is kept and served up
  /// to the damage, see damage(). Errors are the disk's.
  static io::Task<Result<std::shared_ptr<Log>>> open(LogPorts ports, LogParams params);
  /// Makes the folder and the first segment at log_start. The folder's own files, such as
  /// partition.metadata, are the caller's.
  static io::Task<Result<std::shared_ptr<Log>>> create(LogPorts ports, LogParams params);
  ~Log();
  Log(const Log&) = delete;
  Log& operator=(const Log&) = delete;

  /// Refuses writes from now on (shutting_down), waits for those under way, then syncs everything
  /// and writes index tails and the producer snapshot, so that the next open may be `clean` when
  /// this succeeds. Reads go on. Once, before the log dies, unless abandon() was.
  io::Task<Result<>> close();
  /// As close, without writing anything: the log was deleted or its directory is offline.
  io::Task<void> abandon();

  /// Appends pass a combining queue: the first writes for all that wait. Done when the bytes are in
  /// the page cache and readable up to the new log end. See AppendRequest. Errors: corrupt_batch,
  /// invalid_record, batch_too_large, out_of_order_sequence, fenced_producer, fenced_leader_epoch,
  /// disk_full (nothing was appended), disk_failed, disk_offline, partition_corrupt, shutting_down.
  io::Task<Result<Appended>> append(AppendRequest request);

  /// Done when everything before `end` is on the device; waits share the syncs in flight. After an
  /// error the directory is offline. offset_out_of_range above the log end.
  io::Task<Result<>> sync_to(Offset end);

  /// offset_out_of_range below the log start or above the log end.
  io::Task<Result<ReadResult>> read(ReadRequest request);

  /// Reads the last `bytes`, with the indexes that lead there, into the page cache as far as they
  /// are not there. Errors are the disk's.
  io::Task<Result<>> warm_up(uint64_t bytes);

  LogEnds ends() const;
  /// First record at or after the time; offset -1 when there is none.
  io::Task<Result<TimestampOffset>> find_by_time(Timestamp at);
  /// The record with the largest timestamp; offset -1 in an empty log.
  io::Task<Result<TimestampOffset>> find_max_timestamp();

  LeaderEpoch latest_epoch() const;
  /// Makes `epoch` the log's: appends must carry it from now on. Recorded at the log end.
  /// fenced_leader_epoch when the log knows a later one.
  io::Task<Result<>> start_epoch(LeaderEpoch epoch);
  /// Largest known epoch at or below the asked one and the offset it ends at; -1, -1 when unknown.
  std::pair<LeaderEpoch, Offset> end_of_epoch(LeaderEpoch epoch) const;

  /// Cuts the log so that it ends at `end` (or at the batch before, when `end` is inside of one);
  /// slices cut before become stale. At or above the log end only epochs without a record go.
  io::Task<Result<>> truncate_to(Offset end);
  /// Drops all that the log has, epochs too: it is empty and begins and ends at `start`. For a
  /// replica that nothing of its leader's log goes on from.
  io::Task<Result<>> restart_at(Offset start);
  /// Moves the log start up (delete-records, retention); sealed segments wholly below it go.
  /// offset_out_of_range above the log end. The caller checkpoints the start.
  io::Task<Result<>> advance_start(Offset start);
  /// Seals the active segment, trimmed and synced, and begins a new one; nothing to do while it is
  /// empty.
  io::Task<Result<>> roll();

  /// Oldest first; the last is the active one. Reads the time indexes of segments nobody asked
  /// about since they were opened.
  io::Task<Result<std::vector<SegmentInfo>>> segments();
  /// Compaction's swap. While no append runs, `swap_files` puts the new files in place of those of
  /// the sealed segments with the base offsets `old` (consecutive, ascending); on success the log
  /// serves one segment with base `old.front()` and `bytes` instead. Slices of the old ones stay
  /// readable. not_found when a segment is gone, and then nothing was called.
  io::Task<Result<>> replace_segments(std::vector<Offset> old, uint64_t bytes,
                                      std::function<io::Task<Result<>>()> swap_files);
  /// The last offset of each known producer, ordered by id: what compaction must leave a trace of.
  io::Task<Result<std::vector<std::pair<ProducerId, Offset>>>> producer_ends();
  /// Forgets producers that are silent since `producer_expiration_ms` before `now`.
  io::Task<Result<>> expire_producers(Timestamp now);

  /// How many producers it remembers, about now; each is charged with
  /// ProducerState::kBytesPerProducer.
  size_t known_producers() const;

  /// Applies changed topic configs; in force from the next append on.
  void set_options(LogOptions options);
  LogOptions options() const;
  /// The high watermark as the checkpoint knows it; retention and compaction stay below it. Who
  /// raises it may come late: a lower one changes nothing, only a truncation takes it back.
  void set_high_watermark(Offset offset);
  Offset high_watermark() const;

  const TopicPartition& partition() const;
  const Uuid& topic_id() const;
  /// The data directory it lives in.
  const std::string& directory() const;
  /// Reads all batches of the segments that reach beyond `from` again: what is bad is damage from
  /// then on. Errors are the disk's; cancelled when `stopping`.
  struct Check {
    const std::atomic<bool>& stopping;
    Offset from{0};
    /// Nothing was compacted: a gap between batches is damage too.
    bool dense = false;
    /// Of work that must not be felt: called after each run of batches with its bytes, and waited
    /// for. What was not in the page cache leaves it again.
    std::function<io::Task<void>(uint64_t bytes)> pace = nullptr;
  };
  io::Task<Result<>> check(Check how);
  /// Why it refuses writes, when recovery, a read or a check found damage. Its files are as they
  /// are from then on: nothing changes them but a repair.
  std::optional<std::string> damage() const;
  bool is_damaged() const;
  /// Takes it for damaged, for a reason that the log itself does not show.
  void set_damaged(std::string why);
  /// Done when no write is under way any more, of a damaged log for good.
  io::Task<void> settle_writes();
  /// Of a log that was abandoned: slices cut of its files become stale, because others take their
  /// names.
  void outdate_slices();

 private:
  struct Parts;
  explicit Log(std::unique_ptr<Parts> parts);
  std::unique_ptr<Parts> parts_;
};

}  // namespace sluice::storage
