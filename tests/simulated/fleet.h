#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "broker/metadata/image.h"
#include "tests/simulated/broker_machine.h"
#include "tests/simulated/history.h"

namespace sluice::sim {

/// The machines with brokers of a run: one alone, or the members of a cluster and one more that may
/// join it.
class Fleet {
 public:
  /// Simulator and history outlive it. `newcomer`: there is one.
  Fleet(Simulator& simulator, History& history, uint32_t brokers, bool newcomer);
  Fleet(const Fleet&) = delete;
  Fleet& operator=(const Fleet&) = delete;

  /// Those that belong to the cluster, off or on.
  const std::vector<BrokerMachine*>& members() const { return members_; }
  /// Off, and in no cluster yet; null once it was taken in.
  BrokerMachine* newcomer() const { return newcomer_; }
  /// The newcomer is a member from now on; it joins once it is launched.
  BrokerMachine& take_in();
  /// All that there ever were, by id from 1.
  const std::vector<std::unique_ptr<BrokerMachine>>& machines() const { return machines_; }
  NodeId id_of(const BrokerMachine& machine) const;
  std::vector<NodeId> ids() const;

  /// Somebody asks that it leaves: it may have left already, and then it cannot start.
  void is_leaving(NodeId id) { leaving_ = id; }
  bool is_leaving(const BrokerMachine& machine) const { return leaving_ == id_of(machine); }
  /// It stays.
  void stays() { leaving_ = NodeId(-1); }
  /// It left: from now on it is no member. Its machine is switched off by remove_left().
  void has_left(NodeId id);
  void remove_left();

  /// Whether every member is up, and every partition has all of its replicas in sync, and no move
  /// or drain is under way, as far as any of them knows.
  bool all_in_sync() const;
  /// What keeps that from being so, for who reads the history.
  std::string out_of_sync() const;
  bool all_started() const;
  /// Whether the metadata assigns the partition to that member; also where nobody can tell.
  bool has_replica(const BrokerMachine& machine, const storage::TopicPartition& of) const;
  void launch_all();

 private:
  std::shared_ptr<const broker::MetadataImage> newest_image() const;

  std::vector<std::unique_ptr<BrokerMachine>> machines_;
  std::vector<BrokerMachine*> members_;
  std::vector<BrokerMachine*> left_;
  BrokerMachine* newcomer_ = nullptr;
  NodeId leaving_{-1};
};

}  // namespace sluice::sim
