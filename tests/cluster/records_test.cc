#include <algorithm>
#include <sstream>

#include <gtest/gtest.h>

#include "tests/cluster/load.h"
#include "tests/cluster/node.h"

namespace sluice::cluster {
namespace {

/// Lines "number:text" with texts of many lengths and all kinds of bytes but the newline.
std::string word_list(size_t lines) {
  std::string text;
  for (size_t i = 0; i < lines; ++i) {
    text += std::to_string(i) + ":";
    for (size_t j = 0; j < i * 7 % 61; ++j) {
      const auto byte = static_cast<char>(i * 31 + j * 17);
      text += byte == '\n' ? ' ' : byte;
    }
    text += '\n';
  }
  return text;
}

std::vector<std::string> sorted_lines(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  std::ranges::sort(lines);
  return lines;
}

TEST(WordList, ComesBackByteForByte) {
  constexpr size_t kLines = 120'000;
  Node node;
  node.start();
  ASSERT_EQ(node.sluice({"topic", "create", "words", "-p", "4"}).code, 0);
  const std::string sent = word_list(kLines);
  const Said produced = node.sluice({"produce", "words", "-K:"}, sent);
  ASSERT_EQ(produced.code, 0) << produced.err;
  const Said consumed = node.sluice(
      {"consume", "words", "--from", "beginning", "--until", "end", "-f", R"(%k:%s\n)"});
  ASSERT_EQ(consumed.code, 0) << consumed.err;
  EXPECT_TRUE(sorted_lines(sent) == sorted_lines(consumed.out));
}

TEST(WordList, SurvivesARestart) {
  Node node;
  node.start();
  ASSERT_EQ(node.sluice({"topic", "create", "words", "-p", "1"}).code, 0);
  const std::string sent = word_list(10'000);
  ASSERT_EQ(node.sluice({"produce", "words"}, sent).code, 0);
  ASSERT_EQ(node.stop(), 0);
  node.start();
  EXPECT_TRUE(node.sluice({"consume", "words", "--until", "end"}).out == sent);
}

/// Rounds of kill -9 under load. Every record that was acknowledged in any round must still be at
/// its place with its value.
TEST(Kill, LosesNothingThatWasAcknowledged) {
  const char* wanted = std::getenv("SLUICE_KILL_ROUNDS");
  const int rounds = wanted != nullptr ? std::atoi(wanted) : 5;
  Node node;
  node.start();
  ASSERT_EQ(node.sluice({"topic", "create", "t", "-p", "3"}).code, 0);
  Records acknowledged;
  for (int round = 0; round < rounds; ++round) {
    Load load(node.client(), "t", "round" + std::to_string(round));
    load.wait_for(2'000 + static_cast<size_t>(round) * 977 % 5'000);
    node.broker().kill();
    load.stop();
    acknowledged.merge(load.acknowledged());
    node.start();
    const Records stored = read_all(*node.client(), "t");
    for (const auto& [place, value] : acknowledged) {
      const auto found = stored.find(place);
      ASSERT_TRUE(found != stored.end() && found->second == value)
          << "round " << round << ": " << value << " was acknowledged at partition " << place.first
          << " offset " << place.second << " and is not there";
    }
  }
  EXPECT_GE(acknowledged.size(), static_cast<size_t>(rounds) * 1'000);
}

TEST(Stop, EndsWithinTenSecondsUnderLoadAndKeepsWhatWasAcknowledged) {
  Node node;
  node.start();
  ASSERT_EQ(node.sluice({"topic", "create", "t", "-p", "3"}).code, 0);
  Load load(node.client(), "t", "load");
  load.wait_for(5'000);
  EXPECT_EQ(node.stop(), 0);
  load.stop();
  EXPECT_TRUE(std::filesystem::exists(node.data() / ".kafka_cleanshutdown"));
  const Records acknowledged = load.acknowledged();
  node.start();
  const Records stored = read_all(*node.client(), "t");
  EXPECT_TRUE(std::ranges::includes(stored, acknowledged));
  EXPECT_GE(acknowledged.size(), 1'000u);
}

TEST(Container, ServesWithoutIoUringAndSaysSoOnce) {
  Node node;
  Broker& broker = node.start({}, true);
  ASSERT_EQ(node.sluice({"topic", "create", "t", "-p", "2", "-c", "flush=every"}).code, 0);
  ASSERT_EQ(node.sluice({"produce", "t"}, "one\n").code, 0);
  EXPECT_EQ(node.sluice({"consume", "t", "--until", "end"}).out, "one\n");
  const std::string log = broker.log();
  const size_t said = log.find("io_uring is refused");
  EXPECT_NE(said, std::string::npos) << log;
  EXPECT_EQ(log.find("io_uring is refused", said + 1), std::string::npos) << log;
}

}  // namespace
}  // namespace sluice::cluster
