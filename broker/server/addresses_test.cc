#include "broker/server/addresses.h"

#include <gtest/gtest.h>

#include "base/bytes.h"

namespace sluice::broker {
namespace {

TEST(Addresses, TellsWhoHoldsMostByBytesAndThenByConnections) {
  Addresses addresses(10);
  Admission admission({.total = 1_MiB, .control_reserve = 256_KiB, .per_address = 512_KiB});
  const auto idle = addresses.connect("10.0.0.1");
  const auto busy = addresses.connect("10.0.0.2");
  const auto many = addresses.connect("10.0.0.3");
  ASSERT_EQ(addresses.connect("10.0.0.3"), many);
  const auto client = admission.try_admit(TrafficClass::client, busy, 5000);
  const auto control = admission.try_admit(TrafficClass::control, busy, 300);
  ASSERT_TRUE(client && control);
  const auto all = addresses.largest(10);
  ASSERT_EQ(all.size(), 3u);
  EXPECT_EQ(all[0].host, "10.0.0.2");
  EXPECT_EQ(all[0].bytes, 5300u);
  EXPECT_EQ(all[1].host, "10.0.0.3");
  EXPECT_EQ(all[1].connections, 2u);
  EXPECT_EQ(all[2].host, "10.0.0.1");
  ASSERT_EQ(addresses.largest(1).size(), 1u);
  EXPECT_EQ(addresses.largest(1)[0].host, "10.0.0.2");
}

TEST(Addresses, ForgetsWhoLeft) {
  Addresses addresses(10);
  const auto account = addresses.connect("10.0.0.1");
  addresses.disconnect(*account);
  EXPECT_TRUE(addresses.largest(10).empty());
}

}  // namespace
}  // namespace sluice::broker
