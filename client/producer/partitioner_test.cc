#include "client/producer/partitioner.h"

#include <gtest/gtest.h>

namespace sluice::client {
namespace {

// The values that Kafka's own UtilsTest expects of murmur2.
TEST(Partitioner, HashesAsKafkasJavaClientDoes) {
  EXPECT_EQ(murmur2(as_bytes("21")), -973932308);
  EXPECT_EQ(murmur2(as_bytes("foobar")), -790332482);
  EXPECT_EQ(murmur2(as_bytes("a-little-bit-long-string")), -985981536);
  EXPECT_EQ(murmur2(as_bytes("a-little-bit-longer-string")), -1486304829);
  EXPECT_EQ(murmur2(as_bytes("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8")), -58897971);
  EXPECT_EQ(murmur2(as_bytes("abc")), 479470107);
}

TEST(Partitioner, NamesAPartitionThatExistsForEveryKey) {
  for (int i = 0; i < 1000; ++i) {
    const int32_t partition = partition_of_key(as_bytes(std::to_string(i)), 7);
    EXPECT_GE(partition, 0);
    EXPECT_LT(partition, 7);
  }
}

}  // namespace
}  // namespace sluice::client
