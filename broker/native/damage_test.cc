#include <string>

#include "tests/support/native_world.h"

namespace sluice::broker {
namespace {

using ::testing::HasSubstr;

class Damage : public testing::NativeWorld {
 protected:
  io::File& segment() {
    auto file = broker.run(broker.machine().disk().open("/data/orders-0/00000000000000000000.log",
                                                        io::OpenMode::write));
    EXPECT_TRUE(file);
    file_ = std::move(*file);
    return *file_;
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

}  // namespace
}  // namespace sluice::broker
