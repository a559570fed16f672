#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/guarded.h"
#include "base/result.h"
#include "base/strong.h"
#include "base/uuid.h"
#include "broker/metadata/image.h"
#include "io/network.h"

namespace sluice::broker {

/// A broker as it presents itself, before any metadata knows it.
struct ClusterMember {
  std::string cluster_name;
  NodeId node_id{-1};
  Uuid directory_id;
  io::Endpoint address;
  /// Empty: it has no cluster yet.
  std::string cluster_id;
  bool operator==(const ClusterMember&) const = default;
};

/// wrong_cluster when two brokers of a cluster have different histories of its metadata, with what
/// to do; whoever has none yet may speak to anybody.
Result<> check_lineage(NodeId peer, const std::optional<Lineage>& ours,
                       const std::optional<Lineage>& theirs);

/// Who we are, whom we know and where they are: from seeds, from the metadata, whose word wins, and
/// from members that say they are elsewhere now, whose word wins until they register there.
/// Thread-safe.
class Membership {
 public:
  explicit Membership(ClusterMember self);

  ClusterMember self() const;
  std::string cluster_id() const;
  /// Those that the cluster began with, where this broker is one of them.
  std::vector<ClusterMember> founders() const;

  /// Where others reach this broker, once the system chose a port.
  void listens_at(io::Endpoint address);
  /// From now on this broker has a cluster.
  void belongs_to(std::string cluster_id, std::vector<ClusterMember> founders);
  /// It is known to have none yet.
  void has_no_cluster();
  /// Neither was said so far: others must not take us for a broker without a cluster.
  bool undecided() const;
  /// Heard of outside of the metadata.
  void note(const ClusterMember& member);
  /// Where a member says itself that it is. Changes nothing for whoever is known with another
  /// directory, or is not known.
  void moved(const ClusterMember& member);
  /// After each publish of the metadata, which also tells a broker its cluster. Brokers that left
  /// are forgotten.
  void update(const MetadataImage& image);

  /// Of the metadata that this broker has; nothing while it has none.
  std::optional<Lineage> lineage() const;
  std::optional<io::Endpoint> address_of(NodeId node) const;
  /// By which it is known, from whatever source.
  std::optional<Uuid> directory_of(NodeId node) const;
  /// By node id, this broker included.
  std::vector<ClusterMember> known() const;

 private:
  /// Of who registered elsewhere, and with which epoch that was.
  struct Move {
    io::Endpoint to;
    uint64_t epoch = 0;
  };
  struct State {
    ClusterMember self;
    bool decided = false;
    std::vector<ClusterMember> founders;
    std::map<NodeId, ClusterMember> noted;
    std::map<NodeId, ClusterMember> registered;
    std::map<NodeId, uint64_t> epochs;
    std::map<NodeId, Move> moves;
    std::optional<Lineage> lineage;
  };
  static std::map<NodeId, ClusterMember> merged(const State& state);
  Guarded<State> state_;
};

}  // namespace sluice::broker
