#pragma once

#include <string>
#include <vector>

#include "tests/sim/simulator.h"
#include "tests/simulated/broker_machine.h"
#include "tests/simulated/clients.h"
#include "tests/simulated/fleet.h"
#include "tests/simulated/history.h"

namespace sluice::sim {

/// Does to several brokers what the world does, within what was promised: since all
/// replicas were in sync at most one of them lost its power, or all of them did. What it draws
/// comes from the simulator's seed.
class ClusterNemesis {
 public:
  /// All outlive it.
  ClusterNemesis(Simulator& simulator, History& history, Fleet& fleet,
                 std::vector<ClientMachine*> clients);

  /// One misfortune, and some time for it to work. False when a broker does not start though
  /// nothing is wrong with it; the history says why.
  bool strike();
  /// Everything works again from now on; false as above.
  bool heal();

 private:
  void divide_in_halves();
  void bridge();
  void cut_one_way();
  void ring();
  void isolate();
  void cut_client();
  void stall();
  void shape_network();
  void lose_answers();
  void slow_disk();
  void fill_disk();
  void fail_sync();
  void pause_node();
  void jump_clock();
  void kill_one();
  void stop_one();
  void restart_two();
  void cut_power();
  void black_out();
  void hand_over();
  void take_in();
  void rot();
  void start_all();

  bool may_lose(BrokerMachine& victim);
  bool bury_the_dead();
  void cut_both(const std::string& a, const std::string& b);
  Duration draw(Duration most);
  BrokerMachine& draw_broker();
  /// Null when all are off.
  BrokerMachine* draw_running();
  std::vector<BrokerMachine*> shuffled();

  Simulator& simulator_;
  History& history_;
  Fleet& fleet_;
  const std::vector<ClientMachine*> clients_;
  const NetworkOptions calm_;
  /// Lost what was not synced since all replicas were in sync.
  BrokerMachine* loser_ = nullptr;
  bool all_lost_ = false;
  TrueTime clients_sleep_until_{};
};

}  // namespace sluice::sim
