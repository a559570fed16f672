#include <algorithm>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "tests/cluster/node.h"

namespace sluice::cluster {
namespace {

using nlohmann::json;

TEST(Tour, CreatesListsDescribesAltersAndDeletesTopics) {
  Node node;
  node.start();
  const Said created =
      node.sluice({"topic", "create", "orders", "-p", "6", "-c", "retention.ms=86400000"});
  EXPECT_EQ(created.code, 0) << created.err;
  EXPECT_EQ(created.out, "created orders (6 partitions, 1 replica)\n");
  EXPECT_EQ(node.sluice({"topic", "list", "-o", "name"}).out, "orders\n");
  EXPECT_EQ(node.sluice({"topic", "alter", "orders", "-p", "12"}).code, 0);
  EXPECT_EQ(node.sluice({"topic", "alter", "orders", "-c", "retention.ms=1000"}).code, 0);

  const auto topic = json::parse(node.sluice({"topic", "describe", "orders", "-o", "json"}).out);
  EXPECT_EQ(topic["partitions"].size(), 12u);
  const auto retention = std::ranges::find_if(
      topic["configs"], [](const json& config) { return config["key"] == "retention.ms"; });
  ASSERT_NE(retention, topic["configs"].end());
  EXPECT_EQ((*retention)["value"], "1000");

  EXPECT_EQ(node.sluice({"topic", "delete", "orders", "--yes"}).code, 0);
  EXPECT_EQ(node.sluice({"topic", "list", "-o", "name"}).out, "");
}

TEST(Tour, ProducesAndConsumesWithKeysFormatsAndBounds) {
  Node node;
  node.start();
  ASSERT_EQ(node.sluice({"topic", "create", "words", "-p", "1"}).code, 0);
  const Said produced = node.sluice({"produce", "words", "-K:", "-H", "origin=test"},
                                    "a:one\nb:two\nc:three\nplain\n");
  EXPECT_EQ(produced.code, 0) << produced.err;
  EXPECT_TRUE(produced.err.starts_with("4 records")) << produced.err;
  EXPECT_EQ(
      node.sluice({"consume", "words", "--until", "end", "-f", R"(%p %o %k=%s %h %K %S\n)"}).out,
      "0 0 a=one origin=test 1 3\n0 1 b=two origin=test 1 3\n"
      "0 2 c=three origin=test 1 5\n0 3 =plain origin=test -1 5\n");
  EXPECT_EQ(node.sluice({"consume", "words", "--from", "1", "--until", "3"}).out, "two\nthree\n");
  EXPECT_EQ(node.sluice({"consume", "words", "--from", "-1", "-n", "1"}).out, "plain\n");
  EXPECT_EQ(node.sluice({"consume", "words", "--from", "-15m", "-n", "1"}).out, "one\n");
}

TEST(Tour, JsonGoesOutAndComesBackIn) {
  Node node;
  node.start();
  ASSERT_EQ(node.sluice({"topic", "create", "from", "-p", "1"}).code, 0);
  ASSERT_EQ(node.sluice({"topic", "create", "to", "-p", "1"}).code, 0);
  ASSERT_EQ(node.sluice({"produce", "from", "-K:", "-H", "h=1"}, "k:\xff\xfe\nk2:text\n").code, 0);
  const Said first = node.sluice({"consume", "from", "--until", "end", "-o", "json"});
  ASSERT_EQ(node.sluice({"produce", "to", "-f", "json"}, first.out).code, 0);
  Said second = node.sluice({"consume", "to", "--until", "end", "-o", "json"});
  for (size_t at = 0; (at = second.out.find("\"to\"", at)) != std::string::npos;) {
    second.out.replace(at, 4, "\"from\"");
  }
  EXPECT_EQ(first.out, second.out);
}

TEST(Tour, CompressedRecordsComeBackTheSame) {
  Node node;
  node.start();
  ASSERT_EQ(node.sluice({"topic", "create", "t", "-p", "1"}).code, 0);
  std::string expected;
  for (const auto* codec : {"none", "gzip", "snappy", "lz4", "zstd"}) {
    const std::string lines = std::string(codec) + std::string(500, 'x') + "\nsecond\n";
    ASSERT_EQ(node.sluice({"produce", "t", "-z", codec}, lines).code, 0) << codec;
    expected += lines;
  }
  EXPECT_EQ(node.sluice({"consume", "t", "--until", "end"}).out, expected);
}

TEST(Tour, ExitCodesSayWhatKindOfFailureItWas) {
  Node node;
  node.start();
  EXPECT_EQ(node.sluice({"topic", "describe", "missing"}).code, 4);
  EXPECT_EQ(node.sluice({"consume", "missing", "--until", "end"}).code, 4);
  EXPECT_EQ(node.sluice({"topic", "create", "bad/name"}).code, 5);
  EXPECT_EQ(node.sluice({"topic", "create", "t", "-r", "3"}).code, 5);
  EXPECT_EQ(node.sluice({"topic", "create"}).code, 2);
  EXPECT_EQ(node.sluice({"topic", "create", "t", "-c", "no.such.key=1"}).code, 5);
  EXPECT_EQ(node.sluice({"topic", "list", "-o", "xml"}).code, 2);
  EXPECT_EQ(node.sluice({"consume", "t", "--from", "yesterday"}).code, 2);
  EXPECT_EQ(node.sluice({"topic", "list", "-X", "lingr.ms=5"}).code, 2);
  EXPECT_EQ(node.sluice({"topic", "list", "-b", "127.0.0.1:1"}).code, 3);
}

TEST(Tour, ErrorsAreOneLineThatNamesTheThing) {
  Node node;
  node.start();
  for (const std::vector<std::string>& arguments :
       std::vector<std::vector<std::string>>{{"topic", "describe", "missing"},
                                             {"topic", "create", "bad/name"},
                                             {"produce", "missing"},
                                             {"topic", "list", "-b", "127.0.0.1:1"},
                                             {"consume", "t", "--frm", "end"}}) {
    const Said said = node.sluice(arguments, "line\n");
    EXPECT_EQ(std::ranges::count(said.err, '\n'), 1) << said.err;
    EXPECT_NE(said.err.find(arguments[0]), std::string::npos) << said.err;
    EXPECT_EQ(said.out, "");
  }
}

TEST(Tour, DangerousVerbsNeedYesAndHaveADryRun) {
  Node node;
  node.start();
  ASSERT_EQ(node.sluice({"topic", "create", "t", "-p", "1"}).code, 0);
  EXPECT_EQ(node.sluice({"topic", "delete", "t"}).code, 2);
  EXPECT_EQ(node.sluice({"topic", "delete", "t", "--dry-run"}).out,
            "would delete t (1 partition)\n");
  EXPECT_EQ(node.sluice({"topic", "create", "u", "-p", "1", "--dry-run"}).code, 0);
  EXPECT_EQ(node.sluice({"topic", "list", "-o", "name"}).out, "t\n");
}

TEST(Tour, ContextsAndCompletionKnowTheCluster) {
  Node node;
  node.start();
  ASSERT_EQ(node.sluice({"topic", "create", "orders", "-p", "1"}).code, 0);
  ASSERT_EQ(node.sluice({"context", "use", "here", "-b", node.broker().address()}).code, 0);
  EXPECT_EQ(node.sluice({"context", "list", "-o", "name"}).out, "here\n");
  EXPECT_EQ(node.sluice({"topic", "list", "-o", "name", "--context", "here"}).out, "orders\n");
  EXPECT_EQ(node.sluice({"topic", "list", "--context", "nowhere"}).code, 4);
  EXPECT_EQ(node.sluice({"__complete", "--", "consume", "o"}).out, "orders\n");
}

/// Runs a line of bash, whose $0 is sluice.
int bash(const Node& node, const std::string& line) {
  Process process({.arguments = {"/bin/bash", "-c", line, SLUICE_PATH},
                   .environment = {},
                   .input = {},
                   .output = node.folder() / "bash-out",
                   .error = node.folder() / "bash-err"});
  const auto ending = process.wait(std::chrono::milliseconds(30'000));
  return ending ? ending->code : -1;
}

TEST(Tour, ACompletionScriptIsBash) {
  const Node node;
  EXPECT_EQ(bash(node, R"(set -o pipefail; "$0" completion bash | bash -n)"), 0)
      << read_file(node.folder() / "bash-err");
}

TEST(Tour, AReaderThatHasEnoughIsNoFailure) {
  const Node node;
  EXPECT_EQ(bash(node, R"(exec 3> >(exit 0); wait $!; "$0" completion bash >&3)"), 0);
  EXPECT_EQ(read_file(node.folder() / "bash-err"), "");
}

TEST(Tour, BenchmarksSayTheirNumbersAsJson) {
  Node node;
  node.start();
  ASSERT_EQ(node.sluice({"topic", "create", "b", "-p", "2"}).code, 0);
  for (const std::vector<std::string>& arguments : std::vector<std::vector<std::string>>{
           {"bench", "produce", "b", "--records", "20000", "--size", "100", "--producers", "2"},
           {"bench", "consume", "b", "--consumers", "2"},
           {"bench", "latency", "b", "--rate", "500", "--size", "64", "--duration", "500ms",
            "--warm-up", "100ms"}}) {
    std::vector<std::string> with_json = arguments;
    with_json.insert(with_json.end(), {"-o", "json"});
    const Said said = node.sluice(with_json);
    ASSERT_EQ(said.code, 0) << said.err;
    const auto numbers = json::parse(said.out);
    EXPECT_GT(numbers["records_per_second"], 0) << said.out;
    EXPECT_GT(numbers["bytes_per_second"], 0);
    EXPECT_GT(numbers["client_cpu_seconds"], 0);
    for (const auto* key : {"p50", "p90", "p99", "p999", "max"}) {
      EXPECT_GT(numbers["latency_ms"][key], 0) << key;
    }
  }
}

}  // namespace
}  // namespace sluice::cluster
