#pragma once

#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/result.h"
#include "broker/metadata/membership.h"
#include "io/network.h"

namespace sluice::broker {

/// What a seed says of itself.
struct DiscoverAnswer {
  ClusterMember self;
  std::vector<ClusterMember> known;
  std::vector<ClusterMember> founders;
};

/// How this broker came to its cluster: what it keeps beside its metadata log.
struct Founding {
  std::string cluster_id;
  /// The first voters, by node id; empty when it joined a cluster that was there.
  std::vector<ClusterMember> founders;
  /// Whom it joined.
  std::vector<ClusterMember> members;
  bool operator==(const Founding&) const = default;

  std::vector<NodeId> voters() const;
};

/// What a broker without a cluster makes of what its seeds say. Pure: the same answers give the
/// same decision, in whatever order and on whichever of the seeds.
class Forming {
 public:
  struct AskOn {};
  struct Found {
    Founding founding;
  };
  /// Members of the cluster to join, the seeds first.
  struct Join {
    std::string cluster_id;
    std::vector<ClusterMember> members;
  };
  struct Refuse {
    Error why;
  };
  using Decision = std::variant<AskOn, Found, Join, Refuse>;

  Forming(ClusterMember self, const std::vector<io::Endpoint>& seeds);

  /// The last word of a seed counts.
  void answered(const io::Endpoint& seed, DiscoverAnswer answer);
  void failed(const io::Endpoint& seed, Error why);

  Decision decide() const;
  /// What is waited for, a line each.
  std::vector<std::string> waits_for() const;

 private:
  struct Seed {
    io::Endpoint address;
    std::optional<DiscoverAnswer> answer;
    std::optional<Error> failure;
  };
  Seed& seed(const io::Endpoint& address);
  std::optional<Error> other_name() const;
  std::optional<Error> shared_id() const;
  std::optional<Decision> existing_cluster() const;
  std::vector<ClusterMember> answering() const;
  bool among_seeds() const;

  const ClusterMember self_;
  std::vector<Seed> seeds_;
};

/// The same on every founder: from the node ids and the directories of all, so that no other
/// directory in the place of one ever founds the same cluster again.
std::string founded_cluster_id(const std::vector<ClusterMember>& founders);

}  // namespace sluice::broker
