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
/// Idle connections that one worker gives up at one look at memory.
constexpr int kIdleClosedAtOnce = 16;

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
      connection_memory_(ports_.memory.child("connections", ports_.memory.cap())),
      buffers_(ports_.memory.child("network_buffers", ports_.memory.cap()), {}),
      admission_(limits_for(ports_.memory.cap())),
      cold_reads_(options_.cold_bytes_per_second),
      addresses_(options_.max_connections_per_address),
      context_{.runtime = ports_.runtime,
               .options = options_,
               .memory = ports_.memory,
               .buffers = buffers_,
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
  for (const auto& worker : workers_) {
    const auto of_one = std::as_const(*worker).buffers().stats();
    for (size_t tier = 0; tier < kBufferTiers.size(); ++tier) {
      all.in_use[tier] += of_one.in_use[tier];
      all.idle[tier] += of_one.idle[tier];
    }
    all.hits += of_one.hits;
    all.misses += of_one.misses;
    all.oversize_bytes += of_one.oversize_bytes;
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
  if (connections() >= options_.max_connections) {
    return refused(metrics_.refused_total, "connections.limit", socket->peer());
  }
  auto memory = connection_memory_.reserve(kConnectionBytes);
  if (!memory) return refused(metrics_.refused_total, "memory", socket->peer());
  auto account = addresses_.connect(socket->peer().host);
  if (!account) {
    return refused(metrics_.refused_address, "connections.limit_per_address", socket->peer());
  }
  metrics_.accepted.add(io::Loop::current()->index());
  connections_.back().fetch_add(1, std::memory_order_relaxed);
  sessions_.start(serve(std::move(socket), std::move(account), std::move(*memory)));
}

void Server::refused(Counter& counter, std::string_view why, const io::Endpoint& peer) {
  counter.add(io::Loop::current()->index());
  if (!may_log(refusal_logged_)) return;
  ports_.log.warning("connection refused", {{"peer", peer.to_string()}, {"limit", why}});
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

std::optional<bool> Server::is_urgent(ByteView begin) const {
  bool may_be = false;
  for (const auto& served : front_ends_) {
    const auto urgent = served.front_end.is_urgent(begin);
    if (urgent.value_or(false)) return true;
    may_be = may_be || !urgent;
  }
  return may_be ? std::nullopt : std::optional(false);
}

/// Told by its first bytes; who is slow with them is served like all others.
io::Task<bool> Server::is_urgent(io::MovableSocket& socket) const {
  const TimePoint deadline = io::Loop::current()->now() + kOpeningWait;
  std::array<std::byte, kMostOpening> begin;
  std::optional<bool> urgent;
  for (size_t known = 0; !urgent && known < begin.size();) {
    socket.set_read_threshold(known + 1);
    if (!co_await socket.readable_by(deadline)) break;
    const auto count = socket.try_peek(begin);
    if (!count || *count <= known) break;
    known = *count;
    urgent = is_urgent(ByteView(begin).first(known));
  }
  socket.set_read_threshold(1);
  co_return urgent.value_or(false);
}

io::Task<void> Server::serve(std::unique_ptr<io::Socket> socket,
                             std::shared_ptr<AddressAccount> account, Reservation memory) {
  // All that is accepted can be moved.
  auto& accepted = static_cast<io::MovableSocket&>(*socket);
  accepted.attach(*io::Loop::current());
  const bool urgent = co_await is_urgent(accepted);
  accepted.detach();
  Worker& worker = urgent ? *workers_.back() : least_loaded();
  connections_[worker.index()].fetch_add(1, std::memory_order_relaxed);
  connections_.back().fetch_sub(1, std::memory_order_relaxed);
  co_await worker.loop().enter();
  socket->attach(worker.loop());
  {
    Session session(std::move(socket), worker, account, front_ends_);
    if (stopping_) session.drain();
    co_await session.run();
  }
  connections_[worker.index()].fetch_sub(1, std::memory_order_relaxed);
  addresses_.disconnect(*account);
  memory.release();
  if (stopping_) ended_.notify_all();
}

// Watching.

io::Task<void> Server::watch_memory() {
  while (true) {
    const uint64_t ticket = stop_.ticket();
    if (stopping_) co_return;
    apply_pressure();
    co_await stop_.wait(ticket, io::Loop::current()->now() + kMemoryWatch);
  }
}

void Server::apply_pressure() {
  const auto& memory = ports_.memory;
  const auto before = pressure();
  const auto level = next_level(before, memory.used(), memory.cap());
  context_.pressure.store(level, std::memory_order_relaxed);
  if (level != before) {
    const auto line = {LogField("level", name_of(level)), LogField("before", name_of(before)),
                       LogField("used_bytes", memory.used()), LogField("cap_bytes", memory.cap())};
    if (level > before) {
      ports_.log.warning("memory pressure rises", line);
    } else {
      ports_.log.info("memory pressure falls", line);
    }
  }
  const auto policy = policy_of(level);
  if (policy.trim_pools) buffers_.trim();
  if (!policy.close_idle) return;
  for (auto& worker : workers_) background_.start(close_idle(*worker));
}

io::Task<void> Server::close_idle(Worker& worker) {
  co_await worker.loop().enter();
  for (int most = kIdleClosedAtOnce; most > 0; --most) {
    if (!worker.close_longest_idle()) break;
  }
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
