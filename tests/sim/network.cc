#include "tests/sim/network.h"

#include <algorithm>

#include "base/check.h"

namespace sluice::sim {

SimNetwork::SimNetwork(Scheduler& scheduler, NetworkOptions options)
    : scheduler_(scheduler), options_(options), random_(scheduler.fork_seed("network")) {}

void SimNetwork::cut(std::string_view from, std::string_view to) { cuts_.emplace(from, to); }

void SimNetwork::heal(std::string_view from, std::string_view to) {
  cuts_.erase({std::string(from), std::string(to)});
  for_each_connection([](SimConnection& connection) { connection.resend(); });
}

void SimNetwork::stall(std::string_view from, std::string_view to) {
  for_each_connection([&](SimConnection& connection) { connection.stall(from, to, true); });
}

void SimNetwork::unstall(std::string_view from, std::string_view to) {
  for_each_connection([&](SimConnection& connection) { connection.stall(from, to, false); });
}

void SimNetwork::partition(const std::vector<std::string>& a, const std::vector<std::string>& b) {
  for (const auto& left : a) {
    for (const auto& right : b) {
      cut(left, right);
      cut(right, left);
    }
  }
}

void SimNetwork::heal_all() {
  cuts_.clear();
  for_each_connection([](SimConnection& connection) {
    connection.end_stall();
    connection.resend();
  });
}

void SimNetwork::reset(std::string_view a, std::string_view b) {
  for_each_connection([&](SimConnection& connection) {
    if (connection.between(a, b)) connection.reset("connection reset by the network");
  });
}

bool SimNetwork::is_cut(std::string_view from, std::string_view to) const {
  return cuts_.contains({std::string(from), std::string(to)});
}

void SimNetwork::call_after(Duration delay, std::move_only_function<void()> event) {
  scheduler_.call_after(delay, std::move(event));
}

void SimNetwork::trace(std::string_view what, uint64_t id, uint64_t kind, uint64_t bytes) {
  scheduler_.trace().note(what, id, kind, bytes);
}

Duration SimNetwork::draw_latency() {
  const auto spread = static_cast<uint64_t>((options_.latency_max - options_.latency_min).count());
  return options_.latency_min + Duration(random_.below(spread + 1));
}

size_t SimNetwork::draw_part(size_t most) {
  if (options_.split_one_in == 0 || !random_.one_in(options_.split_one_in)) return most;
  return 1 + random_.below(random_.one_in(2) ? most : std::min<size_t>(most, 8));
}

bool SimNetwork::draw_reset() {
  return options_.reset_one_in != 0 && random_.one_in(options_.reset_one_in);
}

bool SimNetwork::draw_lost_answer() {
  return options_.lose_answer_one_in != 0 && random_.one_in(options_.lose_answer_one_in);
}

bool SimNetwork::is_up(std::string_view host) const {
  const auto found = hosts_.find(host);
  return found != hosts_.end() && found->second->alive();
}

std::shared_ptr<SimConnection> SimNetwork::connection(std::array<std::string, 2> names,
                                                      std::array<io::Endpoint, 2> ends) {
  std::erase_if(connections_, [](const auto& weak) { return weak.expired(); });
  auto made = std::make_shared<SimConnection>(*this, ++connections_made_, std::move(names),
                                              std::move(ends));
  connections_.push_back(made);
  return made;
}

template <class F>
void SimNetwork::for_each_connection(F visit) {
  const auto all = connections_;
  for (const auto& weak : all) {
    if (const auto connection = weak.lock()) visit(*connection);
  }
}

/// What a listener and its waiting accept() share.
struct SimHost::Listening {
  io::Endpoint local;
  std::deque<std::unique_ptr<io::Socket>> queue;
  std::coroutine_handle<> waiting;
  io::Loop* loop = nullptr;
  bool closed = false;
  std::optional<Error> failure;

  void wake() {
    if (waiting) loop->post(std::exchange(waiting, nullptr));
  }
  void close() {
    closed = true;
    queue.clear();
    wake();
  }
};

class SimListener final : public io::Listener {
 public:
  SimListener(SimHost& host, std::shared_ptr<SimHost::Listening> state)
      : host_(host), state_(std::move(state)) {}
  ~SimListener() override { close(); }

  io::Task<Result<std::unique_ptr<io::Socket>>> accept() override { return next(state_); }
  void close() override {
    if (state_->closed) return;
    host_.listening_.erase(state_->local.port);
    state_->close();
  }
  const io::Endpoint& local() const override { return state_->local; }

 private:
  struct Park {
    SimHost::Listening& state;
    bool await_ready() const { return !state.queue.empty() || state.closed; }
    void await_suspend(std::coroutine_handle<> self) {
      CHECK(!state.waiting, "one accept() waits at a time");
      state.waiting = self;
      state.loop = io::Loop::current();
    }
    void await_resume() const {}
  };
  static io::Task<Result<std::unique_ptr<io::Socket>>> next(
      std::shared_ptr<SimHost::Listening> state) {
    co_await Park{*state};
    if (state->closed) {
      co_return fail(Errc::connection_closed, state->local.to_string() + " listens no more");
    }
    if (auto failure = std::exchange(state->failure, std::nullopt)) co_return fail(*failure);
    auto socket = std::move(state->queue.front());
    state->queue.pop_front();
    co_return socket;
  }

  SimHost& host_;
  const std::shared_ptr<SimHost::Listening> state_;
};

/// A connect() in progress: its outcome, or the deadline.
class SimHost::Dial final : public io::Timer {
 public:
  explicit Dial(io::Endpoint own) : own(std::move(own)), loop(io::Loop::current()) {
    CHECK(loop != nullptr, "connecting happens on a loop");
  }
  void fire() override { finish(fail(Errc::timed_out, "no answer in time")); }
  void finish(Result<std::unique_ptr<io::Socket>> result) {
    if (outcome) return;
    outcome.emplace(std::move(result));
    loop->post(waiting);
  }
  auto until(TimePoint deadline) {
    struct Park {
      Dial& dial;
      TimePoint deadline;
      bool await_ready() const { return false; }
      void await_suspend(std::coroutine_handle<> self) {
        dial.waiting = self;
        dial.loop->arm(dial, deadline);
      }
      void await_resume() { dial.loop->disarm(dial); }
    };
    return Park{*this, deadline};
  }

  const io::Endpoint own;
  io::Loop* const loop;
  std::coroutine_handle<> waiting;
  std::optional<Result<std::unique_ptr<io::Socket>>> outcome;
};

SimHost::SimHost(SimNetwork& network, std::string name)
    : network_(network), name_(std::move(name)) {
  CHECK(!network_.is_up(name_), "no two hosts of one name are up: " + name_);
  network_.hosts_[name_] = this;
}

SimHost::~SimHost() {
  const auto found = network_.hosts_.find(name_);
  if (found != network_.hosts_.end() && found->second == this) network_.hosts_.erase(found);
}

bool SimHost::is_own(std::string_view host) const {
  return host == name_ || host == "localhost" || host == "127.0.0.1" || host == "::1";
}

io::Task<Result<std::unique_ptr<io::Listener>>> SimHost::listen(io::Endpoint at) {
  using Made = io::Task<Result<std::unique_ptr<io::Listener>>>;
  const std::string where = "listen on " + at.to_string();
  if (!alive_) return Made::ready(fail(Errc::connection_failed, where + ": the node was killed"));
  if (!is_own(at.host) && at.host != "0.0.0.0" && at.host != "::") {
    return Made::ready(fail(Errc::invalid_argument, where + ": not an address of " + name_));
  }
  while (at.port == 0 || (at.port == next_port_ && listening_.contains(at.port))) {
    at.port = next_port_++;
    if (listening_.contains(at.port)) at.port = 0;
  }
  if (listening_.contains(at.port)) {
    return Made::ready(fail(Errc::address_in_use, where + ": the address is in use"));
  }
  auto state = std::make_shared<Listening>();
  state->local = std::move(at);
  listening_.emplace(state->local.port, state);
  return Made::ready(std::make_unique<SimListener>(*this, std::move(state)));
}

void SimHost::fail_accept(uint16_t port, Error error) {
  listening_.at(port)->failure = std::move(error);
}

io::Task<Result<std::unique_ptr<io::Socket>>> SimHost::connect(io::Endpoint to,
                                                               TimePoint deadline) {
  const std::string where = "connect to " + to.to_string();
  if (!alive_) co_return fail(Errc::connection_failed, where + ": the node was killed");
  std::string target = is_own(to.host) ? name_ : to.host;
  if (!network_.hosts_.contains(target)) {
    co_return fail(Errc::unresolved_host, where + ": the host does not resolve");
  }
  // As the system does, it goes out by the address that it goes to.
  auto dial = std::make_shared<Dial>(io::Endpoint{is_own(to.host) ? to.host : name_, next_port_++});
  network_.call_after(network_.draw_latency(),
                      [this, dial, target, to] { request(dial, target, to); });
  co_await dial->until(deadline);
  if (!alive_) co_return fail(Errc::connection_failed, where + ": the node was killed");
  if (!*dial->outcome) co_return fail(std::move(*dial->outcome).error().with_context(where));
  auto socket = std::move(**dial->outcome);
  socket->attach(*dial->loop);
  co_return socket;
}

void SimHost::request(std::shared_ptr<Dial> dial, std::string target, io::Endpoint to) {
  if (dial->outcome || !alive_) return;
  if (network_.is_cut(name_, target)) {  // as TCP sends its first packet again
    network_.call_after(std::chrono::seconds(1),
                        [this, dial, target, to] { request(dial, target, to); });
    return;
  }
  const auto found = network_.hosts_.find(target);
  if (found == network_.hosts_.end() || !found->second->alive()) return;
  SimHost& host = *found->second;
  network_.trace("connect", mix(0, target), to.port, 0);
  const auto listening = host.listening_.find(to.port);
  if (listening == host.listening_.end()) {
    answer(dial, target, fail(Errc::connection_refused, "nobody listens"));
    return;
  }
  auto connection = network_.connection({name_, target}, {dial->own, to});
  listening->second->queue.push_back(std::make_unique<SimSocket>(connection, 1));
  listening->second->wake();
  answer(dial, target, std::make_unique<SimSocket>(connection, 0));
}

void SimHost::answer(std::shared_ptr<Dial> dial, std::string target,
                     Result<std::unique_ptr<io::Socket>> outcome) {
  network_.call_after(network_.draw_latency(), [this, dial, target = std::move(target),
                                                outcome = std::move(outcome)]() mutable {
    if (!network_.is_cut(target, name_)) {
      dial->finish(std::move(outcome));
    } else if (!dial->outcome) {
      network_.call_after(std::chrono::seconds(1), [this, dial, target = std::move(target),
                                                    outcome = std::move(outcome)]() mutable {
        answer(std::move(dial), std::move(target), std::move(outcome));
      });
    }
  });
}

void SimHost::kill(Death death) {
  if (!std::exchange(alive_, false)) return;
  const auto listening = std::exchange(listening_, {});
  network_.for_each_connection(
      [&](SimConnection& connection) { connection.host_died(name_, death == Death::power); });
  for (const auto& [port, state] : listening) state->close();
}

}  // namespace sluice::sim
