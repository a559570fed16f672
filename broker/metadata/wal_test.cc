#include "broker/metadata/wal.h"

#include <string>
#include <utility>

#include <gtest/gtest.h>

#include "broker/metadata/wal_frame.h"
#include "tests/sim/simulator.h"

namespace sluice::broker {
namespace {

constexpr const char* kDirectory = "/data/metadata";

std::vector<std::byte> bytes_of(std::string_view text) {
  const ByteView bytes = as_bytes(text);
  return {bytes.begin(), bytes.end()};
}

class WalTest : public ::testing::Test {
 protected:
  sim::SimDisk& disk() { return node_.disk(); }
  template <class T>
  T run(io::Task<T> task) {
    return simulator_.run_on(node_.executor().control(), std::move(task));
  }
  Result<Wal::Content> open(size_t file_bytes = 4_KiB) {
    wal_.reset();
    auto opened = run(Wal::open(disk(), kDirectory, {.file_bytes = file_bytes}));
    if (!opened) return fail(std::move(opened).error());
    wal_ = std::move(opened->wal);
    return std::move(opened->content);
  }
  Result<> append(uint64_t index, std::string_view text) {
    WalBatch batch;
    batch.entries.push_back({index, 1, bytes_of(text)});
    return run(wal_->append(std::move(batch)));
  }
  void append_many(uint64_t from, uint64_t to) {
    for (uint64_t i = from; i <= to; ++i) {
      ASSERT_TRUE(append(i, "entry " + std::to_string(i)).has_value()) << i;
    }
  }
  size_t wal_files() {
    size_t count = 0;
    for (const auto& entry : *run(disk().list(kDirectory))) count += entry.name.starts_with("wal-");
    return count;
  }
  void overwrite(const std::string& name, uint64_t position, std::string_view text) {
    auto file = run(disk().open(std::string(kDirectory) + "/" + name, io::OpenMode::write));
    const std::array<ByteView, 1> parts = {as_bytes(text)};
    ASSERT_TRUE(run((*file)->write_at(position, parts, io::Lane::commit)).has_value());
  }

  std::vector<std::byte> content_of(const std::string& name) {
    return *run(io::read_file(disk(), std::string(kDirectory) + "/" + name, 1_MiB));
  }
  wal::Scanned scan(uint64_t sequence, ByteView bytes) {
    return wal::scan(bytes, sequence, wal::decode_file_header(bytes)->first_number);
  }
  /// Breaks the last frame of a file; as a torn write would, where the mark behind it goes too.
  void break_last_frame(uint64_t sequence, bool and_mark = false) {
    const auto bytes = content_of(wal_file_name(sequence));
    const auto scanned = scan(sequence, bytes);
    overwrite(wal_file_name(sequence), scanned.end - 9, "torn");
    if (and_mark && scanned.marked) {
      overwrite(wal_file_name(sequence), scanned.end, std::string(wal::kFrameHeaderSize, '\0'));
    }
  }

  sim::Simulator simulator_{1};
  sim::SimNode& node_ = simulator_.add_node("node");
  std::unique_ptr<Wal> wal_;
};

TEST_F(WalTest, GivesBackWhatWasAppended) {
  ASSERT_TRUE(open()->entries.empty());
  append_many(1, 3);
  const auto content = open();
  ASSERT_TRUE(content) << content.error().message();
  ASSERT_EQ(content->entries.size(), 3u);
  EXPECT_EQ(content->entries[2], (WalEntry{3, 1, bytes_of("entry 3")}));
}

TEST_F(WalTest, GoesOnInTheNextFileWhenOneIsFull) {
  ASSERT_TRUE(open(512));
  append_many(1, 40);
  EXPECT_GT(wal_files(), 3u);
  EXPECT_EQ(open(512)->entries.size(), 40u);
}

TEST_F(WalTest, MakesALargerFileForALargeEntry) {
  ASSERT_TRUE(open(512));
  append_many(1, 1);
  ASSERT_TRUE(append(2, std::string(5000, 'x')));
  ASSERT_TRUE(append(3, "small"));
  const auto content = open(512);
  ASSERT_TRUE(content);
  ASSERT_EQ(content->entries.size(), 3u);
  EXPECT_EQ(content->entries[1].data.size(), 5000u);
}

TEST_F(WalTest, TruncationAndHardStateSurvive) {
  ASSERT_TRUE(open());
  append_many(1, 5);
  WalBatch batch{.truncate_from = 4, .entries = {}, .hard_state = HardState{7, 2, 3}};
  batch.entries.push_back({4, 7, bytes_of("other")});
  ASSERT_TRUE(run(wal_->append(std::move(batch))));
  const auto content = open();
  ASSERT_TRUE(content);
  ASSERT_EQ(content->entries.size(), 4u);
  EXPECT_EQ(content->entries[3].term, 7u);
  EXPECT_EQ(content->hard_state, (HardState{7, 2, 3}));
}

TEST_F(WalTest, ASnapshotTakesThePlaceOfItsEntriesAndFilesAreUsedAgain) {
  ASSERT_TRUE(open(512));
  for (uint64_t round = 0; round < 20; ++round) {
    append_many(round * 20 + 1, round * 20 + 20);
    ASSERT_TRUE(run(wal_->save_snapshot({round * 20 + 18, 1, bytes_of("state")})));
    EXPECT_LE(wal_files(), 7u);
  }
  const auto content = open(512);
  ASSERT_TRUE(content) << content.error().message();
  ASSERT_TRUE(content->snapshot);
  EXPECT_EQ(content->snapshot->index, 398u);
  ASSERT_EQ(content->entries.size(), 2u);
  EXPECT_EQ(content->entries[0].index, 399u);
}

TEST_F(WalTest, HardStateOutlivesTheFilesItWasWrittenIn) {
  ASSERT_TRUE(open(512));
  ASSERT_TRUE(
      run(wal_->append({.truncate_from = {}, .entries = {}, .hard_state = HardState{3, 1, 0}})));
  append_many(1, 40);
  ASSERT_TRUE(run(wal_->save_snapshot({40, 1, bytes_of("state")})));
  EXPECT_EQ(open(512)->hard_state, (HardState{3, 1, 0}));
}

TEST_F(WalTest, TheFirstFrameOfAFileHasTheHardStateAlsoWhenItCameLate) {
  ASSERT_TRUE(open(512));
  ASSERT_TRUE(
      run(wal_->append({.truncate_from = {}, .entries = {}, .hard_state = HardState{3, 1, 0}})));
  // The second file gets its header, and then there is no space for its first frame.
  disk().set_fault([](const sim::DiskCall& call) -> std::optional<Errc> {
    const bool second = call.path.ends_with(wal_file_name(2));
    if (call.op != sim::DiskOp::write || !second || call.position != 64) return std::nullopt;
    return Errc::disk_full;
  });
  uint64_t next = 1;
  while (append(next, "entry")) ++next;
  disk().set_fault({});
  ASSERT_TRUE(append(next, "entry"));
  ASSERT_EQ(wal_files(), 2u);
  ASSERT_TRUE(run(wal_->save_snapshot({next - 1, 1, bytes_of("state")})));
  ASSERT_TRUE(run(disk().remove(std::string(kDirectory) + "/" + wal_file_name(1))));
  EXPECT_EQ(open(512)->hard_state, (HardState{3, 1, 0}));
}

TEST_F(WalTest, AFullDiskRefusesAndLeavesEverythingAsItWas) {
  ASSERT_TRUE(open(512));
  append_many(1, 5);
  disk().set_capacity(0);
  uint64_t next = 6;
  Result<> refused;
  while ((refused = append(next, "entry")).has_value()) ++next;
  EXPECT_EQ(refused.error().code(), Errc::disk_full);
  disk().set_capacity(1_MiB);
  EXPECT_TRUE(append(next, "entry"));
  EXPECT_EQ(open(512)->entries.size(), next);
}

TEST_F(WalTest, AFailedSyncIsFinal) {
  ASSERT_TRUE(open());
  append_many(1, 2);
  disk().fail_all(sim::DiskOp::sync, Errc::disk_failed);
  EXPECT_EQ(append(3, "entry").error().code(), Errc::disk_failed);
  disk().set_fault({});
  EXPECT_EQ(append(3, "entry").error().code(), Errc::disk_failed);
}

TEST_F(WalTest, TakesNothingFromTheCacheThatAFailedSyncLost) {
  ASSERT_TRUE(open());
  append_many(1, 2);
  disk().fail_all(sim::DiskOp::sync, Errc::disk_failed);
  EXPECT_FALSE(append(3, "lost"));
  disk().set_fault({});
  ASSERT_EQ(open()->entries.size(), 2u);
  append_many(3, 4);
  EXPECT_EQ(open()->entries.size(), 4u);
}

TEST_F(WalTest, CutsATornTail) {
  ASSERT_TRUE(open());
  append_many(1, 3);
  break_last_frame(1, true);
  const auto content = open();
  ASSERT_TRUE(content) << content.error().message();
  EXPECT_EQ(content->entries.size(), 2u);
  append_many(3, 4);
  EXPECT_EQ(open()->entries.size(), 4u);
}

TEST_F(WalTest, RefusesALogWhoseLastFrameWasSyncedAndWentBad) {
  ASSERT_TRUE(open());
  for (uint64_t last = 1; last <= 3; ++last) {
    append_many(last, last);
    const auto sound = content_of(wal_file_name(1));
    EXPECT_TRUE(scan(1, sound).marked);
    break_last_frame(1);
    EXPECT_EQ(open().error().code(), Errc::corrupt_file);
    overwrite(wal_file_name(1), 0, as_text(sound));
    ASSERT_EQ(open()->entries.size(), last);
  }
}

TEST_F(WalTest, RefusesALogThatIsDamagedBeforeItsTail) {
  ASSERT_TRUE(open());
  append_many(1, 3);
  overwrite(wal_file_name(1), 64 + 48 + 30, "rot");
  const auto content = open();
  ASSERT_FALSE(content);
  EXPECT_EQ(content.error().code(), Errc::corrupt_file);
  EXPECT_NE(content.error().message().find(wal_file_name(1)), std::string::npos);
}

TEST_F(WalTest, RefusesAFileThatLacksInTheMiddle) {
  ASSERT_TRUE(open(512));
  append_many(1, 40);
  ASSERT_TRUE(run(disk().remove(std::string(kDirectory) + "/" + wal_file_name(2))));
  const auto content = open(512);
  ASSERT_FALSE(content);
  EXPECT_EQ(content.error().code(), Errc::corrupt_file);
}

TEST_F(WalTest, RefusesAFileThatEndsBeforeTheNextBeginsAndChangesNothing) {
  ASSERT_TRUE(open(512));
  append_many(1, 40);
  const size_t files = wal_files();
  break_last_frame(files - 2);
  const auto content = open(512);
  ASSERT_FALSE(content);
  EXPECT_EQ(content.error().code(), Errc::corrupt_file);
  EXPECT_NE(content.error().message().find(wal_file_name(files - 2)), std::string::npos);
  EXPECT_EQ(wal_files(), files);
}

TEST_F(WalTest, RefusesALostFrameBeforeAFileWithoutFrames) {
  ASSERT_TRUE(open(512));
  uint64_t last = 0;
  for (; wal_files() < 2; ++last) append_many(last + 1, last + 1);
  // The first frame of the second file was not finished, and the last one of the first rotted.
  overwrite(wal_file_name(2), 64, std::string(512 - 64, '\0'));
  ASSERT_EQ(open(512)->entries.size(), last - 1);
  break_last_frame(1);
  EXPECT_EQ(open(512).error().code(), Errc::corrupt_file);
  EXPECT_EQ(wal_files(), 2u);
}

TEST_F(WalTest, CountsWhatWasWrittenSinceTheSnapshotOverAStop) {
  ASSERT_TRUE(open(512));
  append_many(1, 20);
  ASSERT_TRUE(run(wal_->save_snapshot({20, 1, bytes_of("state")})));
  ASSERT_TRUE(open(512));
  EXPECT_EQ(wal_->bytes_since_snapshot(), 0u);
  append_many(21, 40);
  const uint64_t written = wal_->bytes_since_snapshot();
  EXPECT_GT(written, 500u);
  ASSERT_TRUE(open(512));
  EXPECT_EQ(wal_->bytes_since_snapshot(), written);
}

TEST_F(WalTest, RefusesADamagedFileHeaderBeforeFrames) {
  ASSERT_TRUE(open());
  append_many(1, 3);
  overwrite(wal_file_name(1), 20, "rot");
  EXPECT_EQ(open().error().code(), Errc::corrupt_file);
}

TEST_F(WalTest, RefusesADamagedSnapshot) {
  ASSERT_TRUE(open());
  append_many(1, 3);
  ASSERT_TRUE(run(wal_->save_snapshot({3, 1, bytes_of("state of three")})));
  overwrite(wal_snapshot_name(3), 45, "rot");
  EXPECT_EQ(open().error().code(), Errc::corrupt_file);
}

}  // namespace
}  // namespace sluice::broker
