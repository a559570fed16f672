#include "client/cluster.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/client_world.h"

namespace sluice::client {
namespace {

using testing::HasSubstr;

class ClusterTest : public ClientWorld {};

TEST_F(ClusterTest, ABrokerThatIsTooLateToConnectIsNotReached) {
  options.connect_timeout = Milliseconds(500);
  sim.network().cut("app", "broker");
  const auto connection = sim.run_on(loop(), cluster().any());
  sim.network().heal_all();
  ASSERT_FALSE(connection);
  EXPECT_EQ(connection.error(), Errc::connection_failed);
  EXPECT_THAT(connection.error().message(), HasSubstr("broker:9092"));
}

TEST_F(ClusterTest, ABrokerThatSaysNothingIsNotReached) {
  options.connect_timeout = Milliseconds(500);
  broker.mute = true;
  const auto connection = sim.run_on(loop(), cluster().any());
  ASSERT_FALSE(connection);
  EXPECT_EQ(connection.error(), Errc::connection_failed);
}

}  // namespace
}  // namespace sluice::client
