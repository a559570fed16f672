#include <algorithm>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <signal.h>

#include "tests/cluster/node.h"

namespace sluice::cluster {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

TEST(Watch, PrintsOneObjectALineUntilItIsInterrupted) {
  Node node;
  node.start();
  ASSERT_EQ(node.sluice({"topic", "create", "t"}).code, 0);
  for (const std::vector<std::string>& what : {std::vector<std::string>{"topic", "list"},
                                               {"topic", "describe", "t"},
                                               {"cluster", "status"},
                                               {"partition", "moves"}}) {
    const auto out = node.folder() / (what[1] + ".out");
    std::vector<std::string> arguments{SLUICE_PATH, "-b", node.broker().address()};
    arguments.insert(arguments.end(), what.begin(), what.end());
    arguments.insert(arguments.end(), {"--watch=0.05", "-o", "json"});
    Process process(
        {.arguments = arguments, .environment = {}, .input = {}, .output = out, .error = {}});
    const auto until = steady_clock::now() + milliseconds(10'000);
    while (std::ranges::count(read_file(out), '\n') < 3 && steady_clock::now() < until) {
    }
    process.send(SIGINT);
    const auto ending = process.wait(milliseconds(5'000));
    EXPECT_EQ(ending ? ending->code : -1, 130) << what[1];
    const std::string text = read_file(out);
    EXPECT_GE(std::ranges::count(text, '\n'), 3) << what[1];
    EXPECT_TRUE(nlohmann::json::accept(text.substr(0, text.find('\n')))) << text;
  }
}

}  // namespace
}  // namespace sluice::cluster
