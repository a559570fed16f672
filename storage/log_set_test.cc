#include "storage/log_set.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/log_set_world.h"

namespace sluice::storage {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::KeyValue;

std::vector<std::string> keys_of(const std::vector<std::pair<int64_t, KeyValue>>& records) {
  std::vector<std::string> keys;
  for (const auto& item : records) keys.push_back(item.second.key);
  return keys;
}

class LogSetTest : public ::testing::Test {
 protected:
  void open() { ASSERT_TRUE(world_.open().has_value()); }
  void reopen() {
    ASSERT_TRUE(world_.close().has_value());
    open();
  }
  static Uuid id(uint64_t seed) {
    SeededRandom random(seed);
    return Uuid::random(random);
  }
  std::shared_ptr<Log> create(const std::string& topic, Uuid topic_id = id(1)) {
    auto log = world_.create(topic, topic_id);
    EXPECT_TRUE(log.has_value()) << log.error().message();
    return log.value_or(nullptr);
  }

  testing::LogSetWorld world_;
};

TEST_F(LogSetTest, KeepsRecordsAcrossACleanStop) {
  open();
  ASSERT_TRUE(world_.append(*create("t", id(1)), {{"a", "1"}, {"b", "2"}}).has_value());
  EXPECT_FALSE(world_.exists("/data/.kafka_cleanshutdown"));
  reopen();
  const auto log = world_.log("t");
  ASSERT_NE(log, nullptr);
  EXPECT_EQ(log->topic_id(), id(1));
  EXPECT_THAT(keys_of(world_.read_all(*log)), ElementsAre("a", "b"));
}

TEST_F(LogSetTest, KeepsRecordsOfAKilledProcess) {
  open();
  ASSERT_TRUE(world_.append(*create("t"), {{"a", "1"}}).has_value());
  world_.die(std::nullopt);
  open();
  EXPECT_THAT(keys_of(world_.read_all(*world_.log("t"))), ElementsAre("a"));
}

TEST_F(LogSetTest, KeepsSyncedRecordsInAPowerCut) {
  open();
  auto log = create("t");
  ASSERT_TRUE(world_.append(*log, {{"a", "1"}}).has_value());
  ASSERT_TRUE(world_.run(log->sync_to(Offset(1))).has_value());
  ASSERT_TRUE(world_.append(*log, {{"b", "2"}}).has_value());
  log.reset();
  world_.die(sim::CrashMode::lose_all);
  open();
  EXPECT_THAT(keys_of(world_.read_all(*world_.log("t"))), ElementsAre("a"));
}

TEST_F(LogSetTest, RefusesASecondLogOfAName) {
  open();
  create("t");
  EXPECT_EQ(world_.create("t").error(), Errc::already_exists);
}

TEST_F(LogSetTest, SpreadsLogsOverItsDirectories) {
  world_.directories = {"/one", "/two"};
  open();
  EXPECT_NE(create("a")->directory(), create("b")->directory());
  reopen();
  EXPECT_EQ(world_.set().all().size(), 2u);
}

TEST_F(LogSetTest, ForgetsARemovedLogAndAllThatWasNotedAboutIt) {
  open();
  auto log = create("t", id(1));
  ASSERT_TRUE(world_.append(*log, {{"a", "1"}, {"b", "2"}}).has_value());
  log->set_high_watermark(Offset(2));
  ASSERT_TRUE(world_.run(world_.set().delete_records(log->partition(), Offset(1))).has_value());
  log.reset();
  ASSERT_TRUE(world_.run(world_.set().remove({"t", PartitionId(0)})).has_value());
  EXPECT_EQ(world_.log("t"), nullptr);
  log = create("t", id(2));
  EXPECT_EQ(log->ends().end, Offset(0));
  log.reset();
  world_.die(sim::CrashMode::keep_all);
  open();
  EXPECT_EQ(world_.log("t")->ends().start, Offset(0));
  EXPECT_FALSE(world_.log("t")->damage().has_value());
}

TEST_F(LogSetTest, DoesNotBringARemovedLogBackAfterAPowerCut) {
  open();
  create("t");
  ASSERT_TRUE(world_.run(world_.set().remove({"t", PartitionId(0)})).has_value());
  world_.die(sim::CrashMode::lose_all);
  open();
  EXPECT_TRUE(world_.set().all().empty());
}

TEST_F(LogSetTest, RemembersDeletedRecordsAfterAPowerCut) {
  open();
  auto log = create("t");
  ASSERT_TRUE(world_.append(*log, {{"a", "1"}}).has_value());
  ASSERT_TRUE(world_.append(*log, {{"b", "2"}}).has_value());
  ASSERT_TRUE(world_.run(log->sync_to(Offset(2))).has_value());
  log->set_high_watermark(Offset(2));
  EXPECT_EQ(world_.run(world_.set().delete_records(log->partition(), Offset(1))), Offset(1));
  log.reset();
  world_.die(sim::CrashMode::lose_all);
  open();
  EXPECT_THAT(keys_of(world_.read_all(*world_.log("t"))), ElementsAre("b"));
}

TEST_F(LogSetTest, ARepeatedDeleteOfRecordsIsAnsweredOnlyWhenItIsDurable) {
  open();
  auto log = create("t");
  ASSERT_TRUE(world_.append(*log, {{"a", "1"}}).has_value());
  ASSERT_TRUE(world_.append(*log, {{"b", "2"}}).has_value());
  ASSERT_TRUE(world_.run(log->sync_to(Offset(2))).has_value());
  log->set_high_watermark(Offset(2));
  const auto erase = [&] {
    return world_.run(world_.set().delete_records({"t", PartitionId(0)}, Offset(1)));
  };
  world_.disk().set_fault([](const sim::DiskCall& call) -> std::optional<Errc> {
    const bool hit = call.path.find("checkpoint") != std::string::npos && call.takes_space();
    return hit ? std::optional(Errc::disk_full) : std::nullopt;
  });
  EXPECT_FALSE(erase());
  EXPECT_FALSE(erase()) << "what failed before has not been made good";
  world_.disk().set_fault({});
  EXPECT_EQ(erase(), Offset(1));
  log.reset();
  world_.die(sim::CrashMode::lose_all);
  open();
  EXPECT_THAT(keys_of(world_.read_all(*world_.log("t"))), ElementsAre("b"));
}

TEST_F(LogSetTest, DeletesRecordsOnlyUpToTheHighWatermark) {
  open();
  const auto log = create("t");
  ASSERT_TRUE(world_.append(*log, {{"a", "1"}, {"b", "2"}}).has_value());
  log->set_high_watermark(Offset(1));
  const auto beyond = world_.run(world_.set().delete_records(log->partition(), Offset(2)));
  EXPECT_EQ(beyond.error(), Errc::offset_out_of_range);
  EXPECT_EQ(world_.run(world_.set().delete_records(log->partition(), Offset(-1))), Offset(1));
  EXPECT_EQ(world_.run(world_.set().delete_records(log->partition(), Offset(0))), Offset(1));
}

TEST_F(LogSetTest, RefusesTheDirectoryOfAnotherCluster) {
  open();
  ASSERT_TRUE(world_.close().has_value());
  world_.identity.cluster_id = "b-cluster";
  const auto refused = world_.open();
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error(), Errc::wrong_cluster);
  EXPECT_THAT(std::string(refused.error().message()), HasSubstr("a-cluster"));
  EXPECT_THAT(std::string(refused.error().message()), HasSubstr("b-cluster"));
}

TEST_F(LogSetTest, RefusesADirectoryThatIsInUse) {
  open();
  const auto lock = world_.run(world_.disk().lock("/other/.lock"));
  ASSERT_FALSE(lock.has_value());  // no such directory yet
  world_.directories = {"/data"};
  testing::LogSetWorld second(2, world_.disk().image());
  const auto held = second.run(second.disk().lock("/data/.lock"));
  ASSERT_TRUE(held.has_value());
  EXPECT_EQ(second.open().error(), Errc::locked);
}

TEST_F(LogSetTest, GoesOnWithoutADirectoryThatFails) {
  world_.directories = {"/one", "/two"};
  open();
  const auto a = create("a");
  const auto b = create("b");
  const std::string broken = a->directory();
  world_.disk().set_fault([broken](const sim::DiskCall& call) -> std::optional<Errc> {
    if (call.op == sim::DiskOp::sync && call.path.starts_with(broken)) return Errc::disk_failed;
    return std::nullopt;
  });
  ASSERT_TRUE(world_.append(*a, {{"a", "1"}}).has_value());
  EXPECT_FALSE(world_.run(a->sync_to(Offset(1))).has_value());
  EXPECT_THAT(world_.went_offline, ElementsAre(a->directory()));
  EXPECT_FALSE(world_.append(*a, {{"a", "2"}}).has_value());
  ASSERT_TRUE(world_.append(*b, {{"b", "1"}}).has_value());
  EXPECT_TRUE(world_.run(b->sync_to(Offset(1))).has_value());
  EXPECT_EQ(create("c")->directory(), b->directory());
}

TEST_F(LogSetTest, LeavesOutALogWhoseTopicIdCannotBeRead) {
  open();
  create("t");
  create("u");
  ASSERT_TRUE(world_.close().has_value());
  const std::string text = "version: 7\n";
  const auto bytes = as_bytes(text);
  ASSERT_TRUE(world_.run(io::replace_file(world_.disk(), "/data/t-0/partition.metadata",
                                          {bytes.begin(), bytes.end()})));
  open();
  EXPECT_EQ(world_.log("t"), nullptr);
  EXPECT_EQ(world_.set().find_failed({"t", PartitionId(0)}), Errc::corrupt_file);
  EXPECT_EQ(world_.create("t").error(), Errc::corrupt_file);
  EXPECT_NE(world_.log("u"), nullptr);
}

TEST_F(LogSetTest, DropsOldSegmentsInTheBackground) {
  world_.log_options.retention_ms = 1000;
  world_.log_options.segment_bytes = 200;
  world_.log_options.file_delete_delay_ms = 1000ms;
  open();
  world_.set().start();
  const auto log = create("t");
  for (int i = 0; i < 10; ++i)
    ASSERT_TRUE(world_.append(*log, {{"key", "value", Timestamp(5000)}}).has_value());
  log->set_high_watermark(Offset(10));
  world_.simulator().run_for(301s);
  EXPECT_EQ(log->ends().start, Offset(10));
  EXPECT_EQ(log->ends().bytes, 0u);
  world_.simulator().run_for(3s);
  EXPECT_FALSE(world_.exists("/data/t-0/00000000000000000000.log"));
  EXPECT_FALSE(world_.exists("/data/t-0/00000000000000000000.log.deleted"));
}

TEST_F(LogSetTest, RemovesTheFilesOfARemovedLogInTheBackground) {
  open();
  world_.set().start();
  create("t");
  ASSERT_TRUE(world_.run(world_.set().remove({"t", PartitionId(0)})).has_value());
  world_.simulator().run_for(2s);
  for (const auto& entry : *world_.run(world_.disk().list("/data")))
    EXPECT_FALSE(entry.is_directory) << entry.name;
}

TEST_F(LogSetTest, WritesCheckpointsInTheBackground) {
  open();
  world_.set().start();
  const auto log = create("t");
  ASSERT_TRUE(world_.append(*log, {{"a", "1"}}).has_value());
  log->set_high_watermark(Offset(1));
  world_.simulator().run_for(6s);
  const auto text =
      world_.run(io::read_file(world_.disk(), "/data/replication-offset-checkpoint", 1000));
  ASSERT_TRUE(text.has_value());
  EXPECT_EQ(as_text(*text), "0\n1\nt 0 1\n");
}

TEST_F(LogSetTest, SyncsLogsWithAnIntervalOnTime) {
  world_.log_options.flush = FlushPolicy::interval;
  world_.log_options.flush_interval_ms = 200ms;
  open();
  world_.set().start();
  const auto log = create("t");
  world_.simulator().run_for(2s);
  ASSERT_TRUE(world_.append(*log, {{"a", "1"}}).has_value());
  EXPECT_EQ(log->ends().synced_end, Offset(0));
  world_.simulator().run_for(250ms);
  EXPECT_EQ(log->ends().synced_end, Offset(1));
}

}  // namespace
}  // namespace sluice::storage
