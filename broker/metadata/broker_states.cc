#include "broker/metadata/broker_states.h"

#include <algorithm>

namespace sluice::broker {

BrokerStates::BrokerStates(const MetadataImage& image) {
  states_.reserve(image.brokers.size());
  for (const BrokerImage& broker : image.brokers) {
    states_.push_back({broker.id, !broker.fenced, !broker.fenced, broker.draining});
  }
}

const BrokerStates::State* BrokerStates::find(NodeId id) const {
  const auto at = std::ranges::lower_bound(states_, id, {}, &State::id);
  return at == states_.end() || at->id != id ? nullptr : &*at;
}

BrokerStates::State* BrokerStates::find(NodeId id) {
  return const_cast<State*>(std::as_const(*this).find(id));
}

void BrokerStates::set_fenced(NodeId id, bool fenced) {
  State* state = find(id);
  if (state == nullptr) return;
  state->serves = !fenced;
  state->may_lead = !fenced;
}

void BrokerStates::set_stopping(NodeId id) {
  if (State* state = find(id)) state->may_lead = false;
}

bool BrokerStates::serves(NodeId id) const {
  const State* state = find(id);
  return state != nullptr && state->serves;
}

bool BrokerStates::may_lead(NodeId id) const {
  const State* state = find(id);
  return state != nullptr && state->may_lead;
}

bool BrokerStates::takes_replicas(NodeId id) const {
  const State* state = find(id);
  return state != nullptr && state->may_lead && !state->draining;
}

}  // namespace sluice::broker
