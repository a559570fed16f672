#include "storage/checkpoint.h"

#include <cstdio>

#include <gtest/gtest.h>

#include "storage/checkpoint_writer.h"
#include "storage/data_directory.h"
#include "storage/meta_properties.h"
#include "tests/sim/crash_points.h"

namespace sluice::storage {
namespace {

Checkpoint two() {
  return {{.partition = {"a", PartitionId(0)}, .offset = Offset(5)},
          {.partition = {"b.c-d", PartitionId(12)}, .offset = Offset(7)}};
}

TEST(Checkpoint, WritesTheTextThatKafkaReads) {
  const auto bytes = encode_checkpoint(two(), CheckpointKind::offsets);
  EXPECT_EQ(as_text(bytes), "0\n2\na 0 5\nb.c-d 12 7\n");
  EXPECT_EQ(parse_checkpoint(bytes, CheckpointKind::offsets), two());
}

TEST(Checkpoint, NamesTheTopicIdInOurFile) {
  SeededRandom random(1);
  Checkpoint entries = two();
  for (auto& entry : entries) entry.topic_id = Uuid::random(random);
  const auto bytes = encode_checkpoint(entries, CheckpointKind::offsets_with_id);
  EXPECT_EQ(parse_checkpoint(bytes, CheckpointKind::offsets_with_id), entries);
}

TEST(Checkpoint, RefusesTextThatIsNone) {
  for (const std::string_view text :
       {"", "1\n0\n", "0\n", "0\n-1\n", "0\nx\n", "0\n2\na 0 5\n", "0\n0\na 0 5\n", "0\n1\na 0\n",
        "0\n1\n 0 5\n", "0\n1\na -1 5\n", "0\n1\na 0 -5\n", "0\n1\na 0 5x\n",
        "0\n1\na 0 99999999999999999999\n", "0\n4294967296\n"}) {
    const auto parsed = parse_checkpoint(as_bytes(text), CheckpointKind::offsets);
    ASSERT_FALSE(parsed.has_value()) << text;
    EXPECT_EQ(parsed.error(), Errc::corrupt_file) << text;
  }
}

TEST(Checkpoint, IsTheOldOrTheNewAfterAnyCrash) {
  const auto check = [](sim::SimNode& node, const int64_t& written) -> io::Task<Result<>> {
    CO_ASSIGN_OR_RETURN(const auto found,
                        co_await read_checkpoint(node.disk(), "/d/file", CheckpointKind::offsets));
    const int64_t offset = found.empty() ? 0 : found.front().offset.value();
    if (offset == written || offset == written + 1) co_return Result<>{};
    co_return fail(Errc::internal, std::to_string(offset) + " after " + std::to_string(written));
  };
  const auto script = [](sim::SimNode& node, int64_t& written) -> io::Task<Result<>> {
    CO_RETURN_IF_ERROR(co_await node.disk().create_directories("/d"));
    for (int64_t i = 1; i <= 3; ++i) {
      CO_RETURN_IF_ERROR(co_await write_checkpoint(
          node.disk(), "/d/file",
          {{.partition = {std::string(600, 't'), PartitionId(0)}, .offset = Offset(i)}},
          CheckpointKind::offsets));
      written = i;
    }
    co_return Result<>{};
  };
  const auto report = sim::enumerate_crashes<int64_t>({script, check});
  std::printf("%s\n", report.to_string().c_str());
  EXPECT_TRUE(report.failures.empty());
  EXPECT_GT(report.states, 10u);
}

TEST(CheckpointWriter, SharesWritesAndLeavesUnchangedFilesAlone) {
  sim::Simulator simulator(1);
  auto& node = simulator.add_node("node");
  int64_t offset = 1;
  CheckpointWriter writer(node.disk(), "/", [&] {
    return std::vector<CheckpointRow>{
        {.partition = {"t", PartitionId(0)}, .high_watermark = Offset(offset)}};
  });
  EXPECT_TRUE(simulator.run(writer.write()).has_value());
  const auto first = node.disk().calls();
  EXPECT_TRUE(simulator.run(writer.write()).has_value());
  EXPECT_EQ(node.disk().calls(), first);
  offset = 2;
  EXPECT_TRUE(simulator.run(writer.write()).has_value());
  const auto text =
      simulator.run(io::read_file(node.disk(), "/replication-offset-checkpoint", 100));
  EXPECT_EQ(as_text(*text), "0\n1\nt 0 2\n");
}

TEST(MetaProperties, ReadsWhatItWritesAndWhatKafkaWrites) {
  SeededRandom random(1);
  const MetaProperties ours{
      .cluster_id = "abc", .node_id = NodeId(3), .directory_id = Uuid::random(random)};
  EXPECT_EQ(MetaProperties::parse(ours.encode()), ours);
  const auto kafkas = MetaProperties::parse(
      as_bytes("#\n#Sat Nov 21 10:00:00 UTC 2026\ncluster.id=abc\nversion=1\nnode.id=3\n"));
  ASSERT_TRUE(kafkas.has_value());
  EXPECT_EQ(kafkas->cluster_id, "abc");
  EXPECT_EQ(kafkas->node_id, NodeId(3));
}

TEST(MetaProperties, RefusesWhatSaysNothingOrNonsense) {
  for (const std::string_view text :
       {"", "version=2\ncluster.id=a\nnode.id=1\n", "version=1\nnode.id=1\n",
        "version=1\ncluster.id=a\n", "version=1\ncluster.id=a\nnode.id=-1\n",
        "version=1\ncluster.id=a\nnode.id=1\ndirectory.id=???\n"})
    EXPECT_EQ(MetaProperties::parse(as_bytes(text)).error(), Errc::corrupt_file) << text;
}

TEST(LogFolder, TellsLogsFromOtherFolders) {
  EXPECT_EQ(parse_log_folder("a-b-12").partition, (TopicPartition{"a-b", PartitionId(12)}));
  EXPECT_EQ(parse_log_folder("a-b-12").kind, LogFolder::Kind::log);
  for (const auto* name : {"lost+found", "a", "a-", "-1", "a-01", "a-x", "a b-1", "a-1.x-future"})
    EXPECT_EQ(parse_log_folder(name).kind, LogFolder::Kind::other) << name;
}

TEST(LogFolder, NamesDeletedLogsWithinTheLimitOfFileNames) {
  SeededRandom random(1);
  const std::string topic(249, 't');
  const auto name = deleted_folder_name({topic, PartitionId(2147483647)}, Uuid::random(random));
  EXPECT_EQ(name.size(), 255u);
  EXPECT_EQ(parse_log_folder(name).kind, LogFolder::Kind::deleted);
}

}  // namespace
}  // namespace sluice::storage
