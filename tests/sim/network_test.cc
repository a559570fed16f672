#include "tests/sim/network.h"

#include <array>
#include <optional>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/sim/simulator.h"

namespace sluice::sim {
namespace {

using Socket = std::unique_ptr<io::Socket>;

/// A connection from one node to the other, both ends on their control loops.
struct Pair {
  Socket client;
  Socket server;
  std::unique_ptr<io::Listener> listener;
};

io::Task<Pair> make_pair(SimNode& from, SimNode& to) {
  Pair pair;
  co_await to.runtime().executor.control().enter();
  pair.listener = (co_await to.runtime().network.listen({to.name(), 9000})).value();
  co_await from.runtime().executor.control().enter();
  auto dialled =
      co_await from.runtime().network.connect({to.name(), 9000}, from.clock().now() + 10s);
  pair.client = std::move(dialled).value();
  co_await to.runtime().executor.control().enter();
  pair.server = (co_await pair.listener->accept()).value();
  pair.server->attach(to.runtime().executor.control());
  co_return pair;
}

/// What comes until the end of the stream or an error, which goes to `end`.
io::Task<void> drain(io::Socket& socket, std::string& text, std::optional<Result<>>& end) {
  std::array<std::byte, 100> buffer;
  while (true) {
    const auto count = socket.try_read(buffer);
    if (count) {
      if (*count == 0) break;
      text += as_text(ByteView(buffer).first(*count));
    } else if (count.error() == Errc::would_block) {
      CHECK((co_await socket.readable()).has_value(), "the socket is open here");
    } else {
      end = fail(count.error());
      co_return;
    }
  }
  end = Result<>();
}

io::Task<Result<>> write(io::Socket& socket, std::string text) {
  const std::array parts = {as_bytes(text)};
  co_return co_await io::write_all(socket, parts);
}

class SimNetworkTest : public testing::Test {
 protected:
  void connect() { pair_ = simulator_.run(make_pair(a_, b_)); }
  void start_draining() {
    simulator_.start_on(b_.executor().control(), drain(*pair_.server, received_, end_));
  }
  Result<> send(std::string text) {
    return simulator_.run_on(a_.executor().control(), write(*pair_.client, std::move(text)));
  }

  Simulator simulator_{7};
  SimNode& a_ = simulator_.add_node("a");
  SimNode& b_ = simulator_.add_node("b");
  std::string received_;
  std::optional<Result<>> end_;
  Pair pair_;
};

TEST_F(SimNetworkTest, BytesArriveInOrderThroughSmallPieces) {
  simulator_.network().set_options({.buffer_bytes = 1000, .split_one_in = 1});
  connect();
  start_draining();
  std::string text;
  for (int i = 0; i < 5000; ++i) text += std::to_string(i) + ",";
  ASSERT_TRUE(send(text).has_value());
  pair_.client->close();
  ASSERT_TRUE(simulator_.run_until([&] { return end_.has_value(); }, 60s));
  EXPECT_TRUE(end_->has_value());
  EXPECT_EQ(received_, text);
}

TEST_F(SimNetworkTest, AWriterIsHeldWhileNobodyReads) {
  simulator_.network().set_options({.buffer_bytes = 1000});
  connect();
  std::optional<Result<>> sent;
  simulator_.start_on(a_.executor().control(),
                      [](io::Socket& to, std::optional<Result<>>& out) -> io::Task<void> {
                        out = co_await write(to, std::string(5000, 'x'));
                      }(*pair_.client, sent));
  simulator_.settle();
  EXPECT_FALSE(sent.has_value());
  start_draining();
  simulator_.settle();
  EXPECT_TRUE(sent.has_value());
  EXPECT_EQ(received_.size(), 5000u);
  pair_.client->close();
  simulator_.settle();
}

TEST_F(SimNetworkTest, ACutHoldsPacketsBackUntilItHeals) {
  connect();
  start_draining();
  simulator_.network().cut("a", "b");
  ASSERT_TRUE(send("hello").has_value());
  simulator_.run_for(1h);
  EXPECT_EQ(received_, "");
  simulator_.network().heal("a", "b");
  simulator_.run_for(1s);
  EXPECT_EQ(received_, "hello");
  pair_.client->close();
  simulator_.settle();
}

TEST_F(SimNetworkTest, ACutIsOneWay) {
  connect();
  start_draining();
  simulator_.network().cut("b", "a");
  ASSERT_TRUE(send("hello").has_value());
  simulator_.run_for(1s);
  EXPECT_EQ(received_, "hello");
  pair_.client->close();
  simulator_.settle();
}

TEST_F(SimNetworkTest, WhatAStallHoldsArrivesBehindWhatANewConnectionSaid) {
  connect();
  simulator_.network().stall("a", "b");
  ASSERT_TRUE(send("old").has_value());
  pair_.client->close();
  Pair old = std::move(pair_);
  old.listener->close();
  connect();
  start_draining();
  ASSERT_TRUE(send("new").has_value());
  simulator_.run_for(1h);
  EXPECT_EQ(received_, "new");
  pair_.client->close();
  simulator_.settle();
  simulator_.network().heal_all();
  std::string late;
  simulator_.start_on(b_.executor().control(), drain(*old.server, late, end_));
  simulator_.settle();
  EXPECT_EQ(late, "old");
}

TEST_F(SimNetworkTest, ALostAnswerLeavesWhatWasAskedForDone) {
  connect();
  start_draining();
  simulator_.network().set_options({.lose_answer_one_in = 1});
  ASSERT_TRUE(send("do this").has_value());
  simulator_.run_for(1s);
  EXPECT_EQ(received_, "do this");
  const auto answer =
      simulator_.run_on(b_.executor().control(), write(*pair_.server, "it is done"));
  EXPECT_EQ(answer.error(), Errc::connection_closed);
  EXPECT_EQ(send("again").error(), Errc::connection_closed);
  simulator_.settle();
}

TEST_F(SimNetworkTest, AResetEndsBothSides) {
  connect();
  start_draining();
  simulator_.network().reset("b", "a");
  simulator_.settle();
  ASSERT_TRUE(end_.has_value());
  EXPECT_EQ(end_->error(), Errc::connection_closed);
  EXPECT_EQ(send("late").error(), Errc::connection_closed);
}

TEST_F(SimNetworkTest, ResetsComeByChanceWhenAskedFor) {
  connect();
  start_draining();
  simulator_.network().set_options({.reset_one_in = 3});
  int writes = 0;
  while (send("x").has_value()) ++writes;
  simulator_.settle();
  EXPECT_LT(writes, 100);
  EXPECT_FALSE(end_->has_value());
}

TEST_F(SimNetworkTest, APeerHearsOfAKilledProcess) {
  connect();
  start_draining();
  a_.kill(Death::process);
  simulator_.settle();
  ASSERT_TRUE(end_.has_value());
  EXPECT_EQ(end_->error(), Errc::connection_closed);
}

TEST_F(SimNetworkTest, APeerHearsNothingOfAPowerCutUntilTheHostIsBack) {
  connect();
  start_draining();
  a_.kill(Death::power);
  const auto send_back = [&] {
    return simulator_.run_on(b_.executor().control(), write(*pair_.server, "are you there"));
  };
  EXPECT_TRUE(send_back().has_value());
  simulator_.run_for(1h);
  EXPECT_FALSE(end_.has_value());
  simulator_.add_node("a");
  EXPECT_TRUE(send_back().has_value());
  simulator_.run_for(1s);
  ASSERT_TRUE(end_.has_value());
  EXPECT_EQ(end_->error(), Errc::connection_closed);
}

TEST_F(SimNetworkTest, TheKilledNodesOwnSocketsFail) {
  connect();
  start_draining();
  b_.kill(Death::power);
  simulator_.settle();
  ASSERT_TRUE(end_.has_value());
  EXPECT_EQ(end_->error(), Errc::connection_closed);
}

io::Task<Errc> connect_error(SimNode& from, io::Endpoint to) {
  const auto socket = co_await from.runtime().network.connect(to, from.clock().now() + 10s);
  co_return socket ? Errc::internal : socket.error().code();
}

TEST_F(SimNetworkTest, ConnectingTellsWhyItFails) {
  const auto try_connect = [&](io::Endpoint to) {
    return simulator_.run_on(a_.executor().worker(0), connect_error(a_, std::move(to)));
  };
  EXPECT_EQ(try_connect({"b", 1}), Errc::connection_refused);
  EXPECT_EQ(try_connect({"nowhere", 1}), Errc::unresolved_host);
  simulator_.network().partition({"a"}, {"b"});
  EXPECT_EQ(try_connect({"b", 1}), Errc::timed_out);
  simulator_.network().heal_all();
  b_.kill(Death::power);
  EXPECT_EQ(try_connect({"b", 1}), Errc::timed_out);
  a_.kill(Death::process);
  EXPECT_EQ(try_connect({"b", 1}), Errc::connection_failed);
}

TEST_F(SimNetworkTest, ReadsWaitForTheThreshold) {
  connect();
  pair_.server->set_read_threshold(5);
  bool readable = false;
  simulator_.start_on(b_.executor().control(), [](io::Socket& from, bool& done) -> io::Task<void> {
    done = (co_await from.readable()).has_value();
  }(*pair_.server, readable));
  ASSERT_TRUE(send("1234").has_value());
  simulator_.settle();
  EXPECT_FALSE(readable);
  ASSERT_TRUE(send("5").has_value());
  simulator_.settle();
  EXPECT_TRUE(readable);
}

TEST_F(SimNetworkTest, SendsFromTheCacheOfASimulatedFile) {
  connect();
  start_draining();
  const auto body = [](SimNode& node, io::Socket& to) -> io::Task<Result<size_t>> {
    CO_ASSIGN_OR_RETURN(auto file, co_await node.disk().open("f", io::OpenMode::create));
    const std::array parts = {as_bytes("0123456789")};
    CO_RETURN_IF_ERROR(co_await file->write_at(0, parts, io::Lane::hot));
    co_return to.try_send_file(*file, 4, 100, false);
  };
  simulator_.network().set_options({.split_one_in = 0});
  const auto sent = simulator_.run_on(a_.executor().control(), body(a_, *pair_.client));
  EXPECT_EQ(sent.value(), 6u);
  pair_.client->close();
  simulator_.settle();
  EXPECT_EQ(received_, "456789");
}

}  // namespace
}  // namespace sluice::sim
