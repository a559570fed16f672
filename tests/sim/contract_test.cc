// The simulated disk and network keep the promises that the real ones keep.

#include <memory>
#include <string>
#include <utility>

#include <gtest/gtest.h>

#include "tests/sim/simulator.h"
#include "tests/support/disk_contract.h"
#include "tests/support/network_contract.h"

namespace sluice::io {
namespace {

class SimWorld final : public World {
 public:
  explicit SimWorld(Duration disk_latency) {
    node_.disk().set_latency(Duration::zero(), disk_latency);
    simulator_.run(make_directory());
  }
  Runtime& runtime() override { return node_.runtime(); }
  std::string directory() override { return "/data"; }
  void run(Task<void> task) override {
    simulator_.run_on(node_.runtime().executor.worker(0), std::move(task));
  }

 private:
  Task<void> make_directory() {
    const auto made = co_await node_.disk().create_directories("/data");
    EXPECT_TRUE(made.has_value());
  }

  sim::Simulator simulator_{1};
  sim::SimNode& node_ = simulator_.add_node("node");
};

INSTANTIATE_TEST_SUITE_P(
    Simulated, DiskContract,
    testing::Values(
        WorldMaker{"AtOnce", [] { return std::make_unique<SimWorld>(Duration::zero()); }},
        WorldMaker{"Slow",
                   [] { return std::make_unique<SimWorld>(std::chrono::milliseconds(5)); }}),
    name_of_world);

INSTANTIATE_TEST_SUITE_P(Simulated, NetworkContract,
                         testing::Values(WorldMaker{
                             "Network",
                             [] { return std::make_unique<SimWorld>(Duration::zero()); }}),
                         name_of_world);

}  // namespace
}  // namespace sluice::io
