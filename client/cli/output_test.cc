#include "client/cli/output.h"

#include <gtest/gtest.h>
#include <yaml-cpp/yaml.h>

namespace sluice::cli {
namespace {

Report sample() {
  Report report;
  report.document = {{"name", "orders"}, {"partitions", 12}, {"tags", Json::array()}};
  report.tables = {{.columns = {{"NAME"}, {"PARTITIONS", true}, {"ID", false, true}},
                    .rows = {{"orders", "12", "abc"}, {"études", "3", "d"}}}};
  report.names = {"orders", "études"};
  return report;
}

TEST(Output, AlignsTablesByCharactersAndLeavesWideColumnsOut) {
  EXPECT_EQ(render(sample(), {}),
            "NAME    PARTITIONS\n"
            "orders          12\n"
            "études           3\n");
}

TEST(Output, WideShowsAllColumns) {
  EXPECT_EQ(render(sample(), {.format = OutputFormat::wide}),
            "NAME    PARTITIONS  ID\n"
            "orders          12  abc\n"
            "études           3  d\n");
}

TEST(Output, CutsLinesSoThatTheyNeverWrap) {
  EXPECT_EQ(render(sample(), {.columns = 5}), "NAME\norder\nétude\n");
}

TEST(Output, TitlesAreBoldOnlyWhenAskedFor) {
  EXPECT_EQ(render(sample(), {}).find('\x1b'), std::string::npos);
  EXPECT_TRUE(render(sample(), {.colour = true}).starts_with("\x1b[1mNAME"));
}

TEST(Output, JsonIsOneDocumentInOrder) {
  const auto text = render(sample(), {.format = OutputFormat::json});
  EXPECT_EQ(Json::parse(text), sample().document);
  EXPECT_LT(text.find("name"), text.find("partitions"));
}

TEST(Output, YamlSaysTheSameAndKeepsTextsTexts) {
  auto report = sample();
  report.document["name"] = "no";
  const auto yaml = YAML::Load(render(report, {.format = OutputFormat::yaml}));
  EXPECT_EQ(yaml["name"].Tag(), "!");
  EXPECT_EQ(yaml["name"].as<std::string>(), "no");
  EXPECT_EQ(yaml["partitions"].as<int>(), 12);
  EXPECT_EQ(yaml["tags"].size(), 0u);
}

TEST(Output, NamesAreOneALine) {
  EXPECT_EQ(render(sample(), {.format = OutputFormat::name}), "orders\nétudes\n");
}

TEST(Output, UnknownFormatsAreRefusedWithTheKnownOnes) {
  const auto format = parse_output_format("xml");
  ASSERT_FALSE(format);
  EXPECT_NE(format.error().message().find("yaml"), std::string_view::npos);
}

}  // namespace
}  // namespace sluice::cli
