#include "broker/server/cold_reads.h"

#include <gtest/gtest.h>

#include "base/bytes.h"
#include "tests/sim/simulator.h"

namespace sluice::broker {
namespace {

TEST(ColdReads, LetsADirectoryHaveItsBytesASecondAndOthersTheirs) {
  sim::SimOptions options;
  options.scheduler.cpu_delay_max = Duration{0};
  sim::Simulator sim(1, options);
  io::Loop& loop = sim.add_node("node").executor().worker(0);
  ColdReads reads(100_MiB);
  const auto read = [&](std::string path, int pieces) {
    const auto before = sim.now();
    sim.run_on(loop, [](ColdReads& it, std::string from, int count) -> io::Task<void> {
      for (int i = 0; i < count; ++i) co_await io::sleep_until(it.take_turn(from, 1_MiB));
    }(reads, std::move(path), pieces));
    return sim.now() - before;
  };
  EXPECT_LT(read("/a/topic-0/0.log", 10), 1ms) << "a tenth of a second is there at once";
  const auto took = read("/a/topic-1/0.log", 100);
  EXPECT_GT(took, 900ms);
  EXPECT_LT(took, 1100ms);
  EXPECT_LT(read("/b/topic-0/0.log", 10), 1ms);
}

}  // namespace
}  // namespace sluice::broker
