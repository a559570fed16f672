#include "broker/server/admission.h"

#include <gtest/gtest.h>

#include "tests/sim/simulator.h"

namespace sluice::broker {
namespace {

class AdmissionTest : public testing::Test {
 protected:
  struct Waiting {
    Admission::Waiter waiter;
    std::optional<Result<Grant>> grant;
  };

  std::shared_ptr<AddressAccount> account(std::string host) {
    auto made = std::make_shared<AddressAccount>();
    made->host = std::move(host);
    return made;
  }
  void wait(Waiting& waiting, TrafficClass traffic, std::shared_ptr<AddressAccount> from,
            size_t bytes) {
    waiting.waiter.traffic = traffic;
    waiting.waiter.account = std::move(from);
    waiting.waiter.bytes = bytes;
    sim.start_on(node.executor().worker(0), admit(waiting));
    sim.settle();
  }
  io::Task<void> admit(Waiting& waiting) {
    waiting.grant = co_await admission.admit(waiting.waiter);
  }

  sim::Simulator sim{1};
  sim::SimNode& node = sim.add_node("node");
  Admission admission{{.total = 1000, .control_reserve = 200, .per_address = 500}};
  std::shared_ptr<AddressAccount> a = account("a"), b = account("b"), c = account("c");
};

TEST_F(AdmissionTest, GivesAllOfAFrameOrNothing) {
  auto first = admission.try_admit(TrafficClass::client, a, 450);
  ASSERT_TRUE(first);
  EXPECT_FALSE(admission.try_admit(TrafficClass::client, b, 400));
  EXPECT_EQ(admission.bytes(), 450U);
  EXPECT_TRUE(admission.try_admit(TrafficClass::client, b, 350));
  EXPECT_EQ(admission.bytes(), 450U);
  first.reset();
  EXPECT_EQ(admission.bytes(), 0U);
}

TEST_F(AdmissionTest, KeepsAReserveForTheControlClass) {
  auto first = admission.try_admit(TrafficClass::client, a, 400);
  auto second = admission.try_admit(TrafficClass::client, b, 400);
  EXPECT_FALSE(admission.try_admit(TrafficClass::client, c, 1));
  EXPECT_TRUE(admission.try_admit(TrafficClass::control, c, 200));
  EXPECT_FALSE(admission.try_admit(TrafficClass::control, c, 201));
}

TEST_F(AdmissionTest, ServesWaitersInOrderSoThatSmallFramesDoNotStarveALargeOne) {
  auto held = admission.try_admit(TrafficClass::client, a, 400);
  Waiting large, small;
  wait(large, TrafficClass::client, b, 500);
  wait(small, TrafficClass::client, c, 10);
  EXPECT_FALSE(small.grant) << "it came later";
  EXPECT_FALSE(admission.try_admit(TrafficClass::client, c, 10)) << "others wait already";
  held.reset();
  sim.settle();
  EXPECT_TRUE(large.grant && large.grant->has_value());
  EXPECT_TRUE(small.grant && small.grant->has_value());
}

TEST_F(AdmissionTest, HoldsOneAddressToItsShareAndNobodyElse) {
  auto held = admission.try_admit(TrafficClass::client, a, 300);
  Waiting greedy, other;
  wait(greedy, TrafficClass::client, a, 300);
  wait(other, TrafficClass::client, b, 300);
  EXPECT_FALSE(greedy.grant);
  EXPECT_TRUE(other.grant && other.grant->has_value());
  held.reset();
  sim.settle();
  EXPECT_TRUE(greedy.grant && greedy.grant->has_value());
}

TEST_F(AdmissionTest, HoldsOneAddressToItsShareAlsoInTheControlClass) {
  auto held = admission.try_admit(TrafficClass::control, a, 300);
  auto beside = admission.try_admit(TrafficClass::client, a, 300);
  EXPECT_TRUE(beside) << "the classes of one address do not count together";
  EXPECT_FALSE(admission.try_admit(TrafficClass::control, a, 201));
  EXPECT_TRUE(admission.try_admit(TrafficClass::control, b, 400));
  EXPECT_TRUE(admission.try_admit(TrafficClass::control, a, 200));
}

TEST_F(AdmissionTest, LetsAnAddressHaveOneFrameAboveItsShare) {
  auto large = admission.try_admit(TrafficClass::client, a, 800);
  EXPECT_TRUE(large);
  EXPECT_EQ(admission.largest(TrafficClass::client), 800U);
}

TEST_F(AdmissionTest, CancelsOneWhoWaitsAndServesThoseBehind) {
  auto held = admission.try_admit(TrafficClass::client, a, 400);
  Waiting large, small;
  wait(large, TrafficClass::client, b, 500);
  wait(small, TrafficClass::client, c, 10);
  sim.run_on(node.executor().worker(0), [](Admission& it, Waiting& who) -> io::Task<void> {
    it.cancel(who.waiter);
    co_return;
  }(admission, large));
  sim.settle();
  ASSERT_TRUE(large.grant && !large.grant->has_value());
  EXPECT_EQ(large.grant->error().code(), Errc::cancelled);
  EXPECT_TRUE(small.grant && small.grant->has_value());
}

TEST_F(AdmissionTest, CountsEveryByteBack) {
  SeededRandom random(3);
  std::vector<Grant> grants;
  for (int i = 0; i < 10'000; ++i) {
    if (random.one_in(2) && !grants.empty()) {
      grants.erase(grants.begin() + static_cast<ptrdiff_t>(random.below(grants.size())));
    }
    auto grant =
        admission.try_admit(random.one_in(3) ? TrafficClass::control : TrafficClass::client,
                            random.one_in(2) ? a : b, 1 + random.below(300));
    if (grant) grants.push_back(std::move(*grant));
    ASSERT_LE(admission.bytes(), 1000U);
  }
  grants.clear();
  EXPECT_EQ(admission.bytes(), 0U);
  for (const auto& who : {a, b}) EXPECT_EQ(who->bytes[0] + who->bytes[1], 0U);
}

}  // namespace
}  // namespace sluice::broker
