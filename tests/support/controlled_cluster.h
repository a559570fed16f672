#pragma once

#include <memory>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "broker/metadata/controller.h"
#include "tests/support/cluster_images.h"

namespace sluice::testing {

/// A controller, the image that it decides on and the time: no log, no brokers.
class ControlledCluster : public FoldedCluster {
 public:
  explicit ControlledCluster(int32_t brokers) {
    start_brokers(brokers);
    restart_controller();
  }

  void restart_controller() {
    core.emplace(
        broker::ControllerOptions{
            .self = NodeId{1}, .command_bytes = command_bytes, .warm_up_max = warm_up_max},
        defaults, image, now);
  }
  /// What it says of its registration.
  Result<broker::HeartbeatReply> beat(int32_t id, bool wants_to_stop = false,
                                      std::vector<broker::PartitionName> warmed_up = {}) {
    return core->heartbeat(
        image, {NodeId{id}, epoch_of(id), image.version, wants_to_stop, std::move(warmed_up)}, now);
  }
  /// Commits what is decided until nothing is; the number of commands.
  int tick() {
    for (int commands = 0;; ++commands) {
      auto records = core->tick(std::make_shared<const broker::MetadataImage>(image), now);
      if (records.empty()) return commands;
      const auto folded = fold_in(std::move(records));
      EXPECT_TRUE(folded) << folded.error().message();
      EXPECT_LT(commands, 100);
      if (!folded || commands == 100) return commands;
    }
  }
  /// Time goes on while these say that they are there.
  int run(Duration duration, const std::set<int32_t>& alive) {
    int commands = 0;
    for (const TimePoint end = now + duration; now < end;) {
      now += std::chrono::milliseconds(100);
      for (const int32_t id : alive) static_cast<void>(beat(id));
      commands += tick();
    }
    return commands;
  }
  bool fenced(int32_t id) const { return image.broker(NodeId{id})->fenced; }

  size_t command_bytes = 512 * 1024;
  Duration warm_up_max{0};
  broker::TopicOptions defaults;
  TimePoint now{std::chrono::hours(1)};
  std::optional<broker::Controller> core;
};

}  // namespace sluice::testing
