#pragma once

#include <vector>

#include "broker/metadata/image.h"

namespace sluice::broker {

/// Which brokers count as what in a decision: the image's, with what the decision itself changes.
class BrokerStates {
 public:
  struct State {
    NodeId id{-1};
    /// Known and not fenced: may be in an in-sync set.
    bool serves = false;
    /// Serves and does not want to stop.
    bool may_lead = false;
    bool draining = false;
    bool operator==(const State&) const = default;
  };

  BrokerStates() = default;
  explicit BrokerStates(const MetadataImage& image);

  void set_fenced(NodeId id, bool fenced);
  void set_stopping(NodeId id);

  bool serves(NodeId id) const;
  bool may_lead(NodeId id) const;
  /// Serves and is not being emptied.
  bool takes_replicas(NodeId id) const;
  const std::vector<State>& all() const { return states_; }
  bool operator==(const BrokerStates&) const = default;

 private:
  State* find(NodeId id);
  const State* find(NodeId id) const;
  /// By id.
  std::vector<State> states_;
};

}  // namespace sluice::broker
