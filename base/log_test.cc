#include "base/log.h"

#include <array>
#include <cerrno>
#include <cstdint>
#include <string>
#include <thread>
#include <vector>

#include <sys/socket.h>

#include <gtest/gtest.h>
#include <unistd.h>

namespace sluice {
namespace {

class FixedClock final : public Clock {
 public:
  TimePoint now() const override { return TimePoint{}; }
  Timestamp wall_now() const override { return Timestamp{1763708400123}; }
};

/// A sink on one end of a datagram socket pair: every datagram is one write(2).
class LogTest : public testing::Test {
 protected:
  void SetUp() override { ASSERT_EQ(::socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends_.data()), 0); }
  void TearDown() override {
    for (int end : ends_) ::close(end);
  }

  StreamSink sink(StreamSink::Format format) { return {clock_, ends_[0], format}; }

  /// The next write, or "" when there was none.
  std::string next_write() {
    std::string text(8192, '\0');
    const ssize_t size = ::recv(ends_[1], text.data(), text.size(), MSG_DONTWAIT);
    text.resize(size > 0 ? static_cast<size_t>(size) : 0);
    return text;
  }

  FixedClock clock_;
  std::array<int, 2> ends_{};
};

TEST_F(LogTest, WritesALogfmtLineAtOnce) {
  auto to = sink(StreamSink::Format::logfmt);
  Logger(to).info("segment rolled",
                  {{"topic", "orders"}, {"offset", Offset{17}}, {"took", 1500us}, {"clean", true}});
  EXPECT_EQ(next_write(),
            "time=2025-11-21T07:00:00.123Z level=info event=\"segment rolled\" topic=orders "
            "offset=17 took=1.5ms clean=true\n");
  EXPECT_EQ(next_write(), "");
}

TEST_F(LogTest, QuotesLogfmtValuesThatWouldBeMisread) {
  auto to = sink(StreamSink::Format::logfmt);
  const std::string odd = "a\nb\t\"c\"\\\x01";
  Logger(to).warning("x", {{"empty", ""}, {"equals", "a=b"}, {"space", "a b"}, {"odd", odd}});
  EXPECT_EQ(next_write(),
            "time=2025-11-21T07:00:00.123Z level=warning event=x empty=\"\" equals=\"a=b\" "
            "space=\"a b\" odd=\"a\\nb\\t\\\"c\\\"\\\\\\u0001\"\n");
}

TEST_F(LogTest, WritesJsonWithNumbersAndTruthValuesUnquoted) {
  auto to = sink(StreamSink::Format::json);
  Logger(to).error("disk \"full\"", {{"dir", std::string("/d")},
                                     {"free", uint64_t{0}},
                                     {"delta", -3},
                                     {"ratio", 0.5},
                                     {"ready", false},
                                     {"epoch", LeaderEpoch{4}},
                                     {"age", 90s}});
  EXPECT_EQ(next_write(),
            R"({"time":"2025-11-21T07:00:00.123Z","level":"error","event":"disk \"full\"",)"
            R"("dir":"/d","free":0,"delta":-3,"ratio":0.5,"ready":false,"epoch":4,"age":"1m30s"})"
            "\n");
}

TEST_F(LogTest, QuotesNumbersThatJsonDoesNotKnow) {
  auto to = sink(StreamSink::Format::json);
  Logger(to).info("x", {{"a", 0.0 / 0.0}, {"b", 1e300 * 1e300}});
  EXPECT_NE(next_write().find(R"("b":"inf"})"), std::string::npos);
}

TEST_F(LogTest, ReplacesWhatIsNotUtf8InJson) {
  auto to = sink(StreamSink::Format::json);
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"\xc3\xa9tudes", "\xc3\xa9tudes"},
      {"\xf0\x9f\x98\x80", "\xf0\x9f\x98\x80"},
      {"a\xff", "a\xef\xbf\xbd"},
      {"\xc3", "\xef\xbf\xbd"},
      {"\xc0\x80", "\xef\xbf\xbd\xef\xbf\xbd"},
      {"\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
      {"\n\x1f\x7f", "\\n\\u001f\\u007f"},
  };
  for (const auto& [text, shown] : cases) {
    Logger(to).info("x", {{"v", text}});
    EXPECT_NE(next_write().find("\"v\":\"" + shown + "\"}\n"), std::string::npos) << shown;
  }
}

TEST_F(LogTest, DropsLinesBelowItsLevel) {
  auto to = sink(StreamSink::Format::logfmt);
  const Logger logger(to, LogLevel::warning);
  logger.debug("a");
  logger.info("b");
  EXPECT_EQ(next_write(), "");
  logger.error("c");
  EXPECT_NE(next_write(), "");
}

TEST_F(LogTest, OutlivesADescriptorThatRefuses) {
  StreamSink to(clock_, -1, StreamSink::Format::logfmt);
  Logger(to).error("nobody reads this");
  EXPECT_EQ(errno, EBADF);
}

TEST_F(LogTest, KeepsLinesOfManyThreadsWhole) {
  auto to = sink(StreamSink::Format::logfmt);
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&to] {
      for (int i = 0; i < 100; ++i) Logger(to).info("tick", {{"pad", std::string(100, 'x')}});
    });
  }
  int lines = 0;
  for (std::string text(8192, '\0'); lines < 400; ++lines) {
    const ssize_t size = ::recv(ends_[1], text.data(), text.size(), 0);
    ASSERT_GT(size, 100);
    EXPECT_EQ(text[static_cast<size_t>(size) - 1], '\n');
    EXPECT_EQ(text.find('\n'), static_cast<size_t>(size) - 1);
  }
  for (auto& thread : threads) thread.join();
}

}  // namespace
}  // namespace sluice
