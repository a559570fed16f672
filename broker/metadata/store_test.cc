#include "broker/metadata/store.h"

#include <string>

#include <gtest/gtest.h>

namespace sluice::broker {
namespace {

Result<> check(const std::string& command) {
  SeededRandom random(1);
  MetadataStore store(random);
  return store.subscriber().check(as_bytes(command));
}

TEST(MetadataStore, ACommandThatDoesNotDecodeIsNotProposed) {
  EXPECT_EQ(check("\xff").error(), Errc::invalid_request);
}

TEST(MetadataStore, ACommandOfANewerVersionIsNotProposed) {
  cluster::MetadataCommand command;
  command.add_records()->mutable_cluster_created()->set_cluster_id("C");
  EXPECT_TRUE(check(command.SerializeAsString()));
  // And a record of a kind that nobody knows yet.
  const std::string newer = command.SerializeAsString() + "\x12\x04\xfa\x3e\x01x";
  EXPECT_EQ(check(newer).error(), Errc::unsupported);
}

}  // namespace
}  // namespace sluice::broker
