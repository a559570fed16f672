#include "client/cli/shell.h"

#include <gtest/gtest.h>

#include "client/cli/exit_code.h"

namespace sluice::cli {
namespace {

TEST(Pairs, SplitAtTheFirstEqualsSign) {
  const auto pairs = parse_pairs({"a=1", "b=x=y", "c="}, "-c").value();
  EXPECT_EQ(pairs.at("a"), "1");
  EXPECT_EQ(pairs.at("b"), "x=y");
  EXPECT_EQ(pairs.at("c"), "");
}

TEST(Pairs, RefuseWhatIsNoPairAndNameTheFlag) {
  for (const auto* text : {"", "a", "=1"}) {
    const auto pairs = parse_pairs({text}, "-c");
    ASSERT_FALSE(pairs) << text;
    EXPECT_EQ(pairs.error().code(), Errc::invalid_argument);
    EXPECT_TRUE(pairs.error().message().starts_with("-c ")) << pairs.error().message();
  }
}

TEST(Pairs, RefuseTheSameKeyTwice) { EXPECT_FALSE(parse_pairs({"a=1", "a=2"}, "-c")); }

TEST(Shell, PropertiesReachTheOptionsTheyBelongTo) {
  Shell shell;
  shell.flags().properties = {"linger.ms=7", "fetch.min.bytes=99", "request.timeout.ms=5"};
  EXPECT_EQ(shell.producer_options()->linger, client::Milliseconds(7));
  EXPECT_EQ(shell.consumer_options()->fetch_min_bytes, 99u);
}

TEST(Shell, RefusesPropertiesOfNothing) {
  Shell shell;
  shell.flags().properties = {"lingr.ms=7"};
  const auto options = shell.producer_options();
  ASSERT_FALSE(options);
  EXPECT_EQ(exit_code_of(options.error().code()), ExitCode::usage);
  EXPECT_NE(options.error().message().find("lingr.ms"), std::string_view::npos);
}

TEST(Shell, RefusesABadOutputFormatBeforeItDoesAnything) {
  Shell shell;
  bool ran = false;
  shell.choose("topic list", [&]() -> Result<> {
    ran = true;
    return {};
  });
  shell.flags().output = "xml";
  EXPECT_FALSE(shell.run());
  EXPECT_FALSE(ran);
}

}  // namespace
}  // namespace sluice::cli
