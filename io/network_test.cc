#include "io/network.h"

#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sluice::io {
namespace {

TEST(Endpoint, ParsesAndPrintsHostsAndAddresses) {
  for (const std::string text : {"localhost:9092", "127.0.0.1:0", "broker-1.example.org:65535",
                                 "[::1]:9092", "[fe80::1%eth0]:1", "0.0.0.0:80", "[::]:80"}) {
    const auto endpoint = Endpoint::parse(text);
    ASSERT_TRUE(endpoint.has_value()) << text;
    EXPECT_EQ(endpoint->to_string(), text);
  }
  EXPECT_EQ(Endpoint::parse("[::1]:9092")->host, "::1");
}

TEST(Endpoint, RefusesWhatItCannotReadAndSaysHowToWriteIt) {
  for (const std::string text :
       {"", "host", ":9092", "host:", "host:65536", "host:-1", "host:9x", "host: 1", "::1:9092",
        "[::1]", "[::1:9092", "[host]:1", "[]:1", "a:b:1"}) {
    const auto endpoint = Endpoint::parse(text);
    ASSERT_FALSE(endpoint.has_value()) << text;
    EXPECT_EQ(endpoint.error().code(), Errc::invalid_argument);
    EXPECT_THAT(std::string(endpoint.error().message()), testing::HasSubstr("'" + text + "'"));
    EXPECT_THAT(std::string(endpoint.error().message()), testing::HasSubstr("host:port"));
  }
}

}  // namespace
}  // namespace sluice::io
