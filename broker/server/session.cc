#include "broker/server/session.h"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "base/check.h"
#include "io/loop.h"

namespace sluice::broker {
namespace {

/// What is read for one connection before others of its worker have their turn.
constexpr size_t kReadTurn = 256_KiB;
/// Responses that leave in one system call.
constexpr size_t kSendTogether = 32;
/// Of a large frame so much waits in the kernel before it is read, if so much is missing.
constexpr size_t kWorthWaiting = 64_KiB;
constexpr size_t kMostWaiting = 256_KiB;
/// Bytes a second below which a frame is too slow, whatever progress it makes.
constexpr int64_t kSlowestFrame = 16_KiB;
/// Of a broker's: its network is a cluster's, and what it holds is missing to the others.
constexpr int64_t kSlowestPeerFrame = 1_MiB;

}  // namespace

void Exchange::release_order() { session_->order_released(*this); }

Session::Session(std::unique_ptr<io::Socket> socket, Worker& worker,
                 std::shared_ptr<AddressAccount> account,
                 std::span<const ServedFrontEnd> front_ends)
    : connection_(std::move(socket), worker, *this),
      worker_(worker),
      account_(std::move(account)),
      front_ends_(front_ends),
      progress_(worker.loop().now()) {
  worker_.add(*this);
  worker_.deadlines().add(*this);
}

Session::~Session() {
  CHECK(first_ == nullptr && !flushing_, "a session ends after its requests");
  worker_.deadlines().remove(*this);
  worker_.remove(*this);
}

io::Task<void> Session::run() {
  while (!over_ && !draining_) {
    if (!co_await connection_.socket().readable()) break;
    if (!co_await serve()) break;
  }
  co_await wind_up();
}

io::Task<void> Session::wind_up() {
  over_ = true;
  if (protocol_) protocol_->end();
  while (first_ != nullptr || flushing_) {
    waits_for_quiet_ = true;
    co_await quiet_.wait();
  }
  close_after_reading();
}

/// Bytes that nobody read would make the system reset the connection, and the peer lose the answers
/// that are on their way to it.
void Session::close_after_reading() {
  std::array<std::byte, 4096> unread;
  for (int most = 256; most > 0; --most) {
    if (connection_.socket().try_read(unread).value_or(0) == 0) break;
  }
  connection_.close();
}

void Session::drain() {
  if (std::exchange(draining_, true)) return;
  if (protocol_) protocol_->end();
  if (admission_waiter_ != nullptr) worker_.context().admission.cancel(*admission_waiter_);
  if (first_ == nullptr && !flushing_) close_after_reading();
}

void Session::abort() {
  over_ = true;
  if (protocol_) protocol_->end();
  if (admission_waiter_ != nullptr) worker_.context().admission.cancel(*admission_waiter_);
  connection_.close();
}

TimePoint Session::idle_since() const {
  const bool is_idle = first_ == nullptr && !reader_.partial() && !over_ && !of_broker_;
  return is_idle ? progress_ : TimePoint::max();
}

/// Whether what comes next is ours to do, not the peer's.
bool Session::waits_for_us(TimePoint now) const {
  return waits_for_memory_ || waits_to_start_ || holds_order_ != nullptr || now < delayed_until_;
}

TimePoint Session::due(TimePoint now) const {
  const auto& options = worker_.options();
  const TimePoint blocked = connection_.blocked_since();
  if (blocked != TimePoint::max()) return blocked + options.frame_timeout;
  if (waits_for_us(now)) return now + options.frame_timeout;
  if (reader_.partial()) return part_since_ + options.frame_timeout;
  if (first_ != nullptr) return now + options.idle_timeout;
  return progress_ + options.idle_timeout;
}

void Session::expired() {
  auto& metrics = worker_.context().metrics;
  if (connection_.blocked_since() != TimePoint::max()) {
    metrics.closed_unread.add(worker_.index());
  } else {
    (reader_.partial() ? metrics.closed_stuck : metrics.closed_idle).add(worker_.index());
  }
  abort();
}

void Session::progressed() {
  progress_ = worker_.loop().now();
  ++worker_.activity;
}

// Reading.

/// Reads and starts what is there; false: the connection is to end.
io::Task<bool> Session::serve() {
  size_t turn = 0;
  while (!over_ && !draining_) {
    MutableBytes space = reader_.space();
    if (space.empty()) {
      if (!take_chunk()) {
        if (!co_await wait_for_chunk()) break;
        // What was read to learn the size of the frame may be all of it.
        if (!co_await start_all_frames()) co_return false;
      }
      space = reader_.space();
      if (space.empty()) continue;
    }
    const auto count = connection_.socket().try_read(space);
    if (!count && count.error() == Errc::would_block) break;
    if (!count || *count == 0) co_return false;
    received(*count);
    if (!co_await start_all_frames()) co_return false;
    if (*count < space.size()) break;
    turn += *count;
    if (turn >= kReadTurn) {
      turn = 0;
      co_await worker_.loop().yield();
    }
  }
  park();
  co_return !over_;
}

void Session::received(size_t count) {
  progressed();
  read_at_ = worker_.clock().now();
  started_at_ = read_at_;
  arrived_ = worker_.clock().wall_now();
  if (!reader_.partial()) frame_begun_ = read_at_;
  reader_.received(count);
  if (reader_.head().size != 0) keep_pace();
  worker_.context().metrics.bytes_in.add(worker_.index(), count);
}

/// A byte now and then is no progress: what a frame brings within its time-out has a least rate.
void Session::keep_pace() {
  if (reader_.rest().size() >= part_end_) expect_part();
}

void Session::expect_part() {
  const auto& timeout = worker_.options().frame_timeout;
  const bool of_peer = reader_.head().traffic == TrafficClass::control;
  const int64_t slowest = of_peer ? kSlowestPeerFrame : kSlowestFrame;
  const auto part = static_cast<size_t>(slowest * timeout / std::chrono::seconds(1));
  const size_t there = reader_.rest().size();
  const size_t missing = reader_.head().size - std::min(reader_.head().size, there);
  part_since_ = worker_.loop().now();
  part_end_ = there + std::max<size_t>(std::min(part, missing), 1);
}

/// Nothing more is there for now.
void Session::park() {
  reader_.park();
  size_t threshold = 1;
  if (reader_.partial()) {
    keep_pace();
    const size_t missing =
        reader_.head().size - std::min(reader_.head().size, reader_.rest().size());
    if (missing >= kWorthWaiting) threshold = std::min(missing, kMostWaiting);
    // It was filed for the idle time-out, which is later.
    worker_.deadlines().moved_up(*this);
  }
  connection_.socket().set_read_threshold(threshold);
}

/// Starts the frames that are complete, waiting as order, bounds and delays demand.
io::Task<bool> Session::start_all_frames() {
  while (true) {
    const Stop stop = start_frames();
    flush_soon();
    switch (stop) {
      case Stop::drained:
        co_return true;
      case Stop::failed:
        co_return false;
      case Stop::order:
      case Stop::full:
        if (holds_order_ == nullptr && !full()) break;  // the flush made room
        waits_to_start_ = true;
        co_await may_start_.wait();
        break;
      case Stop::delayed:
        co_await io::sleep_until(delayed_until_);
        break;
    }
    if (over_ || draining_) co_return false;
    started_at_ = worker_.clock().now();
    expect_part();
  }
}

bool Session::full() const {
  return in_flight_ >= worker_.options().max_in_flight ||
         in_flight_bytes_ >= worker_.options().max_in_flight_bytes;
}

Session::Stop Session::start_frames() {
  starting_ = true;
  auto stop = Stop::drained;
  while (true) {
    if (!reader_.partial()) break;
    if (!protocol_ && !choose_protocol()) {
      stop = over_ ? Stop::failed : Stop::drained;
      break;
    }
    if (holds_order_ != nullptr) {
      stop = Stop::order;
      break;
    }
    if (full()) {
      stop = Stop::full;
      break;
    }
    if (delayed_until_ > started_at_) {
      stop = Stop::delayed;
      break;
    }
    auto next = reader_.next(*protocol_);
    if (!next) {
      refuse(next.error());
      stop = Stop::failed;
      break;
    }
    if (next->frame.empty()) break;
    start(std::move(*next));
  }
  starting_ = false;
  return stop;
}

bool Session::choose_protocol() {
  const ByteView opening = reader_.rest();
  if (opening.size() < FrontEnd::kOpeningBytes) return false;
  for (const auto& served : front_ends_) {
    if (!served.front_end.recognises(opening.first<FrontEnd::kOpeningBytes>())) continue;
    reader_.skip(served.front_end.preamble());
    metrics_ = &served.metrics;
    protocol_ = served.front_end.open({worker_, connection_.peer()});
    return true;
  }
  worker_.context().metrics.bad_frames.add(worker_.index());
  over_ = true;
  return false;
}

Exchange& Session::enqueue() {
  Exchange* const exchange = worker_.exchanges().take().release();
  exchange->session_ = this;
  exchange->next_ = nullptr;
  (last_ != nullptr ? last_->next_ : first_) = exchange;
  last_ = exchange;
  ++in_flight_;
  return *exchange;
}

void Session::start(FrameReader::Next next) {
  Exchange& exchange = enqueue();
  exchange.frame = next.frame;
  exchange.chunk_ = std::move(next.chunk);
  exchange.traffic = next.traffic;
  if (next.traffic == TrafficClass::control && !std::exchange(of_broker_, true)) {
    connection_.set_traffic(TrafficClass::control);
  }
  exchange.held_bytes_ = next.frame.size();
  in_flight_bytes_ += exchange.held_bytes_;
  exchange.arrived = arrived_;
  exchange.times = {.begun = frame_begun_, .complete = read_at_, .started = started_at_};
  frame_begun_ = read_at_;  // of the next one, as far as it is there
  part_end_ = 0;
  holds_order_ = &exchange;
  io::start_detached(answer(exchange));
}

io::Task<void> Session::answer(Exchange& exchange) {
  co_await protocol_->handle(exchange);
  completed(exchange);
}

void Session::refuse(const Error& why) {
  worker_.context().metrics.bad_frames.add(worker_.index());
  Exchange& exchange = enqueue();
  exchange.times = {frame_begun_, read_at_, read_at_, read_at_, read_at_};
  protocol_->refuse(exchange, why);
  exchange.response.close_after = true;
  exchange.done_ = true;
}

void Session::order_released(Exchange& exchange) {
  if (std::exchange(exchange.order_released_, true)) return;
  exchange.times.ordered = worker_.clock().now();
  CHECK(holds_order_ == &exchange, "the newest request holds the order");
  holds_order_ = nullptr;
  if (exchange.delay > Duration{0} && exchange.traffic == TrafficClass::client) {
    delayed_until_ = exchange.times.ordered + exchange.delay;
  }
  if (std::exchange(waits_to_start_, false)) may_start_.set();
}

void Session::completed(Exchange& exchange) {
  if (exchange.order_released_) {
    exchange.times.answered = worker_.clock().now();
  } else {
    order_released(exchange);
    exchange.times.answered = exchange.times.ordered;
  }
  exchange.release_frame();
  const size_t answer_bytes = exchange.response.bytes().size();
  exchange.held_bytes_ += answer_bytes;
  in_flight_bytes_ += answer_bytes;
  exchange.done_ = true;
  if (&exchange != first_ || starting_) return;
  // Others that complete in this turn leave together with it.
  if (in_flight_ > 1) {
    if (!std::exchange(flushing_, true)) io::start_detached(flush_next_turn());
  } else {
    flush_soon();
  }
}

// Memory to read into.

/// False when it has to wait.
bool Session::take_chunk() {
  const auto& head = reader_.head();
  const size_t size = std::max(head.size, kBufferTiers[1]);
  auto grant = worker_.context().admission.try_admit(head.traffic, account_, buffer_bytes(size));
  if (!grant) return false;
  auto buffer = worker_.buffers(head.traffic).take(size);
  if (!buffer) return false;
  reader_.continue_in(worker_.chunks().wrap(std::move(*buffer), std::move(*grant)));
  return true;
}

/// Memory is short: learns what the next frame is from its first bytes, then lets it wait in the
/// kernel for its turn. False: nothing to read yet, or the connection is over.
io::Task<bool> Session::wait_for_chunk() {
  if (!reader_.holds_chunk() && reader_.head().size == 0) {
    auto known = co_await read_head();
    if (!known) over_ = true;
    if (!known || !*known) co_return false;
  }
  // Who waits for more holds no admission, so that those before it can always finish.
  reader_.release_grant();
  auto& admission = worker_.context().admission;
  const size_t size = std::max<size_t>({reader_.head().size, reader_.rest().size(), 1});
  Admission::Waiter waiter;
  waiter.traffic = reader_.head().traffic;
  waiter.account = account_;
  waiter.bytes = std::min(buffer_bytes(size), admission.largest(waiter.traffic));
  waits_for_memory_ = true;
  admission_waiter_ = &waiter;
  auto grant = co_await admission.admit(waiter);
  admission_waiter_ = nullptr;
  std::optional<Result<Buffer>> buffer;
  if (grant && !over_ && !draining_) buffer = co_await take_buffer(size);
  waits_for_memory_ = false;
  progressed();
  // Once it drains no handler begins any more.
  if (!buffer || over_ || draining_) co_return false;
  if (!*buffer) {
    over_ = true;
    co_return false;
  }
  reader_.continue_in(worker_.chunks().wrap(std::move(**buffer), std::move(*grant)));
  expect_part();
  co_return true;
}

/// Whether the size and class of the next frame are known now.
io::Task<Result<bool>> Session::read_head() {
  const auto count = connection_.socket().try_read(reader_.head_space());
  if (!count && count.error() == Errc::would_block) co_return false;
  if (!count || *count == 0) co_return fail(Errc::connection_closed);
  received(*count);
  if (!protocol_ && !choose_protocol()) {
    if (over_) co_return fail(Errc::malformed_frame);
    co_return false;
  }
  const auto next = reader_.next(*protocol_);
  if (!next) {
    refuse(next.error());
    flush_soon();
    co_return fail(next.error());
  }
  co_return reader_.head().size != 0;
}

/// The pool's budget may be spent by others than frames for a while.
io::Task<Result<Buffer>> Session::take_buffer(size_t size) {
  const TimePoint give_up = worker_.loop().now() + worker_.options().frame_timeout;
  while (true) {
    auto buffer = worker_.buffers(reader_.head().traffic).take(size);
    if (buffer || over_ || draining_ || worker_.loop().now() >= give_up) co_return buffer;
    co_await io::sleep_for(20ms);
  }
}

// Sending.

void Session::flush_soon() {
  if (flushing_ || first_ == nullptr || !first_->done_) return;
  flushing_ = true;
  io::start_detached(flush());
}

io::Task<void> Session::flush_next_turn() {
  co_await worker_.loop().yield();
  co_await flush();
}

/// Sends responses as long as the first in line is ready.
io::Task<void> Session::flush() {
  while (first_ != nullptr && first_->done_) {
    std::array<ByteView, kSendTogether> heads;
    size_t count = 0;
    Exchange* last = first_;
    for (Exchange* next = first_; next != nullptr && next->done_ && count < heads.size();
         next = next->next_) {
      // Its slices may wait for a disk, which the answers before it do not.
      if (count > 0 && !next->response.slices.empty()) break;
      last = next;
      if (!next->response.bytes().empty()) heads[count++] = next->response.bytes();
      if (!next->response.slices.empty() || next->response.close_after) break;
    }
    Result<> result;
    if (count > 0) {
      result = co_await connection_.send({heads.data(), count}, last->response.slices);
    }
    progressed();
    if (!result) {
      abort();
    } else if (last->response.close_after) {
      over_ = true;  // run() leaves the socket to wind_up()
      if (!waits_for_quiet_) close_after_reading();
    }
    retire(last, result.has_value());
  }
  flushing_ = false;
  if (first_ != nullptr) co_return;
  if (draining_) close_after_reading();
  if (std::exchange(waits_for_quiet_, false)) quiet_.set();
}

/// Gives up the exchanges up to and with `last`.
void Session::retire(Exchange* last, bool sent) {
  const TimePoint now = worker_.clock().now();
  bool more = true;
  while (more) {
    std::unique_ptr<Exchange> exchange(first_);
    more = first_ != last;
    first_ = exchange->next_;
    if (first_ == nullptr) last_ = nullptr;
    --in_flight_;
    in_flight_bytes_ -= std::exchange(exchange->held_bytes_, 0);
    if (sent) metrics_->record(worker_.index(), *exchange, now);
    worker_.exchanges().give_back(std::move(exchange));
  }
  if (std::exchange(waits_to_start_, false)) may_start_.set();
}

}  // namespace sluice::broker
