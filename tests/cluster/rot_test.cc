// Bits that flip on the disks of a cluster.

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <functional>
#include <optional>
#include <string>
#include <thread>

#include <gtest/gtest.h>

#include "tests/cluster/three_brokers.h"

namespace sluice::cluster {
namespace {

namespace fs = std::filesystem;
using std::chrono::seconds;
using std::chrono::steady_clock;

class Rot : public testing::Test {
 protected:
  void SetUp() override {
    brokers.emplace();
    brokers->settings = {"scrub.interval.ms=1000", "scrub.bytes.per.second=100MiB",
                         "metadata.directory={data}-metadata"};
    brokers->start();
    const auto created = brokers->client()->admin()->create_topic(
        {.name = "t",
         .partitions = 1,
         .replication_factor = 3,
         .configs = {{"min.insync.replicas", "2"}, {"segment.bytes", "1048576"}}});
    ASSERT_TRUE(created) << created.error().message();
    for (int i = 0; i < 40'000; ++i) lines += "record number " + std::to_string(i) + " of many\n";
    ASSERT_EQ(brokers->sluice({"produce", "t", "-q"}, lines).code, 0);
  }
  fs::path folder(int id) const { return brokers->data(id) / "t-0"; }
  fs::path segment(int id) const { return folder(id) / "00000000000000000000.log"; }
  void flip_middle(int id) const {
    // In place: the broker has the file open.
    std::fstream file(segment(id), std::ios::in | std::ios::out | std::ios::binary);
    const auto middle = static_cast<std::streamoff>(fs::file_size(segment(id)) / 2);
    file.seekg(middle);
    const char byte = static_cast<char>(file.get() ^ 8);
    file.seekp(middle);
    file.put(byte);
    ASSERT_TRUE(file.good());
  }
  static bool eventually(const std::function<bool()>& holds) {
    const auto until = steady_clock::now() + seconds(30);
    while (!holds()) {
      if (steady_clock::now() > until) return false;
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
    }
    return true;
  }
  bool said(int id, const std::string& what) {
    return brokers->broker(id).log().find(what) != std::string::npos;
  }
  size_t in_sync() const {
    const auto described = brokers->client()->admin()->describe_topic("t");
    return described ? described->partitions[0].in_sync.size() : 0;
  }
  /// All records once, and the replica whole and counted on again.
  void expect_repaired(int id) {
    EXPECT_TRUE(eventually([&] { return said(id, "replica repaired"); }))
        << brokers->broker(id).log();
    EXPECT_TRUE(eventually([&] { return in_sync() == 3; }));
    EXPECT_TRUE(brokers->sluice({"consume", "t", "--until", "end"}).out == lines);
    EXPECT_EQ(brokers->sluice({"produce", "t"}, "one more\n").code, 0);
    const int other = id % 3 + 1;
    EXPECT_TRUE(eventually([&] { return read_file(segment(id)) == read_file(segment(other)); }));
  }

  std::optional<ThreeBrokers> brokers;
  std::string lines;
};

TEST_F(Rot, ABitThatFlippedWhileABrokerWasDownIsFoundAndRepaired) {
  const int leader = brokers->leader_of("t");
  const int victim = leader % 3 + 1;
  ASSERT_EQ(brokers->stop(victim), 0);
  flip_middle(victim);
  brokers->restart(victim);
  expect_repaired(victim);
  EXPECT_EQ(brokers->leader_of("t"), leader);
}

TEST_F(Rot, ALeaderWhoseDiskRotsHandsOverAndIsRepaired) {
  const int leader = brokers->leader_of("t");
  flip_middle(leader);
  ASSERT_TRUE(eventually([&] { return said(leader, "partition damaged"); }));
  expect_repaired(leader);
}

TEST_F(Rot, ASegmentThatLostItsTailInAStoppedBrokerIsMadeWhole) {
  const int victim = brokers->leader_of("t") % 3 + 1;
  ASSERT_EQ(brokers->stop(victim), 0);
  fs::resize_file(segment(victim), fs::file_size(segment(victim)) / 3);
  brokers->restart(victim);
  expect_repaired(victim);
}

TEST_F(Rot, AFolderThatIsGoneIsFilledAgain) {
  const int victim = brokers->leader_of("t");
  ASSERT_EQ(brokers->stop(victim), 0);
  fs::remove_all(folder(victim));
  brokers->restart(victim);
  expect_repaired(victim);
}

TEST_F(Rot, AFolderThatDoesNotSayWhoseItIsIsFilledAgainOrNamedAnew) {
  const int victim = brokers->leader_of("t");
  const auto spoil = [&](bool checkpoint) {
    ASSERT_EQ(brokers->stop(victim), 0);
    std::ofstream(folder(victim) / "partition.metadata") << "version: 0\ntopic_id: rot\n";
    if (checkpoint) std::ofstream(brokers->data(victim) / "synced-end-checkpoint") << "rot";
    brokers->restart(victim);
  };
  spoil(false);
  EXPECT_TRUE(eventually([&] { return in_sync() == 3; }));
  EXPECT_TRUE(said(victim, "topic id of a log is written again")) << brokers->broker(victim).log();
  spoil(true);
  EXPECT_TRUE(eventually([&] { return said(victim, "is put aside") && in_sync() == 3; }))
      << brokers->broker(victim).log();
  EXPECT_TRUE(brokers->sluice({"consume", "t", "--until", "end"}).out == lines);
  const int other = victim % 3 + 1;
  EXPECT_TRUE(eventually([&] { return read_file(segment(victim)) == read_file(segment(other)); }));
}

TEST_F(Rot, AnEmptyDiskInPlaceOfABrokenOneIsFilled) {
  const int victim = brokers->leader_of("t");
  ASSERT_EQ(brokers->stop(victim), 0);
  fs::remove_all(brokers->data(victim));
  brokers->restart(victim);
  EXPECT_TRUE(eventually([&] { return in_sync() == 3; }));
  EXPECT_TRUE(brokers->sluice({"consume", "t", "--until", "end"}).out == lines);
  const int other = victim % 3 + 1;
  EXPECT_TRUE(eventually([&] { return read_file(segment(victim)) == read_file(segment(other)); }));
}

}  // namespace
}  // namespace sluice::cluster
