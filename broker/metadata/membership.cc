#include "broker/metadata/membership.h"

#include <algorithm>
#include <utility>

namespace sluice::broker {

Result<> check_lineage(NodeId peer, const std::optional<Lineage>& ours,
                       const std::optional<Lineage>& theirs) {
  if (!ours || !theirs || *ours == *theirs) return {};
  const std::string number = std::to_string(peer.value());
  if (ours->recoveries == theirs->recoveries) {
    return fail(Errc::wrong_cluster,
                "the metadata of this broker and of broker " + number +
                    " were recovered apart from each other (" + ours->id.text() + " and " +
                    theirs->id.text() + "); keep one and move the other's metadata directory away");
  }
  const bool we_are_behind = ours->recoveries < theirs->recoveries;
  const std::string behind = we_are_behind ? "this broker" : "broker " + number;
  const std::string ahead = we_are_behind ? "broker " + number : "this broker";
  return fail(Errc::wrong_cluster,
              "the cluster's metadata went on without most of its voters (recovery " +
                  std::to_string(std::max(ours->recoveries, theirs->recoveries)) + " on " + ahead +
                  "), and that of " + behind +
                  " is of before; move its metadata directory away and start it again with seeds, "
                  "so that it joins anew with its data");
}

Membership::Membership(ClusterMember self) { state_.lock()->self = std::move(self); }

ClusterMember Membership::self() const { return state_.lock()->self; }

std::string Membership::cluster_id() const { return state_.lock()->self.cluster_id; }

std::vector<ClusterMember> Membership::founders() const { return state_.lock()->founders; }

void Membership::listens_at(io::Endpoint address) {
  state_.lock()->self.address = std::move(address);
}

void Membership::belongs_to(std::string cluster_id, std::vector<ClusterMember> founders) {
  auto state = state_.lock();
  state->self.cluster_id = std::move(cluster_id);
  state->decided = true;
  state->founders = std::move(founders);
  for (const ClusterMember& founder : state->founders) state->noted[founder.node_id] = founder;
}

void Membership::note(const ClusterMember& member) {
  state_.lock()->noted[member.node_id] = member;
}

void Membership::has_no_cluster() { state_.lock()->decided = true; }

bool Membership::undecided() const { return !state_.lock()->decided; }

void Membership::moved(const ClusterMember& member) {
  auto state = state_.lock();
  const NodeId id = member.node_id;
  const bool is_registered = state->registered.contains(id);
  auto& known = is_registered ? state->registered : state->noted;
  const auto found = known.find(id);
  if (found == known.end() || found->second.directory_id != member.directory_id) return;
  if (!is_registered) {
    found->second.address = member.address;
  } else if (found->second.address == member.address) {
    state->moves.erase(id);
  } else {
    state->moves[id] = {member.address, state->epochs[id]};
  }
}

void Membership::update(const MetadataImage& image) {
  auto state = state_.lock();
  if (state->self.cluster_id.empty() && !image.cluster_id.empty()) {
    state->self.cluster_id = image.cluster_id;
    state->decided = true;
  }
  if (!image.cluster_id.empty()) state->lineage = image.lineage;
  const auto before = std::exchange(state->registered, {});
  state->epochs.clear();
  for (const BrokerImage& broker : image.brokers) {
    // Registered before it listens: what was noted is the better address.
    if (broker.port == 0) continue;
    state->registered[broker.id] = {.cluster_name = state->self.cluster_name,
                                    .node_id = broker.id,
                                    .directory_id = broker.directory_id,
                                    .address = {broker.host, broker.port},
                                    .cluster_id = image.cluster_id};
    state->epochs[broker.id] = broker.epoch;
  }
  std::erase_if(state->moves, [&](const auto& move) {
    const auto now = state->epochs.find(move.first);
    return now == state->epochs.end() || now->second != move.second.epoch;
  });
  for (const auto& [node, member] : before) {
    if (!state->registered.contains(node)) state->noted.erase(node);
  }
}

std::map<NodeId, ClusterMember> Membership::merged(const State& state) {
  auto members = state.registered;
  members.insert(state.noted.begin(), state.noted.end());
  for (const auto& [node, move] : state.moves) members[node].address = move.to;
  members[state.self.node_id] = state.self;
  return members;
}

std::optional<Lineage> Membership::lineage() const { return state_.lock()->lineage; }

std::optional<io::Endpoint> Membership::address_of(NodeId node) const {
  const auto state = state_.lock();
  if (const auto move = state->moves.find(node); move != state->moves.end()) return move->second.to;
  for (const auto* known : {&state->registered, &state->noted}) {
    if (const auto found = known->find(node); found != known->end()) return found->second.address;
  }
  return std::nullopt;
}

std::optional<Uuid> Membership::directory_of(NodeId node) const {
  const auto state = state_.lock();
  for (const auto* known : {&state->registered, &state->noted}) {
    if (const auto found = known->find(node); found != known->end()) {
      return found->second.directory_id;
    }
  }
  return std::nullopt;
}

std::vector<ClusterMember> Membership::known() const {
  const auto members = merged(*state_.lock());
  std::vector<ClusterMember> known;
  known.reserve(members.size());
  for (const auto& [node, member] : members) known.push_back(member);
  return known;
}

}  // namespace sluice::broker
