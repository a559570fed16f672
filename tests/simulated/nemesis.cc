#include "tests/simulated/nemesis.h"

#include <memory>
#include <utility>

namespace sluice::sim {
namespace {

/// About; a process that dies within it dies in its recovery.
constexpr Duration kLongestStart = std::chrono::microseconds(300);

}  // namespace

Nemesis::Nemesis(Simulator& simulator, History& history, BrokerMachine& broker,
                 std::vector<ClientMachine*> clients, bool trust_cache)
    : simulator_(simulator),
      history_(history),
      broker_(broker),
      clients_(std::move(clients)),
      trust_cache_(trust_cache),
      calm_(simulator.network().options()) {}

Duration Nemesis::draw(Duration most) {
  return Duration(simulator_.random().below(static_cast<uint64_t>(most.count())));
}

ClientMachine& Nemesis::draw_client() {
  return *clients_[simulator_.random().below(clients_.size())];
}

bool Nemesis::strike() {
  bool is_back = true;
  switch (simulator_.random().below(13)) {
    case 0:
      reset_connections();
      break;
    case 1:
      cut_network();
      break;
    case 2:
      shape_network();
      break;
    case 3:
      slow_disk();
      break;
    case 4:
      fill_disk();
      break;
    case 5:
      fail_disk(DiskOp::write);
      break;
    case 6:
      fail_disk(DiskOp::sync);
      break;
    case 7:
      pause_node();
      break;
    case 8:
      jump_clock();
      break;
    case 9:
      is_back = restart();
      break;
    case 10:
      is_back = kill_broker();
      break;
    case 11:
      is_back = cut_power();
      break;
    default:
      is_back = heal();
      break;
  }
  simulator_.run_for(50ms + draw(800ms));
  check_failed_sync();
  return is_back && (!broker_.given_up() || bring_back());
}

bool Nemesis::heal() {
  history_.note("heal");
  simulator_.network().heal_all();
  simulator_.network().set_options(calm_);
  // Whoever was to die while it starts has died by then.
  healing_ = true;
  simulator_.run_for(kLongestStart);
  const bool is_back = !broker_.given_up() || bring_back();
  healing_ = false;
  if (!is_back) return false;
  broker_.node().disk().set_fault({});
  broker_.node().disk().set_capacity(uint64_t{1} << 40);
  broker_.node().disk().set_latency(0ns, 0ns);
  return true;
}

void Nemesis::reset_connections() {
  const std::string& victim = draw_client().name();
  history_.note("reset connections of " + victim);
  simulator_.network().reset(broker_.name(), victim);
}

void Nemesis::cut_network() {
  const std::string& victim = draw_client().name();
  const uint64_t ways = 1 + simulator_.random().below(3);
  history_.note("cut " + victim + ", ways " + std::to_string(ways));
  if ((ways & 1) != 0) simulator_.network().cut(broker_.name(), victim);
  if ((ways & 2) != 0) simulator_.network().cut(victim, broker_.name());
}

void Nemesis::shape_network() {
  NetworkOptions options = calm_;
  options.latency_max = 1ms + draw(50ms);
  options.split_one_in = 1 + simulator_.random().below(8);
  options.reset_one_in = simulator_.random().one_in(2) ? 0 : 100 + simulator_.random().below(900);
  options.buffer_bytes = 1_KiB << simulator_.random().below(7);
  history_.note("network: packets take up to " +
                std::to_string(options.latency_max / std::chrono::microseconds(1)) + " us");
  simulator_.network().set_options(options);
}

void Nemesis::slow_disk() {
  const Duration most = 1us + draw(simulator_.random().one_in(3) ? 100ms : 5ms);
  history_.note("disk calls take up to " + std::to_string(most / std::chrono::microseconds(1)) +
                " us");
  broker_.node().disk().set_latency(0ns, most);
}

void Nemesis::fill_disk() {
  const uint64_t used = broker_.node().disk().image().space_used();
  const uint64_t left = simulator_.random().below(128_KiB);
  history_.note("disk has " + std::to_string(left) + " bytes left");
  broker_.node().disk().set_capacity(used + left);
}

/// The n-th such call from now on fails.
void Nemesis::fail_disk(DiskOp op) {
  const uint64_t after = simulator_.random().below(8);
  history_.note("after " + std::to_string(after) + " more the next " + std::string(name_of(op)) +
                " fails");
  const auto left = std::make_shared<uint64_t>(after + 1);
  broker_.node().disk().set_fault([this, op, left](const DiskCall& call) -> std::optional<Errc> {
    if (call.op != op || *left == 0 || --*left > 0) return std::nullopt;
    history_.note("failed: " + call.to_string());
    if (op == DiskOp::sync) {
      failed_sync_ = call.to_string();
      sync_has_failed_ = true;
    }
    return Errc::disk_failed;
  });
}

void Nemesis::check_failed_sync() {
  if (!failed_sync_) return;
  const bool gave_up = simulator_.run_until([&] { return broker_.given_up(); }, 5s);
  if (!gave_up) history_.violated("the broker went on after a failure of " + *failed_sync_);
  failed_sync_.reset();
}

void Nemesis::pause_node() {
  const bool is_broker = simulator_.random().one_in(2);
  SimNode& node = is_broker ? broker_.node() : draw_client().node();
  const Duration duration = draw(800ms);
  history_.note("pause " + node.name() + " for " +
                std::to_string(duration / std::chrono::milliseconds(1)) + " ms");
  node.pause(duration);
}

void Nemesis::jump_clock() {
  const bool is_broker = simulator_.random().one_in(2);
  SimNode& node = is_broker ? broker_.node() : draw_client().node();
  const Duration by = draw(20min) - 10min;
  history_.note("clock of " + node.name() + " jumps by " + std::to_string(by / 1s) + " s");
  node.clock().jump_wall(by);
}

bool Nemesis::boot() {
  std::optional<Duration> life;
  if (!healing_ && simulator_.random().one_in(4)) life = draw(kLongestStart);
  auto booted = broker_.boot(life);
  if (booted) return true;
  if (booted.error() == Errc::cancelled)
    return simulator_.random().one_in(2) ? boot() : cut_power();
  history_.violated("the broker does not start: " + std::string(booted.error().message()));
  return false;
}

bool Nemesis::restart() {
  if (auto stopped = broker_.shut_down(); !stopped) {
    history_.note("shut down: " + std::string(stopped.error().message()));
  }
  if (cache_lies()) return cut_power();
  // What failed while it stopped is what stop() said.
  failed_sync_.reset();
  simulator_.run_for(draw(500ms));
  return boot_alone();
}

bool Nemesis::kill_broker() {
  if (cache_lies()) return cut_power();
  broker_.kill();
  failed_sync_.reset();
  simulator_.run_for(draw(1s));
  return boot_alone();
}

/// The process, on a machine that ran on.
bool Nemesis::boot_alone() {
  // Only the cache has what the device refused: when it is let go of, that reads as zeros.
  if (std::exchange(sync_has_failed_, false)) begin_era();
  return boot();
}

bool Nemesis::cut_power() {
  broker_.cut_power(draw_crash());
  failed_sync_.reset();
  sync_has_failed_ = false;
  begin_era();
  return boot();
}

/// Before it begins, everything that was still said in the one before has been heard.
void Nemesis::begin_era() {
  simulator_.network().heal_all();
  simulator_.run_for(1s + draw(1s));
  history_.begin_era();
}

bool Nemesis::bring_back() { return simulator_.random().one_in(2) ? kill_broker() : cut_power(); }

CrashMode Nemesis::draw_crash() { return static_cast<CrashMode>(simulator_.random().below(5)); }

}  // namespace sluice::sim
