#pragma once

#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "client/include/sluice/client.h"
#include "tests/cluster/faults/loop_disk.h"
#include "tests/cluster/faults/network.h"
#include "tests/cluster/node.h"

namespace sluice::cluster {

/// Brokers 1 to N that form a cluster, each on a host and a disk of its own. When the test failed,
/// every broker's log is printed at the end.
class Machines {
 public:
  explicit Machines(int count = 3);
  ~Machines();
  Machines(const Machines&) = delete;
  Machines& operator=(const Machines&) = delete;

  int count() const { return static_cast<int>(members_.size()); }
  /// Starts all that do not run, and waits until each is ready.
  void start();
  /// Starts one without waiting for it.
  void launch(int id);
  bool wait_until_ready(int id);

  void kill(int id);
  void pause(int id);
  void resume(int id);
  /// SIGTERM, and insists on a clean end.
  void stop(int id);
  void stop_all();
  /// All of them at the same time; launch() boots a machine again.
  void cut_power(const std::vector<int>& ids);
  bool is_running(int id);

  Network& network() { return network_; }
  LoopDisk& disk(int id) { return *member(id).disk; }
  /// Another host without a broker: who lives there may be cut off with some of the brokers.
  int island() const { return count() + 1; }

  /// A client on this host, or on another, that knows all brokers, or only some.
  std::unique_ptr<client::Client> client();
  std::unique_ptr<client::Client> client_on(int host, const std::vector<int>& ids);
  /// Who leads now, as `asked` says (0: whoever answers); 0 when nobody does.
  int leader_of(const std::string& topic, int32_t partition = 0, int asked = 0);
  int controller();
  /// Waits until every replica is in sync and led; false when that takes longer than `limit`.
  bool heals_within(std::chrono::milliseconds limit);
  /// Every record of every log is sound; all must be stopped.
  void expect_sound_logs();

 private:
  struct Member {
    std::unique_ptr<LoopDisk> disk;
    std::unique_ptr<Broker> process;
    std::vector<std::filesystem::path> logs;
    /// Times the power came back.
    int boots = 0;
  };
  Member& member(int id) { return members_.at(static_cast<size_t>(id - 1)); }
  std::string address(int id) const;
  std::string addresses() const;
  BrokerOptions options_of(int id);
  void print_logs();

  TempDir dir_;
  Network network_;
  std::vector<Member> members_;
  int files_ = 0;
};

}  // namespace sluice::cluster
