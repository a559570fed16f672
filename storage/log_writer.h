#pragma once

#include <array>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "io/task.h"
#include "storage/active_segment.h"
#include "storage/append_queue.h"
#include "storage/epoch_runs.h"
#include "storage/index_fit.h"
#include "storage/log_context.h"
#include "storage/log_syncer.h"
#include "storage/producer_state.h"
#include "storage/write_pacer.h"

namespace sluice::storage {

/// The one writer of a log at a time: who holds the queue's role owns everything in here, and
/// nobody else looks at it. What others may see is published in LogState.
class LogWriter {
 public:
  struct Start {
    ActiveSegment active;
    ProducerState producers;
    /// Opening it changed files: close() has to sync them.
    bool changed = false;
  };
  LogWriter(LogContext& log, LogSyncer& syncer, Start start);

  // See Log.
  io::Task<Result<Appended>> append(AppendRequest request);
  io::Task<Result<>> roll();
  io::Task<Result<>> start_epoch(LeaderEpoch epoch);
  /// Puts right what a check found, unless the log changed there since.
  io::Task<Result<>> correct_epochs(const EpochCheck& found);
  /// Writes the topic's id again where its file no longer has it.
  io::Task<Result<>> correct_topic_id();
  /// Of a sealed segment, unless it left the log or is not on the device yet.
  io::Task<Result<>> replace_indexes(std::shared_ptr<Segment> of, IndexFiles anew);
  io::Task<Result<>> truncate_to(Offset end);
  io::Task<Result<>> restart_at(Offset start);
  io::Task<Result<>> advance_start(Offset start);
  io::Task<Result<>> replace_segments(std::vector<Offset> old, uint64_t bytes,
                                      std::function<io::Task<Result<>>()> swap_files);
  io::Task<Result<std::vector<std::pair<ProducerId, Offset>>>> producer_ends();
  io::Task<Result<>> expire_producers(Timestamp now);
  io::Task<Result<>> close();
  io::Task<void> abandon();

 private:
  /// The writer's role, for as long as it lives.
  class [[nodiscard]] Role {
   public:
    explicit Role(LogWriter* writer) : writer_(writer) {}
    Role(Role&& other) noexcept : writer_(std::exchange(other.writer_, nullptr)) {}
    Role& operator=(Role&&) = delete;
    ~Role() {
      if (writer_ != nullptr) writer_->leave();
    }

   private:
    LogWriter* writer_;
  };
  /// Appends that share a write. Those before `settled` have their outcome; of the others, the
  /// admitted ones' bytes are in `parts`.
  struct Round {
    static constexpr size_t kMost = 32;
    static constexpr size_t kMostBytes = 1_MiB;
    std::array<PendingAppend*, kMost> appends{};
    std::array<ByteView, kMost> parts{};
    size_t count = 0;
    size_t settled = 0;
    size_t part_count = 0;
    uint64_t bytes = 0;
  };

  /// Where a truncation ends the log: what stays of which segment.
  struct Cut {
    std::shared_ptr<const SegmentList> list;
    std::shared_ptr<Segment> kept;
    uint64_t kept_bytes = 0;
    /// Of the kept segment, as SegmentList::find().
    size_t place = 0;
    uint64_t position = 0;
    Offset end{0};
    /// Nothing stays: `kept` is a new segment that begins at `end`, without a file yet.
    bool anew = false;

    bool in_active() const { return !anew && place == list->sealed.size(); }
    auto first_cut() const { return list->sealed.begin() + static_cast<ptrdiff_t>(place); }
    std::vector<SealedSegment> dropped(const ActiveSegment& active) const;
  };

  io::Task<Role> role();
  void leave();

  // Appending (log_writer.cc).
  io::Task<Result<>> check_costly(PendingAppend& append, const LogOptions& options,
                                  std::vector<std::byte>& recompressed);
  io::Task<void> write_rounds(PendingAppend& first, bool others_wait);
  bool next_round(bool stay);
  io::Task<void> write_round();
  io::Task<bool> make_room(PendingAppend& append, size_t place);
  Result<> admit(PendingAppend& append);
  io::Task<void> write_gathered(size_t upto);
  io::Task<void> refuse_gathered(size_t upto, Error cause);
  io::Task<Result<Appended>> write_replica(PendingAppend& append);
  io::Task<Result<>> write_run(ByteView batches);
  io::Task<Result<>> write_parts(std::span<const ByteView> parts, uint64_t bytes);
  void publish_end(std::span<const ByteView> written, uint64_t position);

  // Segments and space (log_segments.cc).
  io::Task<Result<>> roll_segment();
  void publish_segments(std::vector<SealedSegment> sealed);
  void pace(uint64_t position, uint64_t bytes);
  io::Task<void> reserve(std::shared_ptr<Segment> segment, WritePacer::Range range);
  io::Task<void> sync_behind(Offset end);
  io::Task<void> write_snapshot(Offset at, std::vector<std::byte> content);
  io::Task<Result<>> sync_snapshot(Offset at);

  // Everything else that changes the log (log_changes.cc).
  Result<> refusal() const;
  io::Task<Result<>> begin_epoch(LeaderEpoch epoch, Offset start);
  io::Task<Result<>> store_epochs(LeaderEpochs epochs);
  io::Task<Result<>> correct_epoch(const EpochCheck::Misfit& batch);
  io::Task<Result<Cut>> find_cut(Offset end);
  io::Task<Result<Offset>> end_of_batches(std::shared_ptr<Segment> segment, uint64_t position);
  io::Task<Result<>> drop_empty_epochs();
  io::Task<Result<>> cut_durably(Cut where, Offset kept_end);
  io::Task<Result<>> cut(Cut where);
  io::Task<Result<>> sync_cut();
  io::Task<Result<>> retire();
  io::Task<Result<>> retire(Segment& segment, std::vector<std::string>& deleted);
  io::Task<Result<>> finish_files();
  Error broken(Error cause, std::string_view doing);

  LogContext& log_;
  LogSyncer& syncer_;
  ActiveSegment active_;
  ProducerState producers_;
  WritePacer pacer_;
  Round round_;
  std::shared_ptr<const LogOptions> options_;
  Offset start_{0};
  /// The next offset to assign: behind what is gathered.
  Offset next_;
  LeaderEpoch epoch_;
  /// Not in the log any more, files still there; the one to take away first is the last.
  std::vector<SealedSegment> leaving_;
  /// Producer snapshots that are being written.
  io::Scope snapshots_;
  /// Written at rolls since this was opened; synced when it is closed.
  std::vector<Offset> unsynced_snapshots_;
  /// Something was written since the log was opened: close() has work.
  bool changed_ = false;
  bool closed_ = false;
  /// What happened half-way to the files is not known: nothing may be changed any more.
  bool broken_ = false;
};

}  // namespace sluice::storage
