#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "client/admin/core.h"

namespace sluice::client {
namespace {

using Said = native::DescribeClusterResponse::Move;
using Name = std::pair<std::string, int32_t>;

MoveInfo::Left left_of(const Said& said, NodeId adding) {
  const int64_t all = std::max<int64_t>(said.log_end() - said.log_start(), 0);
  int64_t missing = all;
  for (const auto& follower : said.followers()) {
    if (follower.node_id() != adding.value() || follower.log_end() < 0) continue;
    missing = std::clamp<int64_t>(said.log_end() - follower.log_end(), 0, all);
  }
  // As if all records were of one size.
  const double share = all == 0 ? 0 : static_cast<double>(missing) / static_cast<double>(all);
  return {.id = adding,
          .records = static_cast<uint64_t>(missing),
          .bytes = static_cast<uint64_t>(share * static_cast<double>(said.bytes()))};
}

MoveInfo move_of(const Said& said, bool by_leader) {
  MoveInfo move{.topic = said.topic(),
                .partition = PartitionId(said.partition()),
                .leader = NodeId(said.leader()),
                .replicas = nodes_of(said.replicas()),
                .adding = nodes_of(said.adding()),
                .removing = nodes_of(said.removing()),
                .left = {}};
  if (!by_leader) return move;
  for (const NodeId adding : move.adding) move.left.push_back(left_of(said, adding));
  return move;
}

}  // namespace

io::Task<Result<std::vector<MoveInfo>>> AdminCore::list_moves() {
  native::RequestHeader request;
  request.mutable_describe_cluster()->set_moves(true);
  auto first = co_await cluster_.ask(request);
  if (!first) co_return fail(std::move(first).error());
  std::map<Name, MoveInfo> moves;
  std::set<NodeId> leaders;
  for (const Said& said : first->describe_cluster().moves()) {
    moves.emplace(Name{said.topic(), said.partition()}, move_of(said, false));
    if (said.leader() >= 0) leaders.insert(NodeId(said.leader()));
  }
  if (!leaders.empty()) {
    auto brokers = co_await cluster_.metadata({});
    if (!brokers) co_return fail(std::move(brokers).error());
  }
  for (const NodeId leader : leaders) {
    // A leader that does not answer leaves its moves without numbers.
    const auto answer = co_await ask_at(leader, request);
    if (!answer) continue;
    for (const Said& said : answer->describe_cluster().moves()) {
      const auto known = moves.find({said.topic(), said.partition()});
      if (known == moves.end() || NodeId(said.leader()) != leader) continue;
      known->second = move_of(said, true);
    }
  }
  std::vector<MoveInfo> out;
  for (auto& [name, move] : moves) out.push_back(std::move(move));
  co_return out;
}

}  // namespace sluice::client
