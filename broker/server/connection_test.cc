#include "broker/server/connection.h"

#include <gmock/gmock.h>

#include "storage/file_cache.h"
#include "storage/segment_file.h"
#include "tests/support/echo_world.h"

namespace sluice::broker {
namespace {

using testing::HasSubstr;

class ConnectionTest : public EchoWorld {
 protected:
  static constexpr size_t kFileBytes = 3'000'000;

  ConnectionTest() {
    SeededRandom random(1);
    content.resize(kFileBytes);
    for (auto& byte : content) byte = static_cast<char>(random.next());
    sim.run_on(control(), write_file());
  }
  /// The slices live in the base and must not outlive the cache.
  ~ConnectionTest() override { echo.slices.clear(); }
  io::Task<void> write_file() {
    EXPECT_TRUE(co_await node.disk().create_directories("/d/t-0"));
    auto opened = co_await segment->create();
    EXPECT_TRUE(opened);
    file = *opened;
    const std::array parts = {as_bytes(content)};
    EXPECT_TRUE(co_await file->write_at(0, parts, io::Lane::hot));
  }
  void offer(uint64_t position, uint64_t length, bool fresh = true) {
    echo.slices.push_back({.segment = segment,
                           .file = file,
                           .position = position,
                           .length = length,
                           .generation = segment->generation(),
                           .fresh = fresh});
  }
  /// What comes back behind the header.
  std::string fetch() {
    auto socket = open();
    EXPECT_TRUE(send(*socket, echo_frame('l', "fetch")));
    size_t expected = 10;
    for (const auto& slice : echo.slices) expected += slice.length;
    const std::string got = receive(*socket, expected);
    return got.size() < 10 ? got : got.substr(10);
  }
  std::string scrape() { return metrics.prometheus(); }

  std::string content;
  storage::FileCache cache{10};
  std::shared_ptr<storage::SegmentFile> segment =
      std::make_shared<storage::SegmentFile>(node.disk(), cache, "/d/t-0/0.log");
  std::shared_ptr<io::File> file;
};

TEST_F(ConnectionTest, SendsSmallSlicesTogetherWithTheirHeader) {
  offer(10, 100);
  offer(5000, 2000);
  EXPECT_EQ(fetch(), content.substr(10, 100) + content.substr(5000, 2000));
  EXPECT_THAT(scrape(), HasSubstr("how=\"copy\"} 2100\n"));
}

TEST_F(ConnectionTest, SendsLargeSlicesWithoutACopy) {
  offer(7, 2'500'000);
  offer(2'500'007, 100'000);
  EXPECT_EQ(fetch(), content.substr(7, 2'600'000));
  EXPECT_THAT(scrape(), HasSubstr("how=\"sendfile\"} 2600000\n"));
}

TEST_F(ConnectionTest, CopiesLargeSlicesWhenTold) {
  options.transfer = Transfer::copy;
  offer(0, kFileBytes);
  EXPECT_EQ(fetch(), content);
  EXPECT_THAT(scrape(), HasSubstr("how=\"copy\"} 3000000\n"));
}

TEST_F(ConnectionTest, CopiesTheSmallOnesOfManySlices) {
  offer(0, 100);
  offer(100, 1'000'000);
  EXPECT_EQ(fetch(), content.substr(0, 1'000'100));
  EXPECT_THAT(scrape(), HasSubstr("how=\"copy\"} 100\n"));
}

TEST_F(ConnectionTest, ReadsWhatIsColdAndLeavesThePageCacheAsItWas) {
  file->drop_cache(1'000'000, 500'000);
  const uint64_t before_gap = *file->resident(0, kFileBytes);
  ASSERT_LT(before_gap, kFileBytes);
  offer(0, kFileBytes, false);
  EXPECT_EQ(fetch(), content);
  EXPECT_THAT(scrape(), testing::Not(HasSubstr("sluice_fetch_cold_bytes_total 0\n")));
  EXPECT_EQ(*file->resident(0, kFileBytes), before_gap);
}

TEST_F(ConnectionTest, ReadsMoreAtOnceTheLongerAColdReaderGoesOn) {
  std::vector<uint64_t> pieces;
  node.disk().set_fault([&](const sim::DiskCall& call) -> std::optional<Errc> {
    if (call.op == sim::DiskOp::read_ahead) pieces.push_back(call.length);
    return std::nullopt;
  });
  file->drop_cache(0, kFileBytes);
  offer(0, kFileBytes, false);
  EXPECT_EQ(fetch(), content);
  EXPECT_THAT(pieces, testing::ElementsAre(64_KiB, 128_KiB, 256_KiB, 512_KiB, 1_MiB,
                                           kFileBytes - 1984_KiB));
  pieces.clear();
  echo.slices.clear();
  offer(1'000'000, 100'000, false);
  EXPECT_EQ(fetch(), content.substr(1'000'000, 100'000));
  EXPECT_THAT(pieces, testing::ElementsAre(64_KiB, 100'000 - 64_KiB)) << "another reader begins";
}

TEST_F(ConnectionTest, WithoutIsolationNobodyLooksWhatIsCold) {
  options.isolate_cold_reads = false;
  file->drop_cache(0, kFileBytes);
  offer(0, kFileBytes, false);
  EXPECT_EQ(fetch(), content);
  EXPECT_THAT(scrape(), HasSubstr("sluice_fetch_cold_bytes_total 0\n"));
}

TEST_F(ConnectionTest, CountsWhatWasInMemoryOfWhatIsSent) {
  offer(0, 2000, false);
  EXPECT_EQ(fetch().size(), 2000u);
  EXPECT_THAT(scrape(), HasSubstr("sluice_fetch_resident_bytes_total 2000\n"));
  EXPECT_THAT(scrape(), HasSubstr("sluice_fetch_sent_bytes_total 2000\n"));
  file->drop_cache(0, kFileBytes);
  echo.slices.clear();
  // Of which none is in memory at its turn: it is read piece by piece.
  offer(0, 1'000'000, false);
  EXPECT_EQ(fetch().size(), 1'000'000u);
  EXPECT_THAT(scrape(), HasSubstr("sluice_fetch_sent_bytes_total 1002000\n"));
  EXPECT_THAT(scrape(), HasSubstr("sluice_fetch_resident_bytes_total 2000\n"));
  echo.slices.clear();
  // Just written is known to be there, and what a turn leaves over is counted once.
  offer(0, kFileBytes);
  EXPECT_EQ(fetch().size(), kFileBytes);
  EXPECT_THAT(scrape(), HasSubstr("sluice_fetch_sent_bytes_total 4002000\n"));
  EXPECT_THAT(scrape(), HasSubstr("sluice_fetch_resident_bytes_total 3002000\n"));
}

TEST_F(ConnectionTest, ServesOthersWhileOneReaderWaitsForTheDisk) {
  node.disk().set_latency(sim::DiskOp::read_ahead, 500ms, 500ms);
  file->drop_cache(0, kFileBytes);
  offer(0, 2'000'000, false);
  auto cold = open();
  ASSERT_TRUE(send(*cold, echo_frame('l', "")));
  for (int i = 0; i < 4; ++i) {  // one of them on the same worker
    auto hot = open();
    const auto before = sim.now();
    ASSERT_TRUE(send(*hot, echo_frame('e', "")));
    EXPECT_EQ(receive(*hot, 5), echo_frame('e', ""));
    EXPECT_LT(sim.now() - before, 50ms);
  }
  EXPECT_EQ(receive(*cold, 2'000'005).size(), 2'000'005U);
}

TEST_F(ConnectionTest, SendsAnswersBeforeAColdPieceWithoutWaitingForTheDisk) {
  node.disk().set_latency(sim::DiskOp::read_ahead, 500ms, 500ms);
  file->drop_cache(0, kFileBytes);
  offer(0, 1000, false);
  auto socket = open();
  const auto before = sim.now();
  ASSERT_TRUE(send(*socket, echo_frame('e', "ack") + echo_frame('l', "")));
  EXPECT_EQ(receive(*socket, 8), echo_frame('e', "ack"));
  EXPECT_LT(sim.now() - before, 100ms);
  EXPECT_EQ(receive(*socket, 1005).size(), 1005U);
}

TEST_F(ConnectionTest, DoesNotHoldUpAStopForATurnAtTheDisk) {
  options.cold_bytes_per_second = 10'000;
  file->drop_cache(0, kFileBytes);
  offer(0, kFileBytes, false);
  auto socket = open();
  ASSERT_TRUE(send(*socket, echo_frame('l', "")));
  sim.start_on(peer_loop(), [](io::Socket& from) -> io::Task<void> {
    std::array<std::byte, 4096> part;
    while (co_await from.readable() && from.try_read(part).value_or(0) > 0) {
    }
  }(*socket));
  sim.run_for(2s);
  const auto before = sim.now();
  stop(100ms);
  EXPECT_LT(sim.now() - before, 1s);
}

TEST_F(ConnectionTest, KeepsAReaderThatWaitsForTheDiskForLong) {
  options.cold_bytes_per_second = 1'000'000;
  options.frame_timeout = 100ms;
  file->drop_cache(0, kFileBytes);
  offer(0, kFileBytes, false);
  EXPECT_EQ(fetch(), content);
}

TEST_F(ConnectionTest, ClosesWithoutAlarmWhenTheLogWasCut) {
  offer(0, 2'000'000);
  segment->next_generation();
  EXPECT_EQ(fetch(), "");
  EXPECT_EQ(broken_slices, 0);
}

TEST_F(ConnectionTest, StopsInTheMiddleWhenTheLogIsCutWhileItIsSent) {
  offer(0, 2'000'000);
  auto socket = open();
  ASSERT_TRUE(send(*socket, echo_frame('l', "")));
  EXPECT_EQ(receive(*socket, 100'000).size(), 100'000U);
  segment->next_generation();
  EXPECT_LT(receive_all(*socket).size(), 1'000'000U);
  EXPECT_EQ(broken_slices, 0);
}

TEST_F(ConnectionTest, ClosesAndReportsAFileThatEndsEarly) {
  offer(kFileBytes - 100'000, 200'000);
  EXPECT_EQ(fetch(), content.substr(kFileBytes - 100'000));
  EXPECT_EQ(broken_slices, 1);
  echo.slices.clear();
  offer(kFileBytes - 10, 20);
  EXPECT_EQ(fetch(), "");
  EXPECT_EQ(broken_slices, 2);
}

TEST_F(ConnectionTest, ClosesAndReportsAFileThatCannotBeRead) {
  node.disk().fail_all(sim::DiskOp::read, Errc::disk_failed);
  offer(0, 1000);
  EXPECT_EQ(fetch(), "");
  EXPECT_EQ(broken_slices, 1);
  EXPECT_EQ(server().connections(), 0U);
}

}  // namespace
}  // namespace sluice::broker
