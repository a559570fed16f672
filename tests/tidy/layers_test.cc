#include "tests/tidy/layers.h"

#include <gtest/gtest.h>

namespace sluice::tidy {
namespace {

size_t violations(const char* path, const char* included) {
  const std::string text = "#include \"" + std::string(included) + "\"\n";
  return check_layers({parse_source(path, text)}).size();
}

TEST(Layers, ImportsPointDown) {
  EXPECT_EQ(violations("io/x.cc", "base/result.h"), 0u);
  EXPECT_EQ(violations("base/x.cc", "io/disk.h"), 1u);
  EXPECT_EQ(violations("storage/x.cc", "proto/record/batch.h"), 0u);
  EXPECT_EQ(violations("storage/x.cc", "proto/native/framing.h"), 1u);
  EXPECT_EQ(violations("proto/record/x.cc", "proto/native/framing.h"), 1u);
}

TEST(Layers, ClientAndBrokerKnowNothingOfEachOther) {
  EXPECT_EQ(violations("client/x.cc", "broker/node.h"), 1u);
  EXPECT_EQ(violations("broker/x.cc", "client/cluster.h"), 1u);
  EXPECT_EQ(violations("client/x.cc", "storage/log.h"), 1u);
  EXPECT_EQ(violations("broker/native/x.cc", "sluice/client.h"), 1u);
}

TEST(Layers, TheBrokersPartsStandOneAboveTheOther) {
  EXPECT_EQ(violations("broker/service/x.cc", "broker/replication/partition.h"), 0u);
  EXPECT_EQ(violations("broker/replication/x.cc", "broker/service/produce.h"), 1u);
  EXPECT_EQ(violations("broker/server/x.cc", "broker/security/principal.h"), 1u);
  EXPECT_EQ(violations("broker/service/x.cc", "broker/node.h"), 1u);
  EXPECT_EQ(violations("broker/node.cc", "broker/admin/pages.h"), 0u);
}

TEST(Layers, TheCommandLineReadsStorageInOneFileOnly) {
  EXPECT_EQ(violations("client/cli/log_dump.cc", "storage/inspect.h"), 0u);
  EXPECT_EQ(violations("client/cli/consume.cc", "storage/inspect.h"), 1u);
}

TEST(Layers, TestsMayUseTheSimulationAndSourcesMayNot) {
  EXPECT_EQ(violations("storage/log_test.cc", "tests/sim/simulator.h"), 0u);
  EXPECT_EQ(violations("storage/log.cc", "tests/sim/simulator.h"), 1u);
  EXPECT_EQ(violations("tests/sim/disk.cc", "storage/log.h"), 1u);
}

TEST(Layers, AFolderWithoutARowIsAViolation) {
  const auto found = check_layers({parse_source("proto/new/x.cc", "")});
  ASSERT_EQ(found.size(), 1u);
  EXPECT_NE(found[0].find("no layer"), std::string::npos);
}

TEST(Layers, ViolationsNameFileAndLine) {
  const auto found = check_layers({parse_source("base/x.cc", "\n#include \"io/disk.h\"\n")});
  ASSERT_EQ(found.size(), 1u);
  EXPECT_TRUE(found[0].starts_with("base/x.cc:2: base may not import io/disk.h"));
}

}  // namespace
}  // namespace sluice::tidy
