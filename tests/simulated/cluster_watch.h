#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "broker/metadata/image.h"
#include "broker/replication/partition.h"
#include "tests/simulated/broker_machine.h"
#include "tests/simulated/fleet.h"
#include "tests/simulated/history.h"
#include "tests/simulated/log_reader.h"

namespace sluice::sim {

/// What must hold of the brokers of a cluster after every step that one of them takes; what does
/// not is noted in the history, once for each sentence.
///
/// - A partition has one leader in an epoch, as far as brokers act as leaders.
/// - What brokers know of the cluster's metadata at one index is the same.
/// - Who is in sync has everything committed; and so have `min.insync.replicas` replicas, on their
///   devices where the topic flushes on every acknowledgement.
/// - Below their high watermarks the logs of all replicas are the same, batch by batch, for ever.
/// - A high watermark is not beyond its log; that of who leads and says so is not below that of a
///   leader before, and neither is where the log begins.
/// - Nothing is deleted that nobody asked to be.
/// - Nobody reads what is not committed.
///
/// Of a topic that lost what was promised of it nothing is remembered from before.
class ClusterWatch {
 public:
  /// All outlive it.
  ClusterWatch(Simulator& simulator, History& history, const Fleet& fleet);
  /// Ends the watch.
  ~ClusterWatch();
  ClusterWatch(const ClusterWatch&) = delete;
  ClusterWatch& operator=(const ClusterWatch&) = delete;

  /// Of the topic's partition everything before the offset may go from now on.
  void may_delete(const Place& place, Offset before);

 private:
  using Key = broker::PartitionKey;
  struct Batch {
    Offset next{0};
    LeaderEpoch epoch{-1};
    uint32_t crc = 0;
    bool operator==(const Batch&) const = default;
  };
  /// What is true of a partition, as all brokers together showed.
  struct Truth {
    uint32_t era = 0;
    /// No leader had a higher high watermark.
    Offset committed{0};
    /// What some log had after all lost their power: what is left of it nobody promised to keep.
    Offset inherited{0};
    /// Of the newest leader that served readers.
    LeaderEpoch served_epoch{-1};
    Offset served{0};
    Offset log_start{0};
    std::map<Offset, Batch> batches;
    /// Where each replica's log ended when it was last looked at; the highest while it is out of
    /// sync.
    std::map<NodeId, Offset> ends;
    /// What each replica has said to be on its device, as far as its log goes.
    std::map<NodeId, Offset> synced;
  };
  /// A partition on a broker that runs.
  struct View {
    Key key;
    Place place;
    std::weak_ptr<broker::Partition> partition;
    broker::Leadership leadership;
    Offset high_watermark{-1};
    Offset log_end{-1};
    LogReader log;
  };
  /// The life of a broker's process.
  struct Life {
    NodeId id{-1};
    BrokerMachine* machine = nullptr;
    uint64_t steps = 0;
    const broker::MetadataImage* image = nullptr;
    std::vector<View> views;
  };
  using Image = std::shared_ptr<const broker::MetadataImage>;

  Life* life_of(uint64_t node);
  void look(uint64_t node);
  void look_at_image(Life& life);
  void find_partitions(Life& life);
  void look_at(Life& life, View& view, broker::Partition& partition);
  static bool is_of_era(const Life& life, const View& view, const broker::Partition& partition,
                        const Truth& truth);
  void look_at_leader(const Life& life, const View& view, broker::Partition& partition,
                      const storage::LogEnds& ends, Truth& truth);
  void check_members(const Key& key, const Place& place, const Truth& truth);
  bool is_in_sync(const Key& key, NodeId id) const;
  Offset end_of(NodeId id, const Key& key, const Truth& truth) const;
  Offset synced_of(NodeId id, const Key& key, const Truth& truth) const;
  void check_copies(const Key& key, const Place& place, const Truth& truth);
  void check_batches(const Life& life, View& view, Offset end, Truth& truth);
  void check_read(const std::string& reader, const Place& place, Offset offset);
  const broker::PartitionImage* newest(const Key& key) const;
  Truth& truth_of(const Key& key, const Place& place);
  void broken(const std::string& what);

  Simulator& simulator_;
  History& history_;
  std::map<NodeId, BrokerMachine*> brokers_;
  std::map<uint64_t, Life> lives_;
  Image newest_;
  std::map<uint64_t, std::pair<uint64_t, NodeId>> images_;
  std::map<std::pair<Key, LeaderEpoch>, NodeId> leaders_;
  std::map<Key, Truth> truths_;
  std::map<Place, Offset> deletable_;
  /// The highest high watermark that a leader ever had.
  std::map<Place, Offset> readable_;
  std::set<std::string> said_;
};

}  // namespace sluice::sim
