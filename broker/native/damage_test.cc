#include <string>

#include "tests/support/native_world.h"

namespace sluice::broker {
namespace {

using ::testing::HasSubstr;

class Damage : public testing::NativeWorld {
 protected:
  io::File& segment() {
    return open_file("/data/orders-0/00000000000000000000.log", io::OpenMode::write);
  }
  io::File& open_file(const std::string& path, io::OpenMode mode) {
    auto file = broker.run(broker.machine().disk().open(path, mode));
    EXPECT_TRUE(file);
    file_ = std::move(*file);
    return *file_;
  }
  void write(io::File& file, uint64_t position, const std::string& text) {
    const ByteView part = as_bytes(text);
    EXPECT_TRUE(broker.run(file.write_at(position, std::span(&part, 1), io::Lane::commit)));
  }
  /// Starts the broker anew on a machine that has such a boot id.
  void boot(const std::string& id) {
    ASSERT_TRUE(broker.stop());
    ASSERT_TRUE(broker.run(broker.machine().disk().create_directories("/proc/sys/kernel/random")));
    write(open_file("/proc/sys/kernel/random/boot_id", io::OpenMode::create), 0, id);
    ASSERT_TRUE(broker.start());
  }

 private:
  std::unique_ptr<io::File> file_;
};

TEST_F(Damage, ALogWhoseFileWasCutBehindTheBrokersBackIsNoticedAtAFetch) {
  const Uuid topic = *broker.create("orders");
  for (int i = 0; i < 5; ++i) ASSERT_FALSE(broker.produce(topic, "value").error);
  EXPECT_EQ(broker.status(topic).problem, "");
  broker.damage_expected = true;
  auto& file = segment();
  ASSERT_TRUE(broker.run(file.truncate(*file.size() - 10)));

  auto socket = open();
  EXPECT_FALSE(call(*socket, fetch_request(topic, 0, 0))) << "the answer cannot be finished";
  sim().run_for(1s);
  EXPECT_THAT(broker.status(topic).problem, HasSubstr("00000000000000000000.log"));
  const ProduceResult refused = broker.produce(topic, "more");
  ASSERT_TRUE(refused.error);
  EXPECT_EQ(refused.error->code(), Errc::partition_corrupt);
  EXPECT_THAT(std::string(refused.error->message()), HasSubstr("orders-0 is damaged"));
  EXPECT_THAT(std::string(refused.error->message()), HasSubstr("restore the partition"));
}

TEST_F(Damage, WhatStandsBeforeTheDamageOfTheOnlyReplicaIsServedAlsoWhereEachAppendIsFlushed) {
  boot("the machine runs on");
  const Uuid topic = *broker.create("orders", 1, {{"flush", "every"}});
  for (int i = 0; i < 5; ++i) ASSERT_FALSE(broker.produce(topic, "value").error);
  broker.damage_expected = true;
  broker.die(std::nullopt);
  auto& file = segment();
  const uint64_t batch = *file.size() / 5;
  write(file, 3 * batch, std::string(batch, '\0'));
  ASSERT_TRUE(broker.start());
  const PartitionStatus status = broker.status(topic);
  EXPECT_THAT(status.problem, HasSubstr("at byte " + std::to_string(3 * batch)));
  EXPECT_EQ(status.high_watermark, Offset{3});
}

}  // namespace
}  // namespace sluice::broker
