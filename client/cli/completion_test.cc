#include "client/cli/completion.h"

#include <gtest/gtest.h>

#include "client/cli/application.h"

namespace sluice::cli {
namespace {

using Words = std::vector<std::string>;
using Names = Completion::Names;

class CompletionTest : public ::testing::Test {
 protected:
  Completion completed(const Words& words) const { return complete(*app_, words); }

  Shell shell_;
  const std::unique_ptr<CLI::App> app_ = make_application(shell_);
};

TEST_F(CompletionTest, OffersCommandsButNotTheHiddenOne) {
  const auto words = completed({""}).words;
  EXPECT_NE(std::ranges::find(words, "produce"), words.end());
  EXPECT_EQ(std::ranges::find(words, "__complete"), words.end());
}

TEST_F(CompletionTest, OffersVerbsOfANounByPrefix) {
  EXPECT_EQ(completed({"topic", "de"}).words, (Words{"describe", "delete"}));
}

TEST_F(CompletionTest, OffersFlagsOfTheCommandAndGlobalOnes) {
  EXPECT_EQ(completed({"consume", "words", "--unt"}).words, Words{"--until"});
  EXPECT_EQ(completed({"topic", "list", "--out"}).words, Words{"--output"});
}

TEST_F(CompletionTest, OffersTheFlagsOfMemoryTop) {
  EXPECT_EQ(completed({"mem"}).words, Words{"memory"});
  EXPECT_EQ(completed({"memory", ""}).words, Words{"top"});
  EXPECT_EQ(completed({"memory", "top", "--ad"}).words, Words{"--admin"});
  EXPECT_TRUE(completed({"memory", "top", "--admin", ""}).words.empty());
}

TEST_F(CompletionTest, AsksTheClusterForTopicsWhereOneIsNamed) {
  EXPECT_EQ(completed({"topic", "describe", ""}).names, Names::topics);
  EXPECT_EQ(completed({"consume", "w"}).names, Names::topics);
  EXPECT_EQ(completed({"bench", "produce", ""}).names, Names::topics);
  EXPECT_EQ(completed({"topic", "create", ""}).names, Names::none);
  EXPECT_EQ(completed({"consume", "words", ""}).names, Names::none);
}

TEST_F(CompletionTest, AsksTheClusterThatWasNamed) {
  const auto completion = completed({"-b", "a:9092", "consume", "--context", "prod", ""});
  EXPECT_EQ(completion.names, Names::topics);
  EXPECT_EQ(completion.brokers, Words{"a:9092"});
  EXPECT_EQ(completion.context, "prod");
}

TEST_F(CompletionTest, OffersValuesOfFlags) {
  EXPECT_EQ(completed({"topic", "list", "-o", "j"}).words, Words{"json"});
  EXPECT_EQ(completed({"produce", "words", "--acks", ""}).words, (Words{"0", "1", "all"}));
  EXPECT_EQ(completed({"topic", "list", "--context", ""}).names, Names::contexts);
}

TEST_F(CompletionTest, OffersTheDoctorsFlagsAndLeavesFilesToTheShell) {
  EXPECT_EQ(completed({"doc"}).words, Words{"doctor"});
  EXPECT_EQ(completed({"doctor", "--in"}).words, Words{"--ingest"});
  EXPECT_EQ(completed({"doctor", "--plan", "--re"}).words, (Words{"--retention", "--replication"}));
  EXPECT_TRUE(completed({"doctor", "--config", ""}).words.empty());
}

TEST_F(CompletionTest, AFlagsValueIsNoPositional) {
  EXPECT_EQ(completed({"consume", "-n", "5", ""}).names, Names::topics);
}

}  // namespace
}  // namespace sluice::cli
