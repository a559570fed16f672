#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "storage/data_directory.h"
#include "tests/support/log_set_world.h"

// What opening a log set makes of what the process before left in its directories.
namespace sluice::storage {
namespace {

using ::testing::HasSubstr;

class LogSetOpenTest : public ::testing::Test {
 protected:
  void open() { ASSERT_TRUE(world_.open().has_value()); }
  static Uuid id(uint64_t seed) {
    SeededRandom random(seed);
    return Uuid::random(random);
  }
  std::string text_of(const std::string& path) {
    const auto bytes = world_.run(io::read_file(world_.disk(), path, 10'000));
    return bytes ? std::string(as_text(*bytes)) : std::string(bytes.error().message());
  }
  void write(const std::string& path, uint64_t position, std::string_view text) {
    const auto file = world_.run(world_.disk().open(path, io::OpenMode::create));
    ASSERT_TRUE(file.has_value());
    const ByteView bytes = as_bytes(text);
    ASSERT_TRUE(world_.run((*file)->write_at(position, std::span(&bytes, 1), io::Lane::hot)));
  }

  testing::LogSetWorld world_;
};

TEST_F(LogSetOpenTest, StillKnowsOfAPowerCutWhenRecoveryWasInterrupted) {
  open();
  auto log = *world_.create("t", id(1));
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(world_.append(*log, {{"a", "1"}}).has_value());
  const uint64_t batch = log->ends().bytes / 3;
  log.reset();
  world_.die(sim::CrashMode::keep_all);
  write("/data/t-0/00000000000000000000.log", batch + 64, "torn");
  world_.disk().set_fault([](const sim::DiskCall& call) -> std::optional<Errc> {
    const bool bad = call.op == sim::DiskOp::read && call.path.ends_with(".log");
    return bad ? std::optional(Errc::disk_failed) : std::nullopt;
  });
  open();
  EXPECT_EQ(world_.log("t"), nullptr);
  world_.disk().set_fault({});
  world_.die(std::nullopt);
  open();
  ASSERT_NE(world_.log("t"), nullptr);
  EXPECT_FALSE(world_.log("t")->damage().has_value()) << "what was not synced may have holes";
  EXPECT_EQ(world_.log("t")->ends().end, Offset(1));
  EXPECT_EQ(text_of("/data/.boot-id"), world_.boot_id);
}

TEST_F(LogSetOpenTest, TellsOfAPowerCutUntilWhoHasToKnowKnows) {
  world_.stop_must_be_known = true;
  const auto power_lost = [&] { return world_.set().directories()[0].power_lost; };
  open();
  world_.run(world_.set().stop_is_known());
  ASSERT_TRUE(world_.create("t", id(1)).has_value());
  world_.die(sim::CrashMode::keep_all);
  open();
  EXPECT_TRUE(power_lost());
  world_.die(std::nullopt);
  open();
  EXPECT_TRUE(power_lost()) << "the process was killed before anybody had heard";
  ASSERT_TRUE(world_.close().has_value());
  open();
  EXPECT_TRUE(power_lost()) << "it was stopped before anybody had heard";
  world_.run(world_.set().stop_is_known());
  world_.die(std::nullopt);
  open();
  EXPECT_FALSE(power_lost());
  ASSERT_TRUE(world_.close().has_value());
}

TEST_F(LogSetOpenTest, ADirectoryThatWasEmptiedCountsAsAfterAPowerCut) {
  world_.directories = {"/one", "/two"};
  open();
  ASSERT_TRUE(world_.close().has_value());
  ASSERT_TRUE(world_.run(world_.disk().remove_directory("/two", true)));
  open();
  EXPECT_FALSE(world_.set().directories()[0].power_lost);
  EXPECT_TRUE(world_.set().directories()[1].power_lost) << "its replicas are out of sync";
}

TEST_F(LogSetOpenTest, ATopicIdThatWentBadIsWrittenAgainWhereCheckpointAndMetadataAgree) {
  world_.known_id = id(1);
  const std::string path = "/data/t-0/partition.metadata";
  open();
  auto log = *world_.create("t", id(1));
  ASSERT_TRUE(world_.append(*log, {{"a", "1"}}).has_value());
  log.reset();
  ASSERT_TRUE(world_.close().has_value());
  const std::string good = text_of(path);
  // Not readable, and readable as another's.
  for (const std::string_view bad : {std::string_view("\0\0\0\0", 4), std::string_view("B", 1)}) {
    write(path, good.size() - 5, bad);
    open();
    ASSERT_NE(world_.log("t"), nullptr);
    EXPECT_EQ(world_.log("t")->topic_id(), id(1));
    EXPECT_EQ(world_.log("t")->ends().end, Offset(1));
    ASSERT_TRUE(world_.close().has_value());
    EXPECT_EQ(text_of(path), good);
  }
  write(path, good.size() - 5, "B");
  world_.known_id = id(2);
  open();
  EXPECT_NE(world_.log("t")->topic_id(), id(1)) << "nothing tells that the file is wrong";
}

TEST_F(LogSetOpenTest, TakesNothingNotedAboutAnotherLogOfTheName) {
  open();
  auto log = *world_.create("t", id(1));
  ASSERT_TRUE(world_.append(*log, {{"a", "1"}, {"b", "2"}}).has_value());
  log->set_high_watermark(Offset(2));
  ASSERT_TRUE(world_.run(world_.set().delete_records({"t", PartitionId(0)}, Offset(1))));
  log.reset();
  world_.die(std::nullopt);
  EXPECT_THAT(text_of("/data/log-start-offset-checkpoint"), HasSubstr("t 0 1"));
  ASSERT_TRUE(world_.run(world_.disk().remove_directory("/data/t-0", true)));
  ASSERT_TRUE(world_.run(world_.disk().create_directories("/data/t-0")));
  write("/data/t-0/00000000000000000000.log", 0, "");
  ASSERT_TRUE(world_.run(write_topic_id(world_.disk(), "/data/t-0", id(2))));
  open();
  EXPECT_EQ(world_.log("t")->topic_id(), id(2));
  EXPECT_EQ(world_.log("t")->ends().start, Offset(0));
}

TEST_F(LogSetOpenTest, KeepsWhatIsNotedAboutAFolderThatAnotherDirectoryHasToo) {
  for (const char* directory : {"/one", "/two"}) {
    world_.directories = {directory};
    open();
    auto log = *world_.create("t", id(1));
    ASSERT_TRUE(world_.append(*log, {{"a", "1"}}).has_value());
    log.reset();
    ASSERT_TRUE(world_.close().has_value());
  }
  world_.directories = {"/one", "/two"};
  open();
  EXPECT_EQ(world_.set().all().size(), 1u);
  const std::string left_out = world_.log("t")->directory() == "/one" ? "/two" : "/one";
  ASSERT_TRUE(world_.close().has_value());
  EXPECT_THAT(text_of(left_out + "/synced-end-checkpoint"), HasSubstr(id(1).text() + " 1\n"));
  EXPECT_FALSE(world_.exists(left_out + "/.kafka_cleanshutdown"))
      << "nobody looked at the folder that was left out";
}

TEST_F(LogSetOpenTest, MakesTheNamesItFoundDurable) {
  open();
  world_.die(std::nullopt);
  open();
  world_.die(std::nullopt);
  write("/data/renamed", 0, "");
  open();
  const auto left = world_.disk().crash(sim::CrashMode::lose_all, world_.simulator().random());
  testing::LogSetWorld after(2, left);
  EXPECT_TRUE(after.exists("/data/renamed"));
}

}  // namespace
}  // namespace sluice::storage
