#include "tests/sim/connection.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "tests/sim/file.h"
#include "tests/sim/network.h"

namespace sluice::sim {
namespace {

constexpr std::array kWaits = {SimConnection::Wait::read, SimConnection::Wait::write};

}  // namespace

struct SimConnection::Park {
  SimConnection& connection;
  size_t side;
  Wait what;
  bool await_ready() const { return false; }
  void await_suspend(std::coroutine_handle<> self) const {
    auto& waiting = connection.sides_[side].waiting[static_cast<size_t>(what)];
    CHECK(!waiting, "a socket has one waiter for each direction");
    waiting = self;
  }
  void await_resume() const {}
};

SimConnection::SimConnection(SimNetwork& network, uint64_t id, std::array<std::string, 2> names,
                             std::array<io::Endpoint, 2> ends)
    : network_(network), id_(id) {
  for (size_t side = 0; side < 2; ++side) {
    sides_[side].host = std::move(names[side]);
    sides_[side].end = std::move(ends[side]);
  }
}

void SimConnection::attach(size_t side, io::Loop& loop) { sides_[side].loop = &loop; }

Result<size_t> SimConnection::try_read(size_t side, MutableBytes out) {
  auto& self = sides_[side];
  if (self.closed) return fail(Errc::connection_closed, "read from a closed socket");
  if (self.received.empty()) {
    if (self.failed) return fail(*self.failed);
    if (self.ended || out.empty()) return 0;
    return fail(Errc::would_block);
  }
  if (out.empty()) return 0;
  const size_t count = network_.draw_part(std::min(out.size(), self.received.size()));
  std::copy_n(self.received.begin(), count, out.begin());
  self.received.erase(self.received.begin(), self.received.begin() + static_cast<ptrdiff_t>(count));
  send(other(side), {Packet::Kind::acknowledgement, {}, {}, count});
  return count;
}

Result<size_t> SimConnection::room(size_t side) const {
  const auto& self = sides_[side];
  if (self.closed) return fail(Errc::connection_closed, "write to a closed socket");
  if (self.failed) return fail(*self.failed);
  const size_t capacity = network_.options().buffer_bytes;
  if (self.unacknowledged >= capacity) return fail(Errc::would_block);
  return capacity - self.unacknowledged;
}

Result<size_t> SimConnection::try_peek(size_t side, MutableBytes out) const {
  const auto& self = sides_[side];
  if (self.closed) return fail(Errc::connection_closed, "read from a closed socket");
  if (self.received.empty()) {
    if (self.failed) return fail(*self.failed);
    if (self.ended || out.empty()) return 0;
    return fail(Errc::would_block);
  }
  const size_t count = std::min(out.size(), self.received.size());
  std::copy_n(self.received.begin(), count, out.begin());
  return count;
}

Result<size_t> SimConnection::try_write(size_t side, std::span<const ByteView> parts) {
  ASSIGN_OR_RETURN(const size_t free, room(side));
  size_t total = 0;
  for (const ByteView part : parts) total += part.size();
  if (total == 0) return 0;
  if (network_.draw_reset() || (side == 1 && network_.draw_lost_answer())) {
    reset("reset by chance");
    return fail(*sides_[side].failed);
  }
  std::vector<std::byte> bytes;
  const size_t count = network_.draw_part(std::min(free, total));
  bytes.reserve(count);
  for (const ByteView part : parts) {
    const auto taken = part.first(std::min(part.size(), count - bytes.size()));
    bytes.insert(bytes.end(), taken.begin(), taken.end());
  }
  sides_[side].unacknowledged += count;
  send_bytes(other(side), std::move(bytes));
  return count;
}

bool SimConnection::readable(const Side& side) const {
  // As the kernel does: a threshold above half of the buffer could never be reached.
  const size_t threshold = std::min(side.read_threshold, network_.options().buffer_bytes / 2);
  return side.ended || side.failed || side.received.size() >= std::max<size_t>(threshold, 1);
}

std::optional<Result<>> SimConnection::waited(size_t side, Wait what) const {
  const auto& self = sides_[side];
  if (self.closed) return fail(Errc::connection_closed, "the socket was closed");
  if (what == Wait::read) return readable(self) ? std::optional(Result<>()) : std::nullopt;
  const auto free = room(side);
  return free || free.error() != Errc::would_block ? std::optional(Result<>()) : std::nullopt;
}

io::Task<Result<>> SimConnection::wait(size_t side, Wait what) {
  if (auto now = waited(side, what)) return io::Task<Result<>>::ready(std::move(*now));
  return wait_for(shared_from_this(), side, what);
}

io::Task<Result<>> SimConnection::wait_for(std::shared_ptr<SimConnection> self, size_t side,
                                           Wait what) {
  while (true) {
    if (auto now = self->waited(side, what)) co_return std::move(*now);
    co_await Park{*self, side, what};
  }
}

struct SimConnection::Deadline final : io::Timer {
  explicit Deadline(SimConnection& of, size_t of_side) : connection(of), side(of_side) {}
  void fire() override {
    passed = true;
    connection.wake(side, Wait::read);
  }
  SimConnection& connection;
  const size_t side;
  bool passed = false;
};

io::Task<Result<>> SimConnection::readable_by(size_t side, TimePoint deadline) {
  const auto self = shared_from_this();
  io::Loop& loop = *io::Loop::current();
  Deadline timer(*this, side);
  loop.arm(timer, deadline);
  auto now = waited(side, Wait::read);
  while (!now && !timer.passed) {
    co_await Park{*this, side, Wait::read};
    now = waited(side, Wait::read);
  }
  if (timer.armed()) loop.disarm(timer);
  co_return now ? std::move(*now) : Result<>(fail(Errc::timed_out));
}

void SimConnection::set_read_threshold(size_t side, size_t bytes) {
  sides_[side].read_threshold = bytes;
  if (readable(sides_[side])) wake(side, Wait::read);
}

void SimConnection::wake(size_t side, Wait what) {
  auto& waiting = sides_[side].waiting[static_cast<size_t>(what)];
  if (waiting) sides_[side].loop->post(std::exchange(waiting, nullptr));
}

void SimConnection::wake_all(size_t side) {
  for (const Wait what : kWaits) wake(side, what);
}

void SimConnection::close(size_t side) {
  auto& self = sides_[side];
  if (std::exchange(self.closed, true)) return;
  wake_all(side);
  if (self.failed) return;
  const bool unread = !std::exchange(self.received, {}).empty();
  send(other(side), {unread ? Packet::Kind::reset : Packet::Kind::end, {}, {}, 0});
}

bool SimConnection::between(std::string_view a, std::string_view b) const {
  return (sides_[0].host == a && sides_[1].host == b) ||
         (sides_[0].host == b && sides_[1].host == a);
}

void SimConnection::fail_side(size_t side, Error error) {
  auto& self = sides_[side];
  if (self.failed) return;
  self.failed = std::move(error);
  wake_all(side);
}

void SimConnection::reset(std::string_view why) {
  network_.trace("reset", id_, 0, 0);
  for (size_t side = 0; side < 2; ++side) {
    sides_[side].incoming.clear();
    fail_side(side, Error(Errc::connection_closed,
                          end(other(side)).to_string() + ": " + std::string(why)));
  }
}

void SimConnection::host_died(const std::string& host, bool silently) {
  for (size_t side = 0; side < 2; ++side) {
    auto& self = sides_[side];
    if (self.host != host || self.dead) continue;
    const bool was_open = !self.closed && !self.failed;
    self.dead = true;
    self.incoming.clear();
    self.received.clear();
    fail_side(side, Error(Errc::connection_closed, "the node " + host + " was killed"));
    if (was_open && !silently) send(other(side), {Packet::Kind::reset, {}, {}, 0});
  }
}

void SimConnection::send(size_t to, Packet packet) {
  const Duration now = network_.now();
  packet.due = now + network_.draw_latency();
  auto& incoming = sides_[to].incoming;
  if (!incoming.empty()) packet.due = std::max(packet.due, incoming.back().due);
  const Duration delay = packet.due - now;
  incoming.push_back(std::move(packet));
  schedule_arrival(to, delay);
}

void SimConnection::send_bytes(size_t to, std::vector<std::byte> bytes) {
  for (size_t at = 0; at < bytes.size();) {
    const size_t piece = network_.draw_part(bytes.size() - at);
    const auto from = bytes.begin() + static_cast<ptrdiff_t>(at);
    send(to, {Packet::Kind::data, {}, {from, from + static_cast<ptrdiff_t>(piece)}, 0});
    at += piece;
  }
}

void SimConnection::schedule_arrival(size_t to, Duration delay) {
  network_.call_after(delay, [self = shared_from_this(), to] { self->arrive(to); });
}

void SimConnection::arrive(size_t to) {
  if (sides_[to].stalled || network_.is_cut(sides_[other(to)].host, sides_[to].host))
    return;  // until resend()
  auto& incoming = sides_[to].incoming;
  while (!incoming.empty() && incoming.front().due <= network_.now()) {
    Packet packet = std::move(incoming.front());
    incoming.pop_front();
    take(to, std::move(packet));
  }
}

void SimConnection::take(size_t to, Packet packet) {
  auto& self = sides_[to];
  network_.trace("arrive", id_ << 1 | to, static_cast<uint64_t>(packet.kind), packet.bytes.size());
  const bool from_closed_end = packet.kind == Packet::Kind::data && (self.closed || self.dead);
  if (from_closed_end && (!self.dead || network_.is_up(self.host))) {
    send(other(to), {Packet::Kind::reset, {}, {}, 0});
  }
  if (self.closed || self.dead || self.failed) return;
  switch (packet.kind) {
    case Packet::Kind::data:
      self.received.insert(self.received.end(), packet.bytes.begin(), packet.bytes.end());
      break;
    case Packet::Kind::end:
      self.ended = true;
      break;
    case Packet::Kind::reset:
      fail_side(to, Error(Errc::connection_closed,
                          end(other(to)).to_string() + ": connection reset by peer"));
      return;
    case Packet::Kind::acknowledgement:
      self.unacknowledged -= packet.acknowledged;
      wake(to, Wait::write);
      return;
  }
  if (readable(self)) wake(to, Wait::read);
}

void SimConnection::stall(std::string_view from, std::string_view to, bool held) {
  for (size_t side = 0; side < 2; ++side) {
    if (sides_[other(side)].host == from && sides_[side].host == to) sides_[side].stalled = held;
  }
  if (!held) resend();
}

void SimConnection::end_stall() {
  for (Side& side : sides_) side.stalled = false;
}

void SimConnection::resend() {
  for (size_t side = 0; side < 2; ++side) {
    if (sides_[side].incoming.empty()) continue;
    const Duration wait = sides_[side].incoming.front().due - network_.now();
    schedule_arrival(side, std::max(wait, Duration::zero()) + network_.draw_latency());
  }
}

void SimSocket::attach(io::Loop& loop) {
  CHECK(loop_ == nullptr, "a socket is attached to one loop at a time");
  loop_ = &loop;
  connection_->attach(side_, loop);
}

void SimSocket::check_loop() const {
  CHECK(loop_ != nullptr, "a socket is attached to a loop before it is used");
  CHECK(io::Loop::current() == loop_, "a socket is used on its own loop");
}

Result<size_t> SimSocket::try_read(MutableBytes out) {
  check_loop();
  return connection_->try_read(side_, out);
}

Result<size_t> SimSocket::try_write(std::span<const ByteView> parts, bool) {
  check_loop();
  return connection_->try_write(side_, parts);
}

Result<size_t> SimSocket::try_send_file(io::File& file, uint64_t position, size_t length,
                                        bool more) {
  check_loop();
  auto* const source = dynamic_cast<SimFile*>(&file);
  if (source == nullptr) return fail(Errc::unsupported, file.path() + " is no simulated file");
  ASSIGN_OR_RETURN(const size_t free, connection_->room(side_));
  std::vector<std::byte> bytes(std::min(free, length));
  ASSIGN_OR_RETURN(const size_t count, source->read_now(position, bytes));
  const std::array<ByteView, 1> parts = {ByteView(bytes).first(count)};
  return try_write(parts, more);
}

io::Task<Result<>> SimSocket::readable() {
  check_loop();
  return connection_->wait(side_, SimConnection::Wait::read);
}

io::Task<Result<>> SimSocket::readable_by(TimePoint deadline) {
  check_loop();
  return connection_->readable_by(side_, deadline);
}

Result<size_t> SimSocket::try_peek(MutableBytes out) {
  check_loop();
  return connection_->try_peek(side_, out);
}

void SimSocket::detach() {
  check_loop();
  loop_ = nullptr;
}

io::Task<Result<>> SimSocket::writable() {
  check_loop();
  return connection_->wait(side_, SimConnection::Wait::write);
}

void SimSocket::set_read_threshold(size_t bytes) { connection_->set_read_threshold(side_, bytes); }

}  // namespace sluice::sim
