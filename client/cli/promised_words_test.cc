// The words that scripts rely on, as they were promised: each line must parse as it stands.

#include <algorithm>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "client/cli/application.h"
#include "client/cli/bound.h"
#include "client/cli/exit_code.h"

namespace sluice::cli {
namespace {

using Words = std::vector<std::string>;

constexpr std::string_view kPromised[] = {
    "topic create NAME -p 6 [-r 3] [-c retention.ms=86400000]... [--if-not-exists]",
    "topic list | describe NAME | alter NAME -c key=value | alter NAME -p 12 | delete NAME",
    "produce NAME [-K SEP] [-H key=value]... [-z zstd] [--acks 0|1|all] [-f FORMAT] [FILE]",
    "consume NAME [-p N] [--from beginning|end|OFFSET|TIME] [--until end|OFFSET|TIME] [-n COUNT] "
    "[-f FORMAT] [-g GROUP]",
    "consume NAME -o json",
    "offsets NAME [--time TIME]",
    "log dump DIR|FILE [--records] [--verify]",
    "bench produce NAME --records N --size B [--batch B] [--linger MS] [--acks A] "
    "[--producers N] [--rate R] -o json",
    "bench consume NAME [--records N] [--consumers N] -o json",
    "bench latency NAME --rate R --size B --duration S -o json",
    "topic list -b HOST:PORT,HOST:PORT -X key=value -o table",
    "cluster status [--watch] [-o json] | join HOST:PORT | leave N",
    "broker drain N [--undo]",
    "partition move NAME N --replicas 1,2,3 | move NAME N --cancel",
    "doctor [--config FILE] [--set key=value]... [--data DIR]... [--ingest R] [--pid N] -o json",
    "doctor --plan --rate R [--retention 7d] [--partitions N] [--replication N] [--brokers N] "
    "[--producers N] [--consumers N] -o json",
    "memory top [--watch] [-o json]",
    "memory top --admin HOST:PORT",
    "context use NAME",
};

/// What stands for a number is one; everything else stands for itself.
std::string filled_in(const std::string& word) {
  static const std::map<std::string, std::string> kNumbers = {
      {"N", "2"}, {"B", "100"}, {"MS", "5"}, {"R", "1000"}, {"COUNT", "10"}, {"OFFSET", "42"}};
  const auto number = kNumbers.find(word);
  return number == kNumbers.end() ? word : number->second;
}

Words words_of(std::string text) {
  for (size_t at; (at = text.find("]...")) != std::string::npos;) text.erase(at + 1, 3);
  std::erase_if(text, [](char letter) { return letter == '[' || letter == ']'; });
  std::istringstream stream(text);
  return Words(std::istream_iterator<std::string>(stream), {});
}

/// With everything that is optional; one call for each choice of a word "a|b".
std::vector<Words> calls_of(const std::string& line) {
  const Words words = words_of(line);
  size_t most = 1;
  for (const auto& word : words) {
    most = std::max<size_t>(most, static_cast<size_t>(std::ranges::count(word, '|')) + 1);
  }
  std::vector<Words> calls(most);
  for (const auto& word : words) {
    Words choices;
    std::istringstream stream(word);
    for (std::string choice; std::getline(stream, choice, '|');) choices.push_back(choice);
    for (size_t i = 0; i < most; ++i) {
      calls[i].push_back(filled_in(choices[std::min(i, choices.size() - 1)]));
    }
  }
  return calls;
}

/// "topic list | describe NAME": the noun goes for every verb.
std::vector<std::string> lines_of(const std::string& promised) {
  std::vector<std::string> lines;
  for (size_t begin = 0; begin <= promised.size();) {
    const size_t end = std::min(promised.find(" | ", begin), promised.size());
    const std::string noun = begin == 0 ? "" : promised.substr(0, promised.find(' ') + 1);
    lines.push_back(noun + promised.substr(begin, end - begin));
    begin = end + 3;
  }
  return lines;
}

std::string joined(const Words& words) {
  std::string line;
  for (const auto& word : words) line += word + " ";
  return line;
}

TEST(PromisedWords, ParseAsTheyStand) {
  for (const auto promised : kPromised) {
    for (const auto& line : lines_of(std::string(promised))) {
      for (Words call : calls_of(line)) {
        SCOPED_TRACE(joined(call));
        Shell shell;
        const auto app = make_application(shell);
        std::ranges::reverse(call);  // CLI11 takes the last argument first.
        EXPECT_NO_THROW(app->parse(call));
        EXPECT_FALSE(shell.label().empty());
      }
    }
  }
}

TEST(PromisedWords, EveryFormOfATimeIsOne) {
  constexpr Timestamp now{1'763'708'400'000};
  for (const auto* text : {"2026-11-21T07:00:00Z", "1763708400000", "now-1h", "-15m"}) {
    const auto bound = parse_bound(text, now);
    ASSERT_TRUE(bound) << text;
    EXPECT_EQ(bound->kind, Bound::Kind::time) << text;
  }
}

TEST(PromisedWords, AGroupIsRefusedWithAWayOut) {
  Shell shell;
  const auto app = make_application(shell);
  app->parse("consume orders -g billing");
  const auto done = shell.run();
  ASSERT_FALSE(done);
  EXPECT_EQ(exit_code_of(done.error().code()), ExitCode::failed);
  EXPECT_NE(done.error().message().find("group billing"), std::string_view::npos);
  EXPECT_NE(done.error().message().find("leave out -g"), std::string_view::npos);
}

}  // namespace
}  // namespace sluice::cli
