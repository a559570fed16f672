#include <map>
#include <string>
#include <utility>

#include <gtest/gtest.h>

#include "broker/metadata/elections.h"
#include "broker/metadata/snapshot_codec.h"
#include "tests/support/controlled_cluster.h"

namespace sluice::broker {
namespace {

using namespace std::chrono_literals;
using testing::ControlledCluster;
using testing::partition_of;
using testing::topic_id;

constexpr int32_t kBrokers = 5;
constexpr uint8_t kTopics = 3;
constexpr size_t kPartitions = 6;

/// What has to hold of every image, and from each to the next.
class Invariants {
 public:
  void check(const MetadataImage& image) {
    image.topics.for_each([&](const Uuid& id, const MetadataImage::TopicPointer& topic) {
      for (size_t i = 0; i < topic->partitions.size(); ++i) {
        check(image, *topic, {id, i}, topic->partitions[i]);
      }
    });
  }

 private:
  using Key = std::pair<Uuid, size_t>;

  void check(const MetadataImage& image, const TopicImage& topic, const Key& key,
             const PartitionImage& now) {
    const auto sound = check_partition(now);
    EXPECT_TRUE(sound) << sound.error().message();
    if (now.leader != kNoLeader) {
      const BrokerImage* leader = image.broker(now.leader);
      EXPECT_TRUE(leader != nullptr && !leader->fenced) << "a fenced broker leads";
      // One leader per epoch.
      const auto led = leaders_.try_emplace({key, now.leader_epoch}, now.leader).first->second;
      EXPECT_EQ(led, now.leader);
    }
    const auto [before, is_new] = last_.try_emplace(key, now);
    if (!is_new) check_step(topic, before->second, now);
    before->second = now;
  }

  static void check_step(const TopicImage& topic, const PartitionImage& before,
                         const PartitionImage& now) {
    if (before == now) return;
    EXPECT_EQ(now.partition_epoch, before.partition_epoch + 1);
    EXPECT_GE(now.leader_epoch, before.leader_epoch);
    if (now.leader == before.leader || now.leader == kNoLeader) return;
    EXPECT_GT(now.leader_epoch, before.leader_epoch);
    const bool unclean = topic.configs.contains("unclean.leader.election.enable");
    EXPECT_TRUE(unclean || has(before.in_sync, now.leader) || has(before.eligible, now.leader) ||
                now.replicas != before.replicas)
        << "a leader that may miss what was acknowledged";
  }

  std::map<Key, PartitionImage> last_;
  std::map<std::pair<Key, LeaderEpoch>, NodeId> leaders_;
};

/// Brokers come and go, leaders ask for sets, replicas move, controllers change; from one seed.
class Chaos {
 public:
  explicit Chaos(uint64_t seed) : random_(seed), cluster_(kBrokers) {
    for (uint8_t topic = 1; topic <= kTopics; ++topic) {
      std::vector<PartitionImage> partitions;
      for (size_t i = 0; i < kPartitions; ++i) partitions.push_back(partition_of(some_brokers()));
      ConfigMap configs{{"min.insync.replicas", std::to_string(topic)}};
      if (topic == kTopics) configs["unclean.leader.election.enable"] = "true";
      EXPECT_TRUE(cluster_.create(topic, partitions, configs));
    }
    for (int32_t id = 1; id <= kBrokers; ++id) alive_.insert(id);
    cluster_.on_fold = [this] { invariants_.check(cluster_.image); };
  }

  void step() {
    switch (random_.below(8)) {
      case 0: {
        const int32_t id = broker();
        if (alive_.erase(id) == 0) start(id);
        break;
      }
      case 1:
        start(broker());
        break;
      case 2:
      case 3:
        alter();
        break;
      case 4:
        move();
        break;
      case 5:
        if (random_.one_in(5)) cluster_.restart_controller();
        break;
      case 6:
        if (alive_.size() > 1) static_cast<void>(cluster_.beat(*alive_.begin(), true));
        break;
      default:
        cluster_.run(std::chrono::milliseconds(100 + random_.below(1500)), alive_);
    }
    cluster_.tick();
  }
  /// All are there for a while.
  void heal() {
    for (int32_t id = 1; id <= kBrokers; ++id) start(id);
    cluster_.run(5s, alive_);
  }
  const MetadataImage& image() const { return cluster_.image; }

 private:
  int32_t broker() { return static_cast<int32_t>(1 + random_.below(kBrokers)); }
  std::vector<NodeId> some_brokers() {
    std::vector<NodeId> some;
    const size_t count = 1 + random_.below(3);
    while (some.size() < count) {
      if (const NodeId id{broker()}; !has(some, id)) some.push_back(id);
    }
    return some;
  }
  void start(int32_t id) {
    EXPECT_TRUE(cluster_.register_broker(id, random_.one_in(2)));
    alive_.insert(id);
  }
  std::pair<uint8_t, size_t> any_partition() {
    return {static_cast<uint8_t>(1 + random_.below(kTopics)), random_.below(kPartitions)};
  }
  void alter() {
    const auto [topic, index] = any_partition();
    const PartitionImage& now = cluster_.partition(topic, index);
    InSyncChange change{topic_id(topic),
                        PartitionId{static_cast<int32_t>(index)},
                        now.leader_epoch,
                        now.partition_epoch,
                        {}};
    for (const NodeId id : now.replicas) {
      if (id == now.leader || random_.one_in(2)) change.in_sync.push_back(id);
    }
    if (random_.one_in(8)) ++change.partition_epoch;
    auto altered = cluster_.core->alter_in_sync(cluster_.image, now.leader,
                                                cluster_.epoch_of(now.leader.value()), {change});
    if (altered && !altered->records.empty()) {
      EXPECT_TRUE(cluster_.fold_in(std::move(altered->records)));
    }
  }
  void move() {
    const auto [topic, index] = any_partition();
    const auto records =
        cluster_.core->move(cluster_.image,
                            {topic_id(topic), PartitionId{static_cast<int32_t>(index)},
                             some_brokers(), random_.one_in(3)},
                            cluster_.now);
    if (records && !records->empty()) EXPECT_TRUE(cluster_.fold_in(*records));
  }

  SeededRandom random_;
  ControlledCluster cluster_;
  std::set<int32_t> alive_;
  Invariants invariants_;
};

TEST(ControllerInvariants, HoldWhateverHappens) {
  for (uint64_t seed = 1; seed <= 60; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Chaos chaos(seed);
    for (int step = 0; step < 120; ++step) chaos.step();
    if (::testing::Test::HasFailure()) return;
  }
}

TEST(ControllerInvariants, OnceAllBrokersAreBackEveryPartitionHasALeader) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Chaos chaos(seed);
    for (int step = 0; step < 60; ++step) chaos.step();
    chaos.heal();
    chaos.image().topics.for_each([](const Uuid&, const MetadataImage::TopicPointer& topic) {
      for (const PartitionImage& partition : topic->partitions) {
        EXPECT_NE(partition.leader, kNoLeader) << topic->name;
      }
    });
  }
}

TEST(ControllerInvariants, EveryImageComesOutOfItsSnapshotAsItWas) {
  for (uint64_t seed = 1; seed <= 10; ++seed) {
    Chaos chaos(seed);
    for (int step = 0; step < 60; ++step) chaos.step();
    const MetadataImage& image = chaos.image();
    const auto bytes = encode_snapshot(image);
    const auto restored = decode_snapshot(bytes, image.version);
    ASSERT_TRUE(restored) << restored.error().message();
    EXPECT_EQ(restored->brokers, image.brokers);
    EXPECT_EQ(restored->partitions, image.partitions);
    for (uint8_t topic = 1; topic <= kTopics; ++topic) {
      EXPECT_EQ(*restored->topic(topic_id(topic)), *image.topic(topic_id(topic)));
    }
    EXPECT_EQ(encode_snapshot(*restored), bytes);
    // The same commands again make the same image.
    Chaos again(seed);
    for (int step = 0; step < 60; ++step) again.step();
    EXPECT_EQ(encode_snapshot(again.image()), bytes);
  }
}

}  // namespace
}  // namespace sluice::broker
