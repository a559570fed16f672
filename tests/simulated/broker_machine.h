#pragma once

#include <memory>
#include <optional>
#include <string>

#include "base/log.h"
#include "broker/node.h"
#include "tests/sim/simulator.h"
#include "tests/simulated/history.h"

namespace sluice::sim {

/// A machine with a broker on it, through deaths and restarts. Its disk outlives it.
class BrokerMachine {
 public:
  static constexpr const char* kAddress = "broker:9092";
  static constexpr const char* kDirectory = "/data";

  /// Both outlive it.
  BrokerMachine(Simulator& simulator, History& history);
  /// Off.
  ~BrokerMachine();
  BrokerMachine(const BrokerMachine&) = delete;
  BrokerMachine& operator=(const BrokerMachine&) = delete;

  /// Starts the broker on what the disk holds; after an error the machine is off again. Only while
  /// it is off. The process dies after `life`, which is `cancelled` when it did not start before,
  /// else as if it had given up.
  Result<> boot(std::optional<Duration> life = std::nullopt);
  /// Ends the broker as an operator would.
  Result<> shut_down();
  /// The process dies now, the disk keeps everything.
  void kill();
  /// The machine, on or off, loses power: what was not synced is kept or lost as `mode` says.
  void cut_power(CrashMode mode);

  bool on() const { return broker_ != nullptr; }
  /// The broker said that it cannot go on, or its life was over, and it is dead since: kill() or
  /// cut_power() clean up.
  bool given_up() const { return given_up_; }
  /// The running one.
  SimNode& node() { return *node_; }
  /// What the disk holds while the machine is off.
  const DiskImage& disk() const { return disk_; }
  void set_wall_skew(Duration skew) { wall_skew_ = skew; }

 private:
  class Sink;

  void put_boot_id();
  void die(SimNode& node);
  void bury();

  Simulator& simulator_;
  History& history_;
  std::unique_ptr<Sink> sink_;
  DiskImage disk_;
  Duration wall_skew_{};
  uint32_t boots_ = 0;
  uint32_t power_cuts_ = 0;
  SimNode* node_ = nullptr;
  std::unique_ptr<broker::Node> broker_;
  bool given_up_ = false;
};

}  // namespace sluice::sim
