#pragma once

#include <functional>
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
  static constexpr const char* kDirectory = "/data";

  /// Simulator and history outlive it. `adjust`, if any, has the last word on the options.
  BrokerMachine(Simulator& simulator, History& history, std::string name = "broker",
                std::function<void(broker::BrokerOptions&)> adjust = {});
  /// Off.
  ~BrokerMachine();
  BrokerMachine(const BrokerMachine&) = delete;
  BrokerMachine& operator=(const BrokerMachine&) = delete;

  const std::string& name() const { return name_; }
  std::string address() const { return name_ + ":9092"; }

  /// Starts the broker on what the disk holds, and does not wait for it. Only while it is off. The
  /// process dies after `life`, as if it had given up.
  void launch(std::optional<Duration> life = std::nullopt);
  /// launch(), and waits: after an error the machine is off again. The error is `cancelled` when
  /// the process died of its `life` before it had started.
  Result<> boot(std::optional<Duration> life = std::nullopt);
  /// Launched, and start() is done; why it failed, if it did.
  bool started() const { return started_.has_value(); }
  bool ready() const { return on() && started_ && *started_ && !given_up_; }
  /// Ready, and neither dead nor about to be buried.
  bool alive() const { return ready() && node_->alive(); }
  std::optional<Error> start_error() const;
  /// Ends the broker as an operator would. Once it started.
  Result<> shut_down();
  /// Has another broker lead the metadata soon, where this one does.
  void hand_over_metadata();
  /// The process dies now, the disk keeps everything.
  void kill();
  /// While it is off: flips a bit or zeroes a piece of a file somewhere below its directory.
  void rot();
  /// Something went bad since its logs were last read as a whole.
  bool may_have_rot() const;
  /// How often that happened.
  uint64_t scrubs() const;
  /// Right after the broker refused to start on that: the disk is as it was before.
  void undo_rot();
  /// The machine, on or off, loses power: what was not synced is kept or lost as `mode` says.
  void cut_power(CrashMode mode);

  bool on() const { return broker_ != nullptr; }
  /// The broker said that it cannot go on, or its life was over, and it is dead since: kill() or
  /// cut_power() clean up.
  bool given_up() const { return given_up_; }
  /// What the running broker knows of the cluster.
  std::shared_ptr<const broker::MetadataImage> image() { return broker_->metadata().image(); }
  /// What the running broker has; for who looks and does not touch.
  const broker::PartitionTable& partitions() const { return broker_->partitions(); }
  /// The running one.
  SimNode& node() { return *node_; }
  /// What the disk holds while the machine is off.
  const DiskImage& disk() const { return disk_; }
  void set_wall_skew(Duration skew) { wall_skew_ = skew; }
  /// How fast its clocks go from the next launch on.
  void set_drift(int64_t ppm) { drift_ppm_ = ppm; }

 private:
  class Sink;

  void put_boot_id();
  void die(SimNode& node);
  void bury();

  Simulator& simulator_;
  History& history_;
  const std::string name_;
  const std::function<void(broker::BrokerOptions&)> adjust_;
  std::unique_ptr<Sink> sink_;
  DiskImage disk_;
  /// Before it went bad.
  DiskImage sound_disk_;
  /// After how many scrubs.
  std::optional<uint64_t> rotted_at_;
  Duration wall_skew_{};
  int64_t drift_ppm_ = 0;
  uint32_t boots_ = 0;
  uint32_t power_cuts_ = 0;
  SimNode* node_ = nullptr;
  std::unique_ptr<broker::Node> broker_;
  std::optional<Result<>> started_;
  bool given_up_ = false;
  bool life_over_early_ = false;
};

}  // namespace sluice::sim
