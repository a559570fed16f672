#include "broker/server/session.h"

#include <array>

#include <gmock/gmock.h>

#include "tests/support/echo_world.h"

namespace sluice::broker {
namespace {

using testing::Test;

class SessionTest : public EchoWorld {
 protected:
  /// After receive_all(): the peer closed, and did not reset.
  bool ended_cleanly(io::Socket& socket) {
    return sim.run_on(peer_loop(), [](io::Socket& it) -> io::Task<bool> {
      std::array<std::byte, 1> more;
      co_return it.try_read(more).has_value();
    }(socket));
  }
  io::Task<void> stop_later(bool& stopped) {
    co_await server().stop(io::Loop::current()->now() + 10s);
    stopped = true;
  }
};

TEST_F(SessionTest, AnswersPipelinedRequestsInOrder) {
  auto socket = open();
  std::string sent;
  for (int i = 0; i < 1000; ++i) sent += echo_frame('e', "request " + std::to_string(i));
  const Result<> written = send(*socket, sent);
  ASSERT_TRUE(written);
  EXPECT_EQ(receive(*socket, sent.size()), sent);
}

TEST_F(SessionTest, TakesFramesCutAtEverySplit) {
  const std::string frames = echo_frame('e', "one") + echo_frame('e', "") + echo_frame('e', "two");
  for (size_t cut = 1; cut < frames.size(); ++cut) {
    auto socket = open();
    ASSERT_TRUE(send(*socket, frames.substr(0, cut)));
    sim.run_for(5ms);
    ASSERT_TRUE(send(*socket, frames.substr(cut)));
    EXPECT_EQ(receive(*socket, frames.size()), frames) << "cut at " << cut;
  }
}

TEST_F(SessionTest, TakesFramesOfEverySizeAroundTheBuffers) {
  auto socket = open();
  for (const size_t size : {59_KiB, 64_KiB - 6, 64_KiB - 5, 64_KiB - 4, 64_KiB, 65_KiB, 200_KiB,
                            1_MiB - 5, 1_MiB, 3_MiB}) {
    const std::string frames =
        echo_frame('e', "before") + echo_frame('e', std::string(size, 'x')) + echo_frame('e', "");
    start_sending(*socket, frames);
    EXPECT_EQ(receive(*socket, frames.size()), frames) << size;
  }
}

TEST_F(SessionTest, BeginsLaterRequestsWhileAnEarlierOneWaits) {
  auto socket = open();
  ASSERT_TRUE(send(*socket, echo_frame('w', "slow") + echo_frame('e', "fast")));
  sim.run_for(10ms);
  EXPECT_THAT(echo.begun, testing::ElementsAre("slow", "fast"));
  echo.release();
  EXPECT_EQ(receive(*socket, 18), echo_frame('w', "slow") + echo_frame('e', "fast"));
}

TEST_F(SessionTest, BeginsNothingBehindARequestThatHoldsTheOrder) {
  auto socket = open();
  ASSERT_TRUE(send(*socket, echo_frame('o', "first") + echo_frame('e', "second")));
  sim.run_for(10ms);
  EXPECT_THAT(echo.begun, testing::ElementsAre("first"));
  echo.release();
  EXPECT_EQ(receive(*socket, 21), echo_frame('o', "first") + echo_frame('e', "second"));
}

TEST_F(SessionTest, StopsReadingAtTheBoundOfRequestsInFlight) {
  options.max_in_flight = 3;
  auto socket = open();
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(send(*socket, echo_frame('w', std::to_string(i))));
  sim.run_for(10ms);
  EXPECT_EQ(echo.begun.size(), 3U);
  echo.release();
  sim.run_for(10ms);
  EXPECT_EQ(echo.begun.size(), 5U);
  echo.release();
  EXPECT_EQ(receive(*socket, 30).size(), 30U);
}

TEST_F(SessionTest, ClosesAConnectionThatSpeaksNoKnownProtocol) {
  auto socket = connect();
  ASSERT_TRUE(send(*socket, "GET / HTTP/1.1"));
  EXPECT_EQ(receive_all(*socket), "");
}

TEST_F(SessionTest, AnswersWhatCameBeforeABadFrameThenTheErrorThenCloses) {
  auto socket = open();
  ASSERT_TRUE(
      send(*socket, echo_frame('w', "good") + "\xff\xff\xff\xff!!!!" + std::string(1000, 'z')));
  sim.run_for(10ms);
  echo.release();
  EXPECT_EQ(receive_all(*socket), echo_frame('w', "good") + echo_frame('!', "frame_too_large"));
}

TEST_F(SessionTest, EndsWhenThePeerDoes) {
  auto socket = open();
  ASSERT_TRUE(send(*socket, echo_frame('w', "never answered")));
  sim.run_for(10ms);
  EXPECT_EQ(server().connections(), 1U);
  close(*socket);
  EXPECT_TRUE(sim.run_until([this] { return server().connections() == 0; }, 1s));
}

TEST_F(SessionTest, HoldsNoMemoryWhileIdle) {
  std::vector<std::unique_ptr<io::Socket>> sockets;
  for (int i = 0; i < 50; ++i) {
    sockets.push_back(open());
    ASSERT_TRUE(send(*sockets.back(), echo_frame('e', "hello") + std::string(3, '\0')));
    EXPECT_EQ(receive(*sockets.back(), 10).size(), 10U);
  }
  sim.run_for(100ms);
  EXPECT_THAT(metrics.prometheus(), testing::HasSubstr("sluice_admission_bytes 0\n"));
}

TEST_F(SessionTest, BoundsWhatASlowReaderCosts) {
  options.max_in_flight_bytes = 256_KiB;
  auto socket = open();
  std::string frames;
  for (int i = 0; i < 200; ++i) frames += echo_frame('e', std::string(60'000, 'r'));
  start_sending(*socket, frames);
  sim.run_for(2s);
  EXPECT_LT(memory().peak(), 4_MiB);
  EXPECT_EQ(receive(*socket, frames.size()), frames);
}

TEST_F(SessionTest, ReadsNothingForAsLongAsARequestDelaysItsConnection) {
  echo.delay = 50ms;
  auto socket = open();
  ASSERT_TRUE(send(*socket, echo_frame('e', "1") + echo_frame('e', "2")));
  sim.run_for(20ms);
  EXPECT_EQ(echo.begun.size(), 1U);
  EXPECT_EQ(receive(*socket, 6), echo_frame('e', "1"));
  sim.run_for(60ms);
  EXPECT_EQ(echo.begun.size(), 2U);
}

TEST_F(SessionTest, ClosesIdleConnectionsAndKeepsBusyOnes) {
  options.idle_timeout = 100ms;
  auto idle = open();
  auto busy = open();
  for (int i = 0; i < 10; ++i) {
    ASSERT_TRUE(send(*busy, echo_frame('e', "x")));
    EXPECT_EQ(receive(*busy, 6).size(), 6U);
    sim.run_for(50ms);
  }
  EXPECT_EQ(server().connections(), 1U);
  EXPECT_EQ(receive_all(*idle), "");
}

TEST_F(SessionTest, DropsAPeerThatReadsNoAnswerLongBeforeAnIdleOne) {
  options.frame_timeout = 100ms;
  auto idle = open();
  auto deaf = open();
  start_sending(*deaf, echo_frame('e', std::string(300'000, 'r')));
  sim.run_for(500ms);
  EXPECT_EQ(server().connections(), 1U);
  EXPECT_THAT(metrics.prometheus(), testing::HasSubstr("{reason=\"answer_not_taken\"} 1\n"));
}

TEST_F(SessionTest, KeepsAPeerThatReadsSlowlyForLongerThanAnyTimeout) {
  options.frame_timeout = 100ms;
  options.idle_timeout = 500ms;
  auto socket = open();
  start_sending(*socket, echo_frame('e', std::string(1'000'000, 'r')));
  std::string got;
  for (int i = 0; i < 40; ++i) {
    got += receive(*socket, 15'000);
    sim.run_for(50ms);
  }
  EXPECT_EQ(got.size(), 600'000U);
  got += receive(*socket, 400'005);
  EXPECT_EQ(got.size(), 1'000'005U);
}

TEST_F(SessionTest, CountsAnswersThatWaitAmongTheBytesInFlight) {
  options.max_in_flight_bytes = 300'000;
  auto socket = open();
  const std::string frame = echo_frame('e', std::string(50'000, 'r'));
  ASSERT_TRUE(send(*socket, echo_frame('w', "first")));
  std::string frames;
  for (int i = 0; i < 6; ++i) frames += frame;
  start_sending(*socket, frames);
  sim.run_for(50ms);
  EXPECT_EQ(echo.begun.size(), 4U) << "three frames and their answers fill it";
  echo.release();
  EXPECT_EQ(receive(*socket, 10 + frames.size()), echo_frame('w', "first") + frames);
}

TEST_F(SessionTest, DropsAFrameOfWhichAByteComesNowAndThen) {
  options.frame_timeout = 100ms;
  auto trickle = open();
  const std::string frame = echo_frame('e', std::string(50'000, 'x'));
  ASSERT_TRUE(send(*trickle, frame.substr(0, 100)));
  for (size_t i = 100; i < 110 && server().connections() > 0; ++i) {
    start_sending(*trickle, frame.substr(i, 1));
    sim.run_for(30ms);
  }
  EXPECT_EQ(server().connections(), 0U);
}

TEST_F(SessionTest, TakesAFrameThatIsSlowButFastEnough) {
  options.frame_timeout = 100ms;
  auto socket = open();
  const std::string frame = echo_frame('e', std::string(50'000, 'x'));
  for (size_t at = 0; at < frame.size(); at += 2000) {
    ASSERT_TRUE(send(*socket, frame.substr(at, 2000)));
    sim.run_for(70ms);
  }
  EXPECT_EQ(receive(*socket, frame.size()), frame);
}

TEST_F(SessionTest, DoesNotTakeItsOwnFullnessForAStuckPeer) {
  options.frame_timeout = 100ms;
  options.max_in_flight = 1;
  auto socket = open();
  ASSERT_TRUE(send(*socket, echo_frame('w', "slow") + echo_frame('e', "next")));
  sim.run_for(10s);
  echo.release();
  EXPECT_EQ(receive(*socket, 18), echo_frame('w', "slow") + echo_frame('e', "next"));
}

TEST_F(SessionTest, EndsCleanlyBehindARefusalWhateverElseWasSent) {
  sim::NetworkOptions short_reads;
  short_reads.split_one_in = 2;
  sim.network().set_options(short_reads);
  for (int i = 0; i < 20; ++i) {
    auto socket = open();
    ASSERT_TRUE(send(*socket, echo_frame('o', "")));
    sim.run_for(10ms);
    ASSERT_TRUE(send(*socket, "\xff\xff\xff\xff!!!!" + std::string(3000, 'z')));
    sim.run_for(10ms);
    echo.release();
    sim.run_for(10ms);
    EXPECT_EQ(receive_all(*socket), echo_frame('o', "") + echo_frame('!', "frame_too_large"));
    EXPECT_TRUE(ended_cleanly(*socket)) << "reset at attempt " << i;
  }
}

TEST_F(SessionTest, BeginsNothingOnceItDrainsThoughMemoryComesFree) {
  sim::NetworkOptions whole_reads;
  whole_reads.split_one_in = 0;
  sim.network().set_options(whole_reads);
  auto socket = connect();
  sim.run_for(10ms);
  auto held = memory().reserve(cap - memory().used() - 2000);
  ASSERT_TRUE(held);
  ASSERT_TRUE(send(*socket, "ECHO" + echo_frame('e', "too late")));
  sim.run_for(50ms);
  ASSERT_EQ(server().connections(), 1U);
  EXPECT_THAT(metrics.prometheus(), testing::Not(testing::HasSubstr("sluice_admission_bytes 0\n")));
  EXPECT_TRUE(echo.begun.empty());
  bool stopped = false;
  sim.start_on(control(), stop_later(stopped));
  sim.run_for(1ms);
  held->release();
  EXPECT_TRUE(sim.run_until([&] { return stopped; }, 500ms));
  EXPECT_TRUE(echo.begun.empty());
}

TEST_F(SessionTest, DropsAFrameWithoutProgress) {
  options.frame_timeout = 100ms;
  auto stuck = open();
  auto moving = open();
  ASSERT_TRUE(send(*stuck, echo_frame('e', "text").substr(0, 7)));
  sim.run_for(50ms);
  EXPECT_EQ(server().connections(), 2U);
  sim.run_for(100ms);
  EXPECT_EQ(server().connections(), 1U);
  EXPECT_EQ(receive_all(*stuck), "");
}

}  // namespace
}  // namespace sluice::broker
