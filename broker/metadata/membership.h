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

/// Who we are, whom we know and where they are: from seeds, from who asked to join, and from the
/// metadata, whose word wins. Thread-safe.
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
  /// Heard of outside of the metadata.
  void note(const ClusterMember& member);
  /// After each publish of the metadata. Brokers that left are forgotten.
  void update(const MetadataImage& image);

  /// Of the metadata that this broker has; nothing while it has none.
  std::optional<Lineage> lineage() const;
  std::optional<io::Endpoint> address_of(NodeId node) const;
  /// By node id, this broker included.
  std::vector<ClusterMember> known() const;

 private:
  struct State {
    ClusterMember self;
    std::vector<ClusterMember> founders;
    std::map<NodeId, ClusterMember> noted;
    std::map<NodeId, ClusterMember> registered;
    std::optional<Lineage> lineage;
  };
  static std::map<NodeId, ClusterMember> merged(const State& state);
  Guarded<State> state_;
};

}  // namespace sluice::broker
