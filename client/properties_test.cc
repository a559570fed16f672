#include "client/properties.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sluice::client {
namespace {

using testing::HasSubstr;

TEST(Properties, SetOptionsByTheirKafkaNames) {
  ProducerOptions options;
  ASSERT_TRUE(set_property(options, "linger.ms", "5"));
  ASSERT_TRUE(set_property(options, "acks", "1"));
  ASSERT_TRUE(set_property(options, "compression.type", "zstd"));
  ASSERT_TRUE(set_property(options, "batch.size", "64KiB"));
  EXPECT_EQ(options.linger, Milliseconds(5));
  EXPECT_EQ(options.acks, Acks::leader);
  EXPECT_EQ(options.compression, Compression::zstd);
  EXPECT_EQ(options.batch_size, 64_KiB);
}

TEST(Properties, NameTheNearestKnownPropertyForAnUnknownOne) {
  ConsumerOptions options;
  const auto set = set_property(options, "fetch.min.byte", "1");
  ASSERT_FALSE(set);
  EXPECT_EQ(set.error(), Errc::not_found);
  EXPECT_THAT(std::string(set.error().message()), HasSubstr("fetch.min.bytes"));
}

TEST(Properties, RefuseAValueWithWhatIsAllowedAndKeepTheOldOne) {
  ProducerOptions options;
  const auto set = set_property(options, "compression.type", "brotli");
  ASSERT_FALSE(set);
  EXPECT_EQ(set.error(), Errc::invalid_argument);
  EXPECT_THAT(std::string(set.error().message()), HasSubstr("brotli"));
  EXPECT_THAT(std::string(set.error().message()), HasSubstr("zstd"));
  EXPECT_EQ(options.compression, Compression::none);
}

TEST(Properties, KeepWhatWasSetBefore) {
  ClientOptions options;
  ASSERT_TRUE(set_property(options, "client.id", "me"));
  ASSERT_TRUE(set_property(options, "request.timeout.ms", "1s"));
  EXPECT_EQ(options.client_id, "me");
  EXPECT_EQ(options.request_timeout, Milliseconds(1000));
}

}  // namespace
}  // namespace sluice::client
