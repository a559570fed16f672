#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "base/result.h"
#include "base/strong.h"
#include "base/time.h"
#include "base/uuid.h"
#include "broker/replication/fetch_session.h"
#include "broker/replication/partition.h"
#include "broker/security/principal.h"
#include "io/task.h"
#include "storage/file_slice.h"

namespace sluice::broker {

class PartitionTable;

/// A fetch on a session. Session epoch 0 names all partitions and begins the session anew; 1, 2,
/// ... name only what changes: a partition whose offset moved, or that comes or goes.
struct FetchRequest {
  const Principal& principal;
  uint32_t session_epoch = 0;
  std::span<const FetchTarget> partitions;
  std::span<const PartitionKey> forgotten;
  /// How long to wait for min_bytes; a partition's error answers at once.
  Duration max_wait{0};
  size_t min_bytes = 1;
  size_t max_bytes = 0;
  Isolation isolation = Isolation::read_uncommitted;
  /// Set by a broker that replicates: it reads up to the log end, and says how far it is.
  std::optional<ReplicaIdentity> replica = std::nullopt;
  /// A reader that takes what a follower knows to be committed; a replica that takes what another
  /// has, whoever leads, and says nothing of itself.
  bool from_follower = false;
  /// If set, grows by the time spent waiting for min_bytes.
  Duration* waited = nullptr;
};

/// The answer for one partition.
struct FetchedPartition {
  PartitionKey key;
  std::optional<Error> error;
  /// -1, as is the last stable offset: a new leader does not know it yet. What it knows to be
  /// committed it gives.
  Offset high_watermark{-1};
  Offset last_stable{-1};
  Offset log_start{-1};
  /// Where this reader can get to.
  Offset bound{-1};
  /// Whole batches, of which the first may begin before the asked offset; length 0: none.
  storage::FileSlice slice;
  std::optional<Leadership> leadership;
  /// A replica's log, or what a reader has read, parts from this one here.
  std::optional<Divergence> divergence;
};

/// Reads below the high watermark, replicas up to the log end, with long polls.
class Fetch {
 public:
  explicit Fetch(const PartitionTable& partitions) : partitions_(partitions) {}

  /// Replaces `answer` by the partitions with data, an error, or a moved high watermark or log
  /// start. At least one whole batch is given, also when it is larger than the limits. One call at
  /// a time on a session, always from the session's loop; what `request` points to lives until it
  /// is done. Errors of the whole: unknown_session (wrong epoch), too_many (partitions),
  /// cancelled (FetchSession::cancel). Errors of a partition: unknown_topic_id, not_leader,
  /// offset_out_of_range, fenced_leader_epoch, unknown_leader_epoch, those of
  /// Log::read; for replicas those of Partition::check_follower.
  io::Task<Result<>> fetch(FetchSession& session, FetchRequest request,
                           std::vector<FetchedPartition>& answer);

 private:
  struct Gathered {
    size_t bytes = 0;
    /// There is something that must not wait for min_bytes.
    bool urgent = false;
    /// A replica has not been told of a high watermark or log start.
    bool news = false;
  };
  io::Task<Gathered> gather(FetchSession& session, FetchRequest request,
                            std::vector<FetchedPartition>& answer);
  static void note_replicas(FetchSession& session, const FetchRequest& request);
  io::Task<FetchedPartition> read(FetchSlot& slot, size_t limit, bool first,
                                  const FetchRequest& request);
  io::Task<FetchedPartition> read_replica(FetchSlot& slot, size_t limit, bool first,
                                          ReplicaIdentity replica);
  io::Task<FetchedPartition> read_copy(FetchSlot& slot, size_t limit, bool first);
  const PartitionTable& partitions_;
};

}  // namespace sluice::broker
