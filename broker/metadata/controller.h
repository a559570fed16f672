#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "broker/metadata/broker_states.h"
#include "broker/metadata/image.h"
#include "broker/metadata/in_sync_change.h"
#include "broker/metadata/sessions.h"
#include "broker/metadata/topic_config.h"
#include "proto/cluster/metadata.pb.h"

namespace sluice::broker {

struct ControllerOptions {
  NodeId self{-1};
  /// A broker that is not heard of for so long is fenced.
  Duration session = std::chrono::seconds(1);
  /// How often it is looked for leaders to move back and replicas to move away.
  Duration balance_every = std::chrono::seconds(3);
  /// Share of its preferred leaderships that a broker may miss.
  uint32_t imbalance_percent = 10;
  /// Replicas on the move for draining, at once.
  size_t moves_at_once = 100;
  /// About the largest command: a thousand elections are one, a million are several.
  size_t command_bytes = 512 * 1024;
};

struct HeartbeatReply {
  bool fenced = false;
  /// Nothing is led by it any more that another could lead.
  bool may_stop = false;
};

struct MovePartition {
  Uuid topic_id;
  PartitionId partition{0};
  /// The preferred leader first; empty with cancel.
  std::vector<NodeId> replicas;
  bool cancel = false;
};

using MetadataRecords = std::vector<cluster::MetadataRecord>;

/// What the leader of the metadata log decides, without doing it: events, the image and the time
/// in, records to commit out. One object a term, since it knows only what it heard itself; who
/// calls it commits the records before it asks again, so that each decision is made on the image
/// that it changes.
class Controller {
 public:
  using Image = std::shared_ptr<const MetadataImage>;

  /// Every broker gets a full session before it is fenced.
  Controller(ControllerOptions options, const TopicOptions& defaults, const MetadataImage& image,
             TimePoint now);

  /// Errors: not_found (not registered), unknown_session (registered with another epoch).
  Result<HeartbeatReply> heartbeat(const MetadataImage& image, const Heartbeat& beat,
                                   TimePoint now);
  /// What is to be done now; asked again at once after it was committed until nothing is. Fences,
  /// unfences, elections and ends of moves; else leaders moved back and brokers emptied.
  MetadataRecords tick(const Image& image, TimePoint now);
  /// The records of the last tick were not committed: they are decided on anew.
  void not_committed() { scan_all_ = true; }
  std::vector<Sessions::Sight> sessions(TimePoint now) const { return sessions_.all(now); }
  /// A broker began to drain.
  void spread_soon() { next_balance_ = {}; }

  struct Altered {
    MetadataRecords records;
    /// By change: the partition epoch once the records are committed, or why not.
    std::vector<Result<uint32_t>> epochs;
  };
  /// unknown_session when `from` has another epoch; else by partition, see with_in_sync.
  Result<Altered> alter_in_sync(const MetadataImage& image, NodeId from, uint64_t broker_epoch,
                                const std::vector<InSyncChange>& changes) const;
  /// Empty when there is nothing to do. See moved and move_cancelled.
  Result<MetadataRecords> move(const MetadataImage& image, const MovePartition& request) const;

 private:
  BrokerStates states_of(const MetadataImage& image) const;
  void follow_time(const MetadataImage& image, TimePoint now);
  MetadataRecords change_sessions(const MetadataImage& image, BrokerStates& states,
                                  TimePoint now) const;
  void settle_partitions(const Image& image, const BrokerStates& states, MetadataRecords& records);
  bool settle_topic(const TopicImage& topic, const BrokerStates& states, size_t& bytes,
                    MetadataRecords& records) const;
  MetadataRecords spread(const MetadataImage& image, const BrokerStates& states, TimePoint now);
  bool has_handed_over(const MetadataImage& image, NodeId id, const BrokerStates& states) const;

  const ControllerOptions options_;
  const TopicOptions& defaults_;
  Sessions sessions_;
  TimePoint last_tick_;
  TimePoint next_balance_;
  /// What the partitions were last looked at with.
  BrokerStates settled_states_;
  Image settled_image_;
  bool scan_all_ = true;
};

}  // namespace sluice::broker
