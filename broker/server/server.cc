#include "broker/server/server.h"

#include <algorithm>
#include <array>
#include <numeric>
#include <utility>

#include "base/check.h"

namespace sluice::broker {
namespace {

/// About what an idle connection takes: session, socket, frames.
constexpr size_t kConnectionBytes = 2560;
constexpr Duration kMemoryWatch = 100ms;
constexpr Duration kTend = 1s;
constexpr Duration kRefusalLog = 10s;
/// Connections accepted before others of the control loop have their turn.
constexpr uint64_t kAcceptTurn = 64;
/// Until a connection that says nothing goes to a worker, and the most that is looked at before.
constexpr Duration kOpeningWait = 100ms;
constexpr size_t kMostOpening = 1024;
/// How often the machine is asked how it stands for memory, and idle clients give way.
constexpr Duration kMachineWatch = 1s;
/// Idle buffers that all workers share are given up when so few were taken in this time.
constexpr Duration kOverflowWatch = 30s;
constexpr uint64_t kFewTakes = 1000;
constexpr Duration kGiveWay = 1s;
/// Connections at once that are looked at though no client is served: brokers come through the same
/// port. And what these may take.
constexpr size_t kMostUnproven = 16;
constexpr size_t kBrokerConnectionMemory = 1_MiB;

/// Frames may take half of the cap, a quarter of that kept for the control class; one address a
/// quarter of the cap.
Admission::Limits limits_for(size_t cap) {
  return {.total = cap / 2, .control_reserve = cap / 8, .per_address = cap / 4};
}

ServerOptions fitted(ServerOptions options, const Admission& admission) {
  options.max_frame_bytes =
      std::min(options.max_frame_bytes, admission.largest(TrafficClass::client));
  return options;
}

}  // namespace

Server::Server(ServerPorts ports, ServerOptions options, std::vector<FrontEnd*> front_ends)
    : ports_(std::move(ports)),
      options_(std::move(options)),
      metrics_(ports_.metrics),
      connection_memory_(ports_.clients.child("connections", ports_.clients.cap())),
      broker_connection_memory_(ports_.memory.child("broker_connections", kBrokerConnectionMemory)),
      buffers_(ports_.clients.child("network_buffers", ports_.clients.cap()), options_.pools),
      broker_buffers_(ports_.memory.child("broker_buffers", ports_.memory.cap()), options_.pools),
      admission_(limits_for(ports_.memory.cap())),
      cold_reads_(options_.cold_bytes_per_second),
      addresses_(options_.max_connections_per_address),
      context_{.runtime = ports_.runtime,
               .options = options_,
               .memory = ports_.memory,
               .buffers = buffers_,
               .broker_buffers = broker_buffers_,
               .admission = admission_,
               .cold_reads = cold_reads_,
               .metrics = metrics_,
               .log = ports_.log,
               .on_broken_slice = ports_.on_broken_slice},
      connections_(ports_.runtime.executor.loops()) {
  options_ = fitted(std::move(options_), admission_);
  for (auto* front_end : front_ends) {
    request_metrics_.push_back(
        std::make_unique<RequestMetrics>(ports_.metrics, front_end->name(), front_end->apis()));
    front_ends_.push_back({*front_end, *request_metrics_.back()});
  }
  for (size_t i = 0; i < ports_.runtime.executor.workers(); ++i) {
    workers_.push_back(std::make_unique<Worker>(context_, ports_.runtime.executor.worker(i)));
  }
  workers_.push_back(std::make_unique<Worker>(context_, ports_.runtime.executor.control()));
  publish();
}

Server::~Server() { withdraw(); }

io::Task<Result<>> Server::start() {
  CO_ASSIGN_OR_RETURN(listener_, co_await ports_.runtime.network.listen(options_.listen));
  background_.start(accept_all());
  background_.start(watch_memory());
  for (auto& worker : workers_) background_.start(tend(*worker));
  co_return Result<>{};
}

io::Task<void> Server::stop(TimePoint deadline) {
  if (!listener_ || stopping_.exchange(true)) co_return;
  listener_->close();
  stop_.notify_all();
  co_await background_.join();
  co_await on_every_worker(&Worker::drain);
  while (true) {
    const uint64_t ticket = ended_.ticket();
    // Not those that run: the last one tells before its task has ended, which join() waits for.
    if (connections() == 0) break;
    if (!co_await ended_.wait(ticket, deadline)) break;
  }
  co_await on_every_worker(&Worker::close_all);
  co_await sessions_.join();
}

size_t Server::connections() const {
  return std::accumulate(
      connections_.begin(), connections_.end(), size_t{0},
      [](size_t sum, const auto& count) { return sum + count.load(std::memory_order_relaxed); });
}

BufferPool::Stats Server::buffer_stats() const {
  BufferPool::Stats all{.idle = buffers_.idle()};
  const auto add = [&all](const BufferPool::Stats& of_one) {
    for (size_t tier = 0; tier < kBufferTiers.size(); ++tier) {
      all.in_use[tier] += of_one.in_use[tier];
      all.idle[tier] += of_one.idle[tier];
    }
    all.hits += of_one.hits;
    all.misses += of_one.misses;
    all.oversize_bytes += of_one.oversize_bytes;
  };
  for (size_t tier = 0; tier < kBufferTiers.size(); ++tier) {
    all.idle[tier] += broker_buffers_.idle()[tier];
  }
  for (const auto& worker : workers_) {
    for (const auto traffic : {TrafficClass::client, TrafficClass::control}) {
      add(std::as_const(*worker).buffers(traffic).stats());
    }
  }
  return all;
}

// Accepting.

io::Task<void> Server::accept_all() {
  uint64_t accepted = 0;
  while (!stopping_) {
    auto socket = co_await listener_->accept();
    if (socket) {
      take(std::move(*socket));
      if (++accepted % kAcceptTurn == 0) co_await io::Loop::current()->yield();
    } else if (socket.error() == Errc::too_many || socket.error() == Errc::out_of_memory) {
      accept_failed(socket.error());
    } else if (!stopping_) {
      ports_.log.error("accepting failed",
                       {{"address", local().to_string()}, {"error", socket.error().message()}});
      co_return;
    }
  }
}

void Server::take(std::unique_ptr<io::Socket> socket) {
  Guest guest{.socket = std::move(socket)};
  guest.refusal = refusal_of_clients(guest.memory);
  const bool is_flooded = guest.refusal && unproven_.load() >= kMostUnproven;
  if (is_flooded || guest.memory.size() == 0) {
    const Refusal memory{&metrics_.refused_pressure, "memory"};
    return refused(guest.refusal.value_or(memory), guest.socket->peer());
  }
  guest.account = addresses_.connect(guest.socket->peer().host);
  if (!guest.account) {
    return refused({&metrics_.refused_address, "connections.limit_per_address"},
                   guest.socket->peer());
  }
  metrics_.accepted.add(io::Loop::current()->index());
  connections_.back().fetch_add(1, std::memory_order_relaxed);
  if (guest.refusal) ++unproven_;
  sessions_.start(serve(std::move(guest)));
}

/// Takes the memory of a connection, from what is kept for brokers where clients are refused.
std::optional<Server::Refusal> Server::refusal_of_clients(Reservation& memory) {
  std::optional<Refusal> refusal;
  if (connections() >= options_.max_connections) {
    refusal = {&metrics_.refused_total, "connections.limit"};
  } else if (policy_of(pressure()).close_idle) {
    refusal = {&metrics_.refused_pressure, "memory"};
  } else if (auto taken = connection_memory_.reserve(kConnectionBytes)) {
    memory = std::move(*taken);
    return std::nullopt;
  } else {
    refusal = {&metrics_.refused_pressure, "memory"};
  }
  if (auto taken = broker_connection_memory_.reserve(kConnectionBytes)) memory = std::move(*taken);
  return refusal;
}

void Server::refused(const Refusal& why, const io::Endpoint& peer) {
  why.counter->add(io::Loop::current()->index());
  if (!may_log(refusal_logged_)) return;
  ports_.log.warning("connection refused", {{"peer", peer.to_string()}, {"limit", why.limit}});
}

void Server::accept_failed(const Error& why) {
  metrics_.accept_failures.add(io::Loop::current()->index());
  if (!may_log(failure_logged_)) return;
  ports_.log.error("connections wait to be accepted",
                   {{"address", local().to_string()},
                    {"error", why.message()},
                    {"way_out",
                     "raise the process's limit of open files (LimitNOFILE, ulimit -n) or lower "
                     "connections.limit"}});
}

/// Whether the line that was logged last at `last` may be logged again.
bool Server::may_log(TimePoint& last) {
  const TimePoint now = io::Loop::current()->now();
  if (now < last + kRefusalLog && last != TimePoint{}) return false;
  last = now;
  return true;
}

Worker& Server::least_loaded() {
  const auto least = std::ranges::min_element(
      connections_.begin(), connections_.end() - 1, {},
      [](const auto& count) { return count.load(std::memory_order_relaxed); });
  return *workers_[static_cast<size_t>(least - connections_.begin())];
}

std::optional<Caller> Server::who_calls(ByteView begin) const {
  bool may_be = false;
  for (const auto& served : front_ends_) {
    const auto caller = served.front_end.who_calls(begin);
    if (caller.value_or(Caller::client) != Caller::client) return caller;
    may_be = may_be || !caller;
  }
  return may_be ? std::nullopt : std::optional(Caller::client);
}

/// Told by its first bytes; who is slow with them is served like all others.
io::Task<Caller> Server::who_calls(io::MovableSocket& socket) const {
  const TimePoint deadline = io::Loop::current()->now() + kOpeningWait;
  std::array<std::byte, kMostOpening> begin;
  std::optional<Caller> caller;
  for (size_t known = 0; !caller && known < begin.size();) {
    socket.set_read_threshold(known + 1);
    if (!co_await socket.readable_by(deadline)) break;
    const auto count = socket.try_peek(begin);
    if (!count || *count <= known) break;
    known = *count;
    caller = who_calls(ByteView(begin).first(known));
  }
  socket.set_read_threshold(1);
  co_return caller.value_or(Caller::client);
}

io::Task<void> Server::serve(Guest guest) {
  // All that is accepted can be moved.
  auto& accepted = static_cast<io::MovableSocket&>(*guest.socket);
  accepted.attach(*io::Loop::current());
  const Caller caller = co_await who_calls(accepted);
  if (guest.refusal) --unproven_;
  if (guest.refusal && caller == Caller::client) {
    refused(*guest.refusal, guest.socket->peer());
    connections_.back().fetch_sub(1, std::memory_order_relaxed);
    guest.socket->close();
  } else {
    accepted.detach();
    Worker& worker = caller == Caller::urgent ? *workers_.back() : least_loaded();
    connections_[worker.index()].fetch_add(1, std::memory_order_relaxed);
    connections_.back().fetch_sub(1, std::memory_order_relaxed);
    co_await worker.loop().enter();
    guest.socket->attach(worker.loop());
    {
      Session session(std::move(guest.socket), worker, guest.account, front_ends_);
      if (stopping_) session.drain();
      co_await session.run();
    }
    connections_[worker.index()].fetch_sub(1, std::memory_order_relaxed);
  }
  addresses_.disconnect(*guest.account);
  guest.memory.release();
  if (stopping_) ended_.notify_all();
}

// Watching.

io::Task<void> Server::watch_memory() {
  while (true) {
    const uint64_t ticket = stop_.ticket();
    if (stopping_) co_return;
    apply_pressure();
    give_up_overflow(io::Loop::current()->now());
    co_await stop_.wait(ticket, io::Loop::current()->now() + kMemoryWatch);
  }
}

void Server::apply_pressure() {
  const TimePoint now = io::Loop::current()->now();
  if (now >= machine_read_ + kMachineWatch || machine_read_ == TimePoint{}) {
    machine_ = ports_.runtime.memory.read();
    machine_read_ = now;
  }
  const auto before = pressure();
  const auto level = gauge_.update({.used = ports_.memory.used(),
                                    .cap = ports_.memory.cap(),
                                    .clients_used = ports_.clients.used(),
                                    .clients_cap = ports_.clients.cap(),
                                    .machine = machine_});
  context_.pressure.store(level, std::memory_order_relaxed);
  if (level != before) tell(before);
  const auto policy = policy_of(level);
  if (policy.trim_pools) {
    metrics_.trimmed_bytes.add(io::Loop::current()->index(),
                               buffers_.trim() + broker_buffers_.trim());
    if (ports_.on_pressure) ports_.on_pressure();
  }
  if (!policy.close_idle || (now < idle_closed_ + kGiveWay && idle_closed_ != TimePoint{})) return;
  idle_closed_ = now;
  background_.start(close_idle());
}

/// After a burst the workers' pools shrink into it, and nobody draws from it any more.
void Server::give_up_overflow(TimePoint now) {
  if (now < overflow_watched_ + kOverflowWatch && overflow_watched_ != TimePoint{}) return;
  overflow_watched_ = now;
  const BufferPool::Stats stats = buffer_stats();
  const uint64_t takes = stats.hits + stats.misses;
  if (takes - std::exchange(takes_, takes) >= kFewTakes) return;
  buffers_.trim();
  broker_buffers_.trim();
}

void Server::tell(PressureLevel before) {
  const PressureLevel level = pressure();
  level_changes_[static_cast<size_t>(level)]->add(io::Loop::current()->index());
  const auto& group = machine_.group_limit;
  const auto line = {LogField("level", name_of(level)),
                     LogField("before", name_of(before)),
                     LogField("cause", name_of(gauge_.hardest())),
                     LogField("used_bytes", ports_.memory.used()),
                     LogField("cap_bytes", ports_.memory.cap()),
                     LogField("clients_used_bytes", ports_.clients.used()),
                     LogField("group_held_bytes", machine_.group_held.value_or(0)),
                     LogField("group_limit_bytes", group.value_or(0)),
                     LogField("some_stalled_percent", machine_.some_stalled.value_or(0))};
  if (level > before) {
    ports_.log.warning("memory pressure rises", line);
  } else {
    ports_.log.info("memory pressure falls", line);
  }
}

io::Task<void> Server::close_idle() {
  io::Loop& here = *io::Loop::current();
  size_t closed = 0;
  for (auto& worker : workers_) {
    co_await worker->loop().enter();
    closed += worker->close_longest_idle();
  }
  co_await here.enter();
  if (closed == 0) co_return;
  ports_.log.warning("idle connections closed because memory is short",
                     {{"closed", closed}, {"left", connections()}});
}

io::Task<void> Server::tend(Worker& worker) {
  co_await worker.loop().enter();
  while (true) {
    const uint64_t ticket = stop_.ticket();
    if (stopping_) co_return;
    worker.tend();
    co_await stop_.wait(ticket, worker.loop().now() + kTend);
  }
}

io::Task<void> Server::on_every_worker(void (Worker::*what)()) {
  io::Loop& here = *io::Loop::current();
  for (auto& worker : workers_) {
    co_await worker->loop().enter();
    (*worker.*what)();
  }
  co_await here.enter();
}

void Server::publish() {
  auto& metrics = ports_.metrics;
  for (size_t level = 0; level < kPressureLevels; ++level) {
    level_changes_.push_back(&metrics.counter(
        "memory_pressure_changes_total", "How often the level of memory pressure became this.",
        {{"level", std::string(name_of(static_cast<PressureLevel>(level)))}}));
  }
  metrics.gauge("connections", "Connections open now.", {},
                [this] { return static_cast<double>(connections()); });
  metrics.gauge("memory_pressure_level", "0 normal, 1 warning, 2 high, 3 critical.", {},
                [this] { return static_cast<double>(pressure()); });
  metrics.gauge("admission_bytes", "Bytes of frames let in.", {},
                [this] { return static_cast<double>(admission_.bytes()); });
  metrics.gauge("admission_waiting", "Connections whose next frame waits for memory.", {},
                [this] { return static_cast<double>(admission_.waiting()); });
  metrics.gauge("admission_waits", "How often a frame had to wait for memory.", {},
                [this] { return static_cast<double>(admission_.waits()); });
}

void Server::withdraw() {
  for (const auto* name : {"connections", "memory_pressure_level", "admission_bytes",
                           "admission_waiting", "admission_waits"}) {
    ports_.metrics.drop_gauge(name, {});
  }
}

}  // namespace sluice::broker
