#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "tests/cluster/node.h"

namespace sluice::cluster {
namespace {

using std::chrono::milliseconds;

/// Runs a program of the system by its path; nothing when there is none.
std::optional<Said> run(const Node& node, const std::vector<std::string>& arguments,
                        std::string_view input = "") {
  if (!std::filesystem::exists(arguments.at(0))) return std::nullopt;
  const auto file = [&](const char* name) { return node.folder() / name; };
  write_file(file("tool-in"), input);
  Process process({.arguments = arguments,
                   .environment = {},
                   .input = file("tool-in"),
                   .output = file("tool-out"),
                   .error = file("tool-err")});
  const auto ending = process.wait(milliseconds(30'000));
  return Said{ending ? ending->code : -1, read_file(file("tool-out")), read_file(file("tool-err"))};
}

std::optional<Said> get(Node& node, const std::string& path) {
  return run(node, {"/usr/bin/curl", "-s", "--max-time", "10", "-w", "\n%{http_code}",
                    "http://" + node.broker().admin_address() + path});
}

TEST(AdminPort, ReadyAndHealthAnswer200) {
  Node node;
  node.start();
  for (const auto* path : {"/ready", "/health"}) {
    const auto answer = get(node, path);
    if (!answer) GTEST_SKIP() << "there is no /usr/bin/curl";
    EXPECT_TRUE(answer->out.ends_with("\n200")) << path << ": " << answer->out;
  }
}

TEST(AdminPort, MetricsPassPromtool) {
  Node node;
  node.start();
  ASSERT_EQ(node.sluice({"topic", "create", "t", "-p", "1"}).code, 0);
  ASSERT_EQ(node.sluice({"produce", "t"}, "one\n").code, 0);
  const auto answer = get(node, "/metrics");
  if (!answer) GTEST_SKIP() << "there is no /usr/bin/curl";
  const std::string metrics = answer->out.substr(0, answer->out.rfind('\n'));
  const auto checked = run(node, {"/usr/bin/promtool", "check", "metrics"}, metrics);
  if (!checked) GTEST_SKIP() << "there is no /usr/bin/promtool";
  EXPECT_EQ(checked->code, 0) << checked->out << checked->err;
}

}  // namespace
}  // namespace sluice::cluster
