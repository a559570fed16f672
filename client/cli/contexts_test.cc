#include "client/cli/contexts.h"

#include <gtest/gtest.h>

namespace sluice::cli {
namespace {

TEST(Contexts, SurviveBeingWrittenAndReadAgain) {
  Contexts contexts;
  contexts.current = "staging.eu";
  contexts.by_name["staging.eu"] = {{"a:9092", "b:9092"}, {{"linger.ms", "5"}}};
  contexts.by_name["local"] = {{"127.0.0.1:9092"}, {}};
  EXPECT_EQ(parse_contexts(render_contexts(contexts), "client.toml").value(), contexts);
}

TEST(Contexts, AnEmptyFileHasNone) {
  EXPECT_EQ(parse_contexts("", "client.toml").value(), Contexts{});
}

TEST(Contexts, ErrorsNameFileLineAndKey) {
  const auto contexts = parse_contexts("current = \"a\"\n[contexts.a]\nbroker = []\n", "c.toml");
  ASSERT_FALSE(contexts);
  EXPECT_EQ(contexts.error().code(), Errc::invalid_argument);
  EXPECT_TRUE(contexts.error().message().starts_with("c.toml:3: 'broker' is unknown"));
}

TEST(Contexts, RefusesValuesOfTheWrongKind) {
  for (const auto* text :
       {"current = 1", "contexts = []", "x = 1", "[contexts]\na = 1", "[contexts.a]\nbrokers = 1",
        "[contexts.a]\nbrokers = [1]", "[contexts.a]\nproperties = []",
        "[contexts.a.properties]\n\"linger.ms\" = 5", "current = "}) {
    const auto contexts = parse_contexts(text, "c.toml");
    ASSERT_FALSE(contexts) << text;
    EXPECT_TRUE(contexts.error().message().starts_with("c.toml:")) << contexts.error().message();
  }
}

TEST(Contexts, AnUnknownNameIsNotFoundAndSaysTheKnownOnes) {
  Contexts contexts;
  contexts.by_name["local"] = {};
  const auto found = find_context(contexts, "prod");
  ASSERT_FALSE(found);
  EXPECT_EQ(found.error().code(), Errc::not_found);
  EXPECT_NE(found.error().message().find("local"), std::string_view::npos);
}

}  // namespace
}  // namespace sluice::cli
