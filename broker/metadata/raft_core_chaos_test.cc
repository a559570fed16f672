#include <array>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "broker/metadata/raft_core.h"
#include "tests/support/raft_network.h"

namespace sluice::broker {
namespace {

std::vector<NodeId> group_of(int count) {
  std::vector<NodeId> ids;
  for (int i = 0; i < count; ++i) ids.emplace_back(i);
  return ids;
}

/// One random thing happens to the group.
void one_event(RaftNetwork& network, int nodes, int step) {
  Random& random = network.random();
  const NodeId id{static_cast<int32_t>(random.below(static_cast<uint64_t>(nodes)))};
  auto& packets = network.packets();
  const uint64_t kind = random.below(1000);
  if (kind < 250) {
    network.tick(id);
  } else if (kind < 500) {
    network.write(id);
  } else if (kind < 930) {
    if (packets.empty()) return;
    const size_t at = random.below(packets.size());
    const auto packet = packets[at];
    if (!random.one_in(20)) packets.erase(packets.begin() + static_cast<ptrdiff_t>(at));
    if (!random.one_in(15)) network.deliver(packet);
  } else if (kind < 970) {
    (void)network.propose(id, "step " + std::to_string(step));
  } else if (kind < 980) {
    network.crash(id);
  } else if (kind < 985) {
    network.compact(id);
  } else if (kind < 990) {
    network.cut_off(id);
  } else if (kind < 997) {
    network.heal();
  } else if (const auto leader = network.leader()) {
    (void)network.core(*leader).transfer(id);
    network.work(*leader);
  }
}

/// Chaos, then peace: what was agreed stays, and the group works again. A fold of all that was
/// said.
uint64_t run(uint64_t seed, int nodes, int steps) {
  RaftNetwork network(seed, group_of(nodes));
  for (int step = 0; step < steps && !::testing::Test::HasFailure(); ++step) {
    one_event(network, nodes, step);
  }
  network.heal();
  std::optional<uint64_t> last;
  EXPECT_TRUE(network.settle([&] {
    const auto has_it = [&](NodeId id) {
      return last && network.at(id).applied >= *last &&
             network.at(id).state == network.at(NodeId{0}).state;
    };
    if (std::ranges::all_of(group_of(nodes), has_it)) return true;
    // A leader that is none any more takes it, too, and loses it: so again.
    const auto leader = network.leader();
    if (!leader) return false;
    if (const auto place = network.propose(*leader, "last")) last = place->index;
    return false;
  })) << "seed "
      << seed;
  for (const NodeId id : group_of(nodes)) EXPECT_FALSE(network.at(id).broken) << "seed " << seed;
  return network.trace();
}

TEST(RaftCoreChaos, ThreeAgreeWhateverIsLostRepeatedReorderedOrCrashes) {
  for (uint64_t seed = 1; seed <= 60 && !HasFailure(); ++seed) run(seed, 3, 3000);
}

TEST(RaftCoreChaos, FiveAgreeWhateverIsLostRepeatedReorderedOrCrashes) {
  for (uint64_t seed = 1001; seed <= 1020 && !HasFailure(); ++seed) run(seed, 5, 4000);
}

TEST(RaftCoreChaos, TheSameSeedSaysTheSameThings) {
  for (uint64_t seed = 1; seed <= 10; ++seed) EXPECT_EQ(run(seed, 3, 2000), run(seed, 3, 2000));
  EXPECT_NE(run(1, 3, 2000), run(2, 3, 2000));
}

}  // namespace
}  // namespace sluice::broker
