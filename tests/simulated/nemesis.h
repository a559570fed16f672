#pragma once

#include <optional>
#include <string>
#include <vector>

#include "tests/sim/simulator.h"
#include "tests/simulated/broker_machine.h"
#include "tests/simulated/clients.h"
#include "tests/simulated/history.h"

namespace sluice::sim {

/// Does to a cluster what the world does: resets, cuts, delays, deaths, power cuts, full and
/// failing disks, clocks that jump. What it draws comes from the simulator's seed.
class Nemesis {
 public:
  /// All outlive it. `trust_cache`: see RunOptions.
  Nemesis(Simulator& simulator, History& history, BrokerMachine& broker,
          std::vector<ClientMachine*> clients, bool trust_cache);

  /// One misfortune, and some time for it to work. False when the broker does not come back though
  /// nothing is wrong any more; the history says why.
  bool strike();
  /// Everything works again from now on; false as above.
  bool heal();

 private:
  void reset_connections();
  void cut_network();
  void shape_network();
  void slow_disk();
  void fill_disk();
  void fail_disk(DiskOp op);
  void pause_node();
  void jump_clock();
  bool restart();
  bool kill_broker();
  bool boot_alone();
  bool cut_power();
  void begin_era();

  bool boot();
  /// After the broker gave up by itself.
  bool bring_back();
  void check_failed_sync();
  /// Whether the page cache may show what a failed sync lost on the device.
  bool cache_lies() const { return sync_has_failed_ && !trust_cache_; }
  CrashMode draw_crash();
  Duration draw(Duration most);
  ClientMachine& draw_client();

  Simulator& simulator_;
  History& history_;
  BrokerMachine& broker_;
  const std::vector<ClientMachine*> clients_;
  const bool trust_cache_;
  const NetworkOptions calm_;
  /// A sync that failed, until the broker has given up for it.
  std::optional<std::string> failed_sync_;
  /// Since the last power cut.
  bool sync_has_failed_ = false;
  bool healing_ = false;
};

}  // namespace sluice::sim
