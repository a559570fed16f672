#include "broker/admin/admin_server.h"

#include <array>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "tests/sim/simulator.h"

namespace sluice::broker {
namespace {

using namespace std::chrono_literals;

class AdminServerTest : public ::testing::Test {
 protected:
  void SetUp() override {
    admin_.add("/hello", [](const HttpRequest& request) {
      return io::Task<HttpResponse>::ready({.body = "hello " + request.query});
    });
    ASSERT_TRUE(simulator_.run_on(control(), admin_.start()).has_value());
  }
  void TearDown() override { simulator_.run_on(control(), admin_.stop()); }
  io::Loop& control() { return server_.executor().control(); }

  io::Task<std::unique_ptr<io::Socket>> connect() {
    const TimePoint deadline = io::Loop::current()->now() + 5s;
    auto socket = co_await client_.runtime().network.connect({"server", 9644}, deadline);
    EXPECT_TRUE(socket.has_value());
    co_return std::move(*socket);
  }
  /// All that the server sends until it closes.
  io::Task<std::string> read_all(io::Socket& socket) {
    std::string text;
    for (;;) {
      std::array<std::byte, 512> part;
      const auto count = socket.try_read(part);
      if (count) {
        if (*count == 0) co_return text;
        text += as_text(ByteView(part).first(*count));
      } else if (count.error() != Errc::would_block || !co_await socket.readable()) {
        co_return text;
      }
    }
  }
  io::Task<std::string> converse(std::string sent) {
    auto socket = co_await connect();
    const std::array<ByteView, 1> parts = {as_bytes(sent)};
    EXPECT_TRUE((co_await io::write_all(*socket, parts)).has_value());
    co_return co_await read_all(*socket);
  }
  io::Task<std::string> trickle(std::string sent) {
    auto socket = co_await connect();
    for (const char& byte : sent) {
      const std::array<ByteView, 1> parts = {as_bytes(std::string_view(&byte, 1))};
      if (!co_await io::write_all(*socket, parts)) break;
      co_await io::sleep_for(3s);
    }
    co_return co_await read_all(*socket);
  }
  std::string ask(std::string sent) {
    return simulator_.run_on(client_.executor().worker(0), converse(std::move(sent)));
  }

  sim::Simulator simulator_{1};
  sim::SimNode& server_ = simulator_.add_node("server");
  sim::SimNode& client_ = simulator_.add_node("client");
  NullSink sink_;
  AdminServer admin_{server_.runtime(), {{"server", 9644}, 3, 10s}, Logger(sink_)};
};

TEST_F(AdminServerTest, ServesPages) {
  const std::string answer = ask("GET /hello?you HTTP/1.0\r\n\r\n");
  EXPECT_EQ(answer.find("HTTP/1.1 200 OK\r\n"), 0u) << answer;
  EXPECT_TRUE(answer.ends_with("\r\n\r\nhello you")) << answer;
}

TEST_F(AdminServerTest, AnswersRequestsOfOneConnectionInOrder) {
  const std::string answer =
      ask("GET /hello?1 HTTP/1.1\r\n\r\nGET /hello?2 HTTP/1.1\r\nConnection: close\r\n\r\n");
  const size_t first = answer.find("hello 1");
  ASSERT_NE(first, std::string::npos) << answer;
  EXPECT_NE(answer.find("hello 2", first), std::string::npos) << answer;
}

TEST_F(AdminServerTest, NamesThePagesThereAre) {
  const std::string answer = ask("GET /nothing HTTP/1.0\r\n\r\n");
  EXPECT_EQ(answer.find("HTTP/1.1 404"), 0u);
  EXPECT_NE(answer.find("/hello"), std::string::npos);
}

TEST_F(AdminServerTest, RefusesOtherMethodsAndWhatIsNoHttp) {
  EXPECT_EQ(ask("DELETE /hello HTTP/1.0\r\n\r\n").find("HTTP/1.1 405"), 0u);
  EXPECT_EQ(ask("SLU1\r\n\r\n").find("HTTP/1.1 400"), 0u);
  EXPECT_EQ(ask("GET /" + std::string(kMaxHttpRequest, 'x')).find("HTTP/1.1 431"), 0u);
}

TEST_F(AdminServerTest, DropsAClientThatDoesNotFinishItsRequest) {
  const auto before = simulator_.now();
  EXPECT_EQ(ask("GET /hello HTT"), "");
  EXPECT_GE(simulator_.now() - before, 9s);
}

TEST_F(AdminServerTest, DropsAClientThatSendsAByteNowAndThen) {
  EXPECT_EQ(simulator_.run_on(client_.executor().worker(0), trickle("GET /hello HTTP/1.0\r\n\r\n")),
            "");
}

TEST_F(AdminServerTest, ClosesConnectionsBeyondItsLimitAtOnce) {
  std::vector<std::unique_ptr<io::Socket>> held;
  for (int i = 0; i < 3; ++i) {
    held.push_back(simulator_.run_on(client_.executor().worker(0), connect()));
  }
  simulator_.run_for(100ms);
  EXPECT_EQ(ask("GET /hello HTTP/1.0\r\n\r\n"), "");
  const auto close = [](io::Socket& socket) -> io::Task<void> {
    socket.close();
    co_return;
  };
  for (auto& socket : held) simulator_.run_on(client_.executor().worker(0), close(*socket));
  simulator_.run_for(100ms);
  EXPECT_NE(ask("GET /hello HTTP/1.0\r\n\r\n"), "");
}

}  // namespace
}  // namespace sluice::broker
