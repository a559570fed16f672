#include "tests/simulated/cluster_nemesis.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <utility>

namespace sluice::sim {
ClusterNemesis::ClusterNemesis(Simulator& simulator, History& history, Fleet& fleet,
                               std::vector<ClientMachine*> clients)
    : simulator_(simulator),
      history_(history),
      fleet_(fleet),
      clients_(std::move(clients)),
      calm_(simulator.network().options()) {}

Duration ClusterNemesis::draw(Duration most) {
  return Duration(simulator_.random().below(static_cast<uint64_t>(most.count())));
}

BrokerMachine& ClusterNemesis::draw_broker() {
  return *fleet_.members()[simulator_.random().below(fleet_.members().size())];
}

BrokerMachine* ClusterNemesis::draw_running() {
  std::vector<BrokerMachine*> running;
  for (BrokerMachine* broker : fleet_.members()) {
    if (broker->ready()) running.push_back(broker);
  }
  if (running.empty()) return nullptr;
  return running[simulator_.random().below(running.size())];
}

std::vector<BrokerMachine*> ClusterNemesis::shuffled() {
  std::vector<BrokerMachine*> order = fleet_.members();
  for (size_t i = order.size(); i > 1; --i) {
    std::swap(order[i - 1], order[simulator_.random().below(i)]);
  }
  return order;
}

bool ClusterNemesis::strike() {
  using Act = void (ClusterNemesis::*)();
  static constexpr Act kActs[] = {&ClusterNemesis::divide_in_halves,
                                  &ClusterNemesis::bridge,
                                  &ClusterNemesis::cut_one_way,
                                  &ClusterNemesis::ring,
                                  &ClusterNemesis::isolate,
                                  &ClusterNemesis::cut_client,
                                  &ClusterNemesis::shape_network,
                                  &ClusterNemesis::slow_disk,
                                  &ClusterNemesis::stall,
                                  &ClusterNemesis::stall,
                                  &ClusterNemesis::lose_answers,
                                  &ClusterNemesis::hand_over,
                                  &ClusterNemesis::fill_disk,
                                  &ClusterNemesis::fail_sync,
                                  &ClusterNemesis::pause_node,
                                  &ClusterNemesis::jump_clock,
                                  &ClusterNemesis::kill_one,
                                  &ClusterNemesis::kill_one,
                                  &ClusterNemesis::stop_one,
                                  &ClusterNemesis::restart_two,
                                  &ClusterNemesis::restart_two,
                                  &ClusterNemesis::cut_power,
                                  &ClusterNemesis::cut_power,
                                  &ClusterNemesis::black_out,
                                  &ClusterNemesis::take_in,
                                  &ClusterNemesis::rot,
                                  &ClusterNemesis::rot,
                                  &ClusterNemesis::start_all,
                                  &ClusterNemesis::start_all};
  const uint64_t drawn = simulator_.random().below(std::size(kActs) + 2);
  if (drawn < std::size(kActs)) {
    (this->*kActs[drawn])();
  } else if (!heal()) {
    return false;
  }
  simulator_.run_for(100ms + draw(2s));
  return bury_the_dead();
}

bool ClusterNemesis::heal() {
  history_.note("heal");
  simulator_.network().heal_all();
  simulator_.network().set_options(calm_);
  if (!bury_the_dead()) return false;
  for (BrokerMachine* broker : fleet_.members()) {
    if (!broker->on()) continue;
    broker->node().disk().set_fault({});
    broker->node().disk().set_capacity(uint64_t{1} << 40);
    broker->node().disk().set_latency(0ns, 0ns);
  }
  start_all();
  return true;
}

/// Processes that ended by themselves. After a failed sync the machine is reset, see RunOptions.
bool ClusterNemesis::bury_the_dead() {
  fleet_.remove_left();
  for (BrokerMachine* broker : fleet_.members()) {
    if (!broker->on()) continue;
    if (broker->given_up()) {
      broker->cut_power(CrashMode::keep_all);
    } else if (auto why = broker->start_error()) {
      const bool excused = why->code() == Errc::disk_full || why->code() == Errc::disk_failed ||
                           fleet_.is_leaving(*broker);
      if (!excused) {
        history_.violated(broker->name() + " does not start: " + std::string(why->message()));
        return false;
      }
      broker->kill();
    }
  }
  return true;
}

void ClusterNemesis::cut_both(const std::string& a, const std::string& b) {
  simulator_.network().cut(a, b);
  simulator_.network().cut(b, a);
}

void ClusterNemesis::divide_in_halves() {
  const auto order = shuffled();
  const size_t left = 1 + simulator_.random().below(order.size() - 1);
  std::string text = "divide:";
  for (size_t i = 0; i < order.size(); ++i) {
    text += (i == left ? " | " : " ") + order[i]->name();
    for (size_t k = left; i < left && k < order.size(); ++k) {
      cut_both(order[i]->name(), order[k]->name());
    }
  }
  history_.note(text);
}

/// Two sides that hear each other only through one in the middle.
void ClusterNemesis::bridge() {
  const auto order = shuffled();
  const size_t half = order.size() / 2;
  for (size_t i = 0; i < half; ++i) {
    for (size_t k = half + 1; k < order.size(); ++k) cut_both(order[i]->name(), order[k]->name());
  }
  history_.note("bridge over " + order[half]->name());
}

void ClusterNemesis::cut_one_way() {
  const auto order = shuffled();
  history_.note("cut from " + order[0]->name() + " to " + order[1]->name());
  simulator_.network().cut(order[0]->name(), order[1]->name());
}

/// Each hears only its neighbors.
void ClusterNemesis::ring() {
  const auto order = shuffled();
  history_.note("ring from " + order[0]->name());
  for (size_t i = 0; i < order.size(); ++i) {
    for (size_t k = i + 2; k < order.size() && k - i + 1 < order.size(); ++k) {
      cut_both(order[i]->name(), order[k]->name());
    }
  }
}

void ClusterNemesis::isolate() {
  BrokerMachine& victim = draw_broker();
  history_.note("isolate " + victim.name());
  for (BrokerMachine* other : fleet_.members()) {
    if (other != &victim) cut_both(victim.name(), other->name());
  }
}

void ClusterNemesis::cut_client() {
  ClientMachine& client = *clients_[simulator_.random().below(clients_.size())];
  BrokerMachine& broker = draw_broker();
  const uint64_t ways = 1 + simulator_.random().below(3);
  history_.note("cut " + client.name() + " and " + broker.name() + ", ways " +
                std::to_string(ways));
  if ((ways & 1) != 0) simulator_.network().cut(broker.name(), client.name());
  if ((ways & 2) != 0) simulator_.network().cut(client.name(), broker.name());
}

void ClusterNemesis::shape_network() {
  NetworkOptions options = calm_;
  options.latency_max = 1ms + draw(50ms);
  options.split_one_in = 1 + simulator_.random().below(8);
  options.reset_one_in = simulator_.random().one_in(2) ? 0 : 100 + simulator_.random().below(900);
  history_.note("network: packets take up to " +
                std::to_string(options.latency_max / std::chrono::microseconds(1)) + " us");
  simulator_.network().set_options(options);
}

/// What some brokers and a client say to a broker on the connections that they have arrives late,
/// behind what they say anew: also what they said before they died.
void ClusterNemesis::stall() {
  const auto order = shuffled();
  const std::string& victim = order[0]->name();
  std::vector<std::string> sources;
  const size_t brokers = 1 + simulator_.random().below(order.size() - 1);
  for (size_t i = 1; i <= brokers; ++i) sources.push_back(order[i]->name());
  sources.push_back(clients_[simulator_.random().below(clients_.size())]->name());
  const Duration held = 500ms + draw(8s);
  std::string text =
      "for " + std::to_string(held / 1ms) + " ms what is on its way to " + victim + " stalls, from";
  SimNetwork& network = simulator_.network();
  for (const std::string& source : sources) {
    text += " " + source;
    network.stall(source, victim);
    network.call_after(held, [&network, source, victim] { network.unstall(source, victim); });
  }
  history_.note(text);
}

/// What is asked for is done, and asked for again.
void ClusterNemesis::lose_answers() {
  NetworkOptions options = simulator_.network().options();
  options.lose_answer_one_in = 5 + simulator_.random().below(60);
  history_.note("network: one in " + std::to_string(options.lose_answer_one_in) +
                " answers is lost");
  simulator_.network().set_options(options);
}

void ClusterNemesis::slow_disk() {
  BrokerMachine* victim = draw_running();
  if (victim == nullptr) return;
  const Duration most = 1us + draw(simulator_.random().one_in(3) ? 100ms : 5ms);
  history_.note("disk calls of " + victim->name() + " take up to " +
                std::to_string(most / std::chrono::microseconds(1)) + " us");
  victim->node().disk().set_latency(0ns, most);
}

void ClusterNemesis::fill_disk() {
  BrokerMachine* victim = draw_running();
  if (victim == nullptr) return;
  const uint64_t used = victim->node().disk().image().space_used();
  const uint64_t left = simulator_.random().below(128_KiB);
  history_.note("disk of " + victim->name() + " has " + std::to_string(left) + " bytes left");
  victim->node().disk().set_capacity(used + left);
}

void ClusterNemesis::fail_sync() {
  BrokerMachine* victim = draw_running();
  if (victim == nullptr || !may_lose(*victim)) return;
  history_.note("a sync of " + victim->name() + " fails");
  const auto left = std::make_shared<uint64_t>(1 + simulator_.random().below(8));
  victim->node().disk().set_fault([left](const DiskCall& call) -> std::optional<Errc> {
    if (call.op != DiskOp::sync || *left == 0 || --*left > 0) return std::nullopt;
    return Errc::disk_failed;
  });
}

void ClusterNemesis::pause_node() {
  BrokerMachine* broker = draw_running();
  const bool is_broker = broker != nullptr && !simulator_.random().one_in(3);
  SimNode& node =
      is_broker ? broker->node() : clients_[simulator_.random().below(clients_.size())]->node();
  const Duration duration = draw(simulator_.random().one_in(3) ? 15s : 1s);
  history_.note("pause " + node.name() + " for " +
                std::to_string(duration / std::chrono::milliseconds(1)) + " ms");
  node.pause(duration);
  if (!is_broker) {
    clients_sleep_until_ = std::max(clients_sleep_until_, simulator_.now() + duration);
  }
}

void ClusterNemesis::jump_clock() {
  BrokerMachine* broker = draw_running();
  if (broker == nullptr) return;
  const Duration by = draw(20min) - 10min;
  history_.note("clock of " + broker->name() + " jumps by " + std::to_string(by / 1s) + " s");
  broker->node().clock().jump_wall(by);
}

void ClusterNemesis::kill_one() {
  if (BrokerMachine* victim = draw_running()) victim->kill();
}

void ClusterNemesis::stop_one() {
  BrokerMachine* victim = draw_running();
  if (victim == nullptr) return;
  if (auto stopped = victim->shut_down(); !stopped) {
    history_.note("shut down: " + std::string(stopped.error().message()));
  }
}

/// The second while the first comes back: what a leader asks for on account of one is late for the
/// other.
void ClusterNemesis::restart_two() {
  const auto order = shuffled();
  for (size_t i = 0; i < 2; ++i) {
    BrokerMachine& victim = *order[i];
    if (simulator_.random().one_in(2) && may_lose(victim)) {
      victim.cut_power(static_cast<CrashMode>(simulator_.random().below(5)));
    } else if (victim.ready()) {
      victim.kill();
    }
    if (!victim.on()) victim.launch();
    simulator_.run_for(draw(400ms));
  }
}

/// All others keep what they have until all replicas are in sync again: more was not promised of
/// records that two of them have.
bool ClusterNemesis::may_lose(BrokerMachine& victim) {
  // What went bad and was not read since nobody knows of.
  const bool may_rot = loser_ != nullptr && loser_->may_have_rot();
  if (fleet_.all_in_sync() && !may_rot) {
    loser_ = nullptr;
    all_lost_ = false;
  }
  if (all_lost_ || (loser_ != nullptr && loser_ != &victim)) return false;
  loser_ = &victim;
  history_.lose_minority();
  return true;
}

void ClusterNemesis::cut_power() {
  BrokerMachine& victim = draw_broker();
  if (!may_lose(victim)) return;
  victim.cut_power(static_cast<CrashMode>(simulator_.random().below(5)));
}

/// All at once: what was on the devices is all that is left.
void ClusterNemesis::black_out() {
  if (!fleet_.all_in_sync()) return;
  history_.note("all lose their power");
  for (BrokerMachine* broker : fleet_.members()) {
    if (broker->on()) broker->node().kill(Death::power);
  }
  for (BrokerMachine* broker : fleet_.members()) {
    broker->cut_power(static_cast<CrashMode>(simulator_.random().below(5)));
  }
  all_lost_ = true;
  // Before the next era begins, everything that was still said in this one has been heard.
  simulator_.network().heal_all();
  const Duration asleep = clients_sleep_until_ - simulator_.now();
  simulator_.run_for(std::max(asleep, Duration::zero()) + 1s + draw(1s));
  history_.begin_era();
  start_all();
}

/// As an operator may before the leader of the metadata is worked on.
void ClusterNemesis::hand_over() {
  history_.note("the metadata is to have another leader");
  for (BrokerMachine* broker : fleet_.members()) {
    if (broker->ready()) broker->hand_over_metadata();
  }
}

void ClusterNemesis::take_in() {
  if (fleet_.newcomer() == nullptr) return;
  BrokerMachine& newcomer = fleet_.take_in();
  history_.note(newcomer.name() + " is to join");
  newcomer.launch();
}

/// A sector or a page of what a broker wrote has gone bad while it was off, where it has to notice.
void ClusterNemesis::rot() {
  BrokerMachine& victim = draw_broker();
  if (!may_lose(victim)) return;
  if (victim.on()) victim.kill();
  victim.rot();
  victim.launch();
  // Meanwhile it has read what it knows of the cluster, whether others let it in or not.
  simulator_.run_until([&] { return victim.started() || victim.given_up(); }, 2s);
  if (const auto why = victim.start_error()) {
    history_.note(victim.name() + " refuses to start: " + std::string(why->message()));
    victim.undo_rot();
  }
}

void ClusterNemesis::start_all() { fleet_.launch_all(); }

}  // namespace sluice::sim
