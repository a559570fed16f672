#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/random.h"
#include "io/network.h"
#include "tests/sim/connection.h"
#include "tests/sim/scheduler.h"

namespace sluice::sim {

struct NetworkOptions {
  /// Of each packet, drawn between these; a stream stays in order.
  Duration latency_min = std::chrono::microseconds(20);
  Duration latency_max = std::chrono::microseconds(400);
  /// Written and not yet read, for each direction of a connection.
  size_t buffer_bytes = 64_KiB;
  /// One in so many reads and writes is short, and one in so many packets is a few bytes; 0: none.
  uint64_t split_one_in = 8;
  /// One in so many writes resets its connection; 0: none.
  uint64_t reset_one_in = 0;
  /// One in so many writes of who accepted resets its connection: what was asked for is done, the
  /// answer is lost, and who asked may ask again; 0: none.
  uint64_t lose_answer_one_in = 0;
};

/// How a node dies: a killed process's system resets its connections, after a power cut nothing is
/// heard until a host of that name is up again.
enum class Death : uint8_t { process, power };

class SimHost;

/// The wires between the hosts of a simulation.
class SimNetwork {
 public:
  SimNetwork(Scheduler& scheduler, NetworkOptions options);

  const NetworkOptions& options() const { return options_; }
  void set_options(NetworkOptions options) { options_ = options; }

  /// Packets from one host to another are held back, as retransmission would, until heal(). The
  /// other way is open still, but acknowledgements cannot come back over a cut.
  void cut(std::string_view from, std::string_view to);
  void heal(std::string_view from, std::string_view to);
  /// Cuts both ways between every host of `a` and every host of `b`.
  void partition(const std::vector<std::string>& a, const std::vector<std::string>& b);
  void heal_all();
  /// What is on its way from one host to another by the connections that are there now, and is sent
  /// on them later, is held back until unstall() or heal_all(): a route that is gone. New
  /// connections find another, so that what the old ones hold arrives late, behind what was said
  /// after it; also when they were closed meanwhile.
  void stall(std::string_view from, std::string_view to);
  void unstall(std::string_view from, std::string_view to);
  /// Resets every connection between two hosts.
  void reset(std::string_view a, std::string_view b);
  bool is_cut(std::string_view from, std::string_view to) const;

  /// For connections and hosts.
  Duration now() const { return scheduler_.now(); }
  void call_after(Duration delay, std::move_only_function<void()> event);
  void trace(std::string_view what, uint64_t id, uint64_t kind, uint64_t bytes);
  Duration draw_latency();
  /// How much of `most` (at least 1) a read, a write or a packet takes.
  size_t draw_part(size_t most);
  bool draw_reset();
  bool draw_lost_answer();
  bool is_up(std::string_view host) const;

 private:
  friend class SimHost;
  std::shared_ptr<SimConnection> connection(std::array<std::string, 2> names,
                                            std::array<io::Endpoint, 2> ends);
  template <class F>
  void for_each_connection(F visit);

  Scheduler& scheduler_;
  NetworkOptions options_;
  SeededRandom random_;
  std::map<std::string, SimHost*, std::less<>> hosts_;
  std::set<std::pair<std::string, std::string>> cuts_;
  std::vector<std::weak_ptr<SimConnection>> connections_;
  uint64_t connections_made_ = 0;
};

/// A node's place in the network. Its name is its address; localhost and 127.0.0.1 are itself, and
/// it may listen on 0.0.0.0.
class SimHost final : public io::Network {
 public:
  /// Takes the name over from a dead host.
  SimHost(SimNetwork& network, std::string name);
  ~SimHost() override;

  io::Task<Result<std::unique_ptr<io::Listener>>> listen(io::Endpoint at) override;
  io::Task<Result<std::unique_ptr<io::Socket>>> connect(io::Endpoint to,
                                                        TimePoint deadline) override;

  const std::string& name() const { return name_; }
  bool alive() const { return alive_; }
  /// Its sockets and listeners fail from now on, and it can make no others.
  void kill(Death death);
  /// The next connection to `port`, which somebody listens on, is accepted only after this error.
  void fail_accept(uint16_t port, Error error);

 private:
  friend class SimListener;
  struct Listening;
  class Dial;

  bool is_own(std::string_view host) const;
  void request(std::shared_ptr<Dial> dial, std::string target, io::Endpoint to);
  void answer(std::shared_ptr<Dial> dial, std::string target,
              Result<std::unique_ptr<io::Socket>> outcome);

  SimNetwork& network_;
  const std::string name_;
  bool alive_ = true;
  uint16_t next_port_ = 32768;
  std::map<uint16_t, std::shared_ptr<Listening>> listening_;
};

}  // namespace sluice::sim
