#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "broker/metadata/broker_states.h"
#include "broker/metadata/damage_report.h"
#include "broker/metadata/image.h"
#include "broker/metadata/in_sync_change.h"
#include "broker/metadata/sessions.h"
#include "broker/metadata/topic_config.h"
#include "broker/metadata/warm_ups.h"
#include "proto/cluster/metadata.pb.h"

namespace sluice::broker {

struct ControllerOptions {
  NodeId self{-1};
  /// A broker that is not heard of for so long is fenced.
  Duration session = std::chrono::seconds(1);
  /// What a new controller gives whoever it has not heard of: the election took the rest already,
  /// and who lives tells it within moments.
  Duration first_session = std::chrono::milliseconds(600);
  /// How often it is looked for leaders to move back and replicas to move away.
  Duration balance_every = std::chrono::seconds(3);
  /// Share of its preferred leaderships that a broker may miss.
  uint32_t imbalance_percent = 10;
  /// Replicas on the move for draining, at once.
  size_t moves_at_once = 100;
  /// About the largest command: a thousand elections are one, a million are several.
  size_t command_bytes = 512 * 1024;
  /// How long a broker that is to lead by plan may take to read the partition in; 0: it is not
  /// asked to.
  Duration warm_up_max{0};
};

struct HeartbeatReply {
  bool fenced = false;
  /// For how long it is not known whether most of the voters still count on this controller: the
  /// session lasts only from then.
  Duration agreed_ago{};
  /// Nothing is led by it any more that another could lead.
  bool may_stop = false;
  /// It is to lead these soon: read in now, its first fetches find them in memory.
  std::vector<PartitionName> warm_up = {};
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

  /// Every broker gets a first session before it is fenced. See first_session.
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
  /// The broker keeps its replicas and may get new ones: what moves them away is cancelled.
  MetadataRecords end_drain(const MetadataImage& image, NodeId node) const;
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
  /// Which replicas of `from` lost records, or are whole again; what is known already, or not its
  /// own, is passed over. unknown_session when it has another epoch.
  Result<MetadataRecords> report_damage(const MetadataImage& image, NodeId from,
                                        uint64_t broker_epoch,
                                        const std::vector<DamageReport>& reports) const;
  /// Empty when there is nothing to do. See moved and move_cancelled. One that takes the leader's
  /// replica is under way until the next leader has read the partition in.
  Result<MetadataRecords> move(const MetadataImage& image, const MovePartition& request,
                               TimePoint now);

 private:
  BrokerStates states_of(const MetadataImage& image) const;
  void follow_time(const MetadataImage& image, TimePoint now);
  MetadataRecords change_sessions(const MetadataImage& image, BrokerStates& states,
                                  TimePoint now) const;
  void settle_partitions(const Image& image, const BrokerStates& states, TimePoint now,
                         MetadataRecords& records);
  bool settle_topic(const TopicImage& topic, const BrokerStates& states, TimePoint now,
                    MetadataRecords& records);
  bool is_held_back(const PartitionName& name, const PartitionImage& before,
                    const PartitionImage& after, const BrokerStates& states, TimePoint now);
  MetadataRecords spread(const MetadataImage& image, const BrokerStates& states, TimePoint now);
  bool has_handed_over(const MetadataImage& image, NodeId id, const BrokerStates& states) const;

  const ControllerOptions options_;
  const TopicOptions& defaults_;
  Sessions sessions_;
  WarmUps warm_ups_;
  TimePoint last_tick_;
  TimePoint next_balance_;
  /// What the partitions were last looked at with.
  BrokerStates settled_states_;
  Image settled_image_;
  bool scan_all_ = true;
  /// Of the records of this tick.
  size_t settled_bytes_ = 0;
  /// A change of leader waits until the next one has read its partition in.
  bool holds_back_ = false;
};

}  // namespace sluice::broker
