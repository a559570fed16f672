#include "client/connection.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/check.h"
#include "base/version.h"

namespace sluice::client {
namespace {

constexpr size_t kReceiveBuffer = 64_KiB;
constexpr size_t kMaxParts = 64;

/// A batch may have 2 GiB, and an answer begins with one whole.
constexpr size_t kMaxAnswerBytes = std::numeric_limits<int32_t>::max();

Error closed_by_us() { return Error(Errc::connection_closed, "the connection was closed"); }

/// What one answer is refused for says nothing about the other calls: to them the connection ended,
/// and they may be made again.
Error lost_by(const Error& why) {
  return why.retriable() ? why : Error(Errc::connection_failed, std::string(why.message()));
}

Error error_of(const native::ErrorInfo& said) {
  const Errc code = errc_from_wire(said.code());
  return said.message().empty() ? Error(code) : Error(code, said.message());
}

}  // namespace

/// A frame on its way out; lives in the coroutine that sends it.
struct Connection::Outgoing {
  std::string head;
  std::span<const ByteView> payload;
  size_t size = 0;
  uint64_t correlation = 0;
  TimePoint deadline{};
  /// Only of a request that has no answer.
  io::OneShot<Result<>>* written = nullptr;
};

/// Who waits for an answer; lives in the coroutine of the call.
struct Connection::Waiter {
  TimePoint deadline{};
  io::OneShot<Result<Answer>> answer;
};

/// Looks after the deadlines of what is queued and pending.
class Connection::Watchdog final : public io::Timer {
 public:
  explicit Watchdog(Connection& connection) : connection_(connection) {}
  void fire() override { connection_.watch(); }

 private:
  Connection& connection_;
};

Connection::Connection(io::Endpoint peer, ConnectionOptions options,
                       std::unique_ptr<io::Socket> socket)
    : loop_(*io::Loop::current()),
      peer_(std::move(peer)),
      options_(std::move(options)),
      socket_(std::move(socket)),
      watchdog_(std::make_unique<Watchdog>(*this)) {}

Connection::~Connection() {
  CHECK(scope_.running() == 0, "a connection is shut down before it dies");
}

io::Task<Result<std::shared_ptr<Connection>>> Connection::open(io::Runtime& runtime,
                                                               io::Endpoint to,
                                                               ConnectionOptions options) {
  const TimePoint deadline = io::Loop::current()->now() + options.connect_timeout;
  auto socket = co_await runtime.network.connect(to, deadline);
  if (!socket) co_return fail(std::move(socket).error());
  std::shared_ptr<Connection> connection(
      new Connection(std::move(to), std::move(options), std::move(*socket)));
  connection->scope_.start(connection->run_writer());
  connection->scope_.start(connection->run_reader());
  auto hello = co_await connection->say_hello();
  if (!hello) {
    co_await connection->shut_down();
    co_return fail(std::move(hello).error().with_context(connection->peer_.to_string()));
  }
  co_return connection;
}

io::Task<Result<>> Connection::say_hello() {
  native::RequestHeader request;
  auto& hello = *request.mutable_hello();
  hello.set_min_version(native::kMinVersion);
  hello.set_max_version(native::kMaxVersion);
  hello.set_client_name(options_.client_id);
  hello.set_client_version(kVersion);
  auto answer = co_await call(request, {}, options_.connect_timeout);
  if (!answer) co_return fail(std::move(answer).error());
  if (!answer->header.has_hello()) {
    co_return fail(Errc::malformed_frame, "the broker did not answer hello with hello");
  }
  hello_ = std::move(*answer->header.mutable_hello());
  co_return Result<>{};
}

Result<> Connection::enqueue(native::RequestHeader& request, std::span<const ByteView> payload,
                             Outgoing& out) {
  if (failure_) return fail(*failure_);
  size_t payload_size = 0;
  for (const auto part : payload) payload_size += part.size();
  const size_t limit = hello_.max_frame_bytes();
  if (limit != 0 && payload_size > limit) {
    return fail(Errc::frame_too_large,
                "a request with " + std::to_string(payload_size) +
                    " bytes of records is above the broker's frame limit of " +
                    std::to_string(limit));
  }
  request.set_correlation_id(next_correlation_++);
  const size_t header_size = request.ByteSizeLong();
  // The magic goes out in front of the first frame.
  const size_t magic = request.correlation_id() == 1 ? native::kMagic.size() : 0;
  out.head.resize(magic + native::kPrefixSize + header_size);
  std::memcpy(out.head.data(), native::kMagic.data(), magic);
  auto* at = reinterpret_cast<std::byte*>(out.head.data()) + magic;
  native::encode_prefix({.header_size = static_cast<uint32_t>(header_size),
                         .payload_size = static_cast<uint32_t>(payload_size)},
                        {at, native::kPrefixSize});
  request.SerializeWithCachedSizesToArray(reinterpret_cast<uint8_t*>(at + native::kPrefixSize));
  out.payload = payload;
  out.size = out.head.size() + payload_size;
  out.correlation = request.correlation_id();
  queued_.push_back(&out);
  watch_until(out.deadline);
  work_.notify_all();
  return {};
}

io::Task<Result<Answer>> Connection::call(native::RequestHeader& request,
                                          std::span<const ByteView> payload,
                                          std::optional<Duration> timeout) {
  CHECK(io::Loop::current() == &loop_, "a connection is used on its own loop");
  const Duration limit = timeout.value_or(options_.request_timeout);
  Waiter waiter;
  Outgoing out;
  waiter.deadline = out.deadline = loop_.now() + limit;
  if (auto queued = enqueue(request, payload, out); !queued) {
    co_return fail(std::move(queued).error());
  }
  pending_.push_back({.correlation = out.correlation,
                      .give_up = loop_.now() + std::max(limit, options_.request_timeout),
                      .waiter = &waiter});
  auto answer = co_await waiter.answer;
  if (answer && answer->header.error().code() != 0) {
    co_return fail(error_of(answer->header.error()));
  }
  co_return answer;
}

io::Task<Result<>> Connection::send_only(native::RequestHeader& request,
                                         std::span<const ByteView> payload, Duration timeout) {
  io::OneShot<Result<>> written;
  Outgoing out;
  out.written = &written;
  out.deadline = loop_.now() + timeout;
  if (auto queued = enqueue(request, payload, out); !queued) {
    co_return fail(std::move(queued).error());
  }
  co_return co_await written;
}

/// Whether the first queued frame may leave: there is no limit on those without an answer.
bool Connection::may_send() const {
  return !queued_.empty() && (queued_.front()->written != nullptr || front_sent_ > 0 ||
                              unanswered_ < options_.max_in_flight);
}

io::Task<void> Connection::run_writer() {
  while (!failure_) {
    const uint64_t ticket = work_.ticket();
    if (!may_send()) {
      co_await work_.wait(ticket);
      continue;
    }
    auto written = co_await write_queued();
    if (!written) close(std::move(written).error());
  }
}

/// Sends the frames that may leave now, as many parts a call as the system takes.
io::Task<Result<>> Connection::write_queued() {
  while (may_send()) {
    ByteView parts[kMaxParts];
    size_t count = 0;
    size_t skip = front_sent_;
    const auto add = [&](ByteView part) {
      const size_t drop = std::min(skip, part.size());
      skip -= drop;
      if (drop < part.size() && count < kMaxParts) parts[count++] = part.subspan(drop);
    };
    size_t window = unanswered_;
    for (const Outgoing* frame : queued_) {
      if (count == kMaxParts) break;
      if (frame->written == nullptr && window++ >= options_.max_in_flight) break;
      add(as_bytes(frame->head));
      for (const auto part : frame->payload) add(part);
    }
    auto wrote = socket_->try_write({parts, count}, false);
    if (!wrote) {
      if (wrote.error() != Errc::would_block) co_return fail(std::move(wrote).error());
      CO_RETURN_IF_ERROR(co_await socket_->writable());
      if (failure_) co_return fail(*failure_);
      continue;
    }
    front_sent_ += *wrote;
    while (!queued_.empty() && front_sent_ >= queued_.front()->size) frame_written();
  }
  co_return Result<>{};
}

void Connection::frame_written() {
  Outgoing* frame = queued_.front();
  queued_.pop_front();
  front_sent_ -= frame->size;
  if (frame->written != nullptr) {
    frame->written->set(Result<>{});
  } else {
    ++unanswered_;
  }
}

io::Task<void> Connection::run_reader() {
  while (!failure_) {
    auto frame = co_await read_frame();
    if (!frame) close(lost_by(frame.error()));
  }
}

io::Task<Result<>> Connection::read_frame() {
  CO_RETURN_IF_ERROR(co_await fill(native::kPrefixSize));
  CO_ASSIGN_OR_RETURN(const native::FramePrefix prefix,
                      native::decode_prefix({received_.data() + read_, native::kPrefixSize},
                                            kMaxAnswerBytes, native::kMaxAnswerHeaderBytes));
  read_ += native::kPrefixSize;
  CO_RETURN_IF_ERROR(co_await fill(prefix.header_size));
  Answer answer;
  if (!answer.header.ParseFromArray(received_.data() + read_,
                                    static_cast<int>(prefix.header_size))) {
    co_return fail(Errc::malformed_frame,
                   peer_.to_string() + " sent a header that does not decode");
  }
  read_ += prefix.header_size;
  const uint64_t correlation = answer.header.correlation_id();
  if (pending_.empty() || pending_.front().correlation != correlation || !is_written(correlation)) {
    // The broker refuses what it could not read, before all of it was sent or under no id.
    if (answer.header.error().code() != 0) co_return fail(error_of(answer.header.error()));
    co_return fail(Errc::malformed_frame, peer_.to_string() + " answered what was not asked");
  }
  if (prefix.payload_size != 0) {
    auto payload = co_await read_payload(prefix.payload_size);
    if (!payload) co_return fail(std::move(payload).error());
    answer.payload = std::move(*payload);
  }
  if (failure_) co_return fail(*failure_);
  deliver(std::move(answer));
  co_return Result<>{};
}

bool Connection::is_written(uint64_t correlation) const {
  return queued_.empty() || correlation < queued_.front()->correlation;
}

void Connection::deliver(Answer answer) {
  Waiter* const waiter = pending_.front().waiter;
  pending_.pop_front();
  --unanswered_;
  if (!queued_.empty()) work_.notify_all();
  if (pending_.empty() && queued_.empty()) loop_.disarm(*watchdog_);
  if (waiter != nullptr) waiter->answer.set(std::move(answer));
}

/// Receives until `at_least` bytes wait in the buffer.
io::Task<Result<>> Connection::fill(size_t at_least) {
  if (read_ == filled_) read_ = filled_ = 0;
  if (received_.size() < read_ + at_least) {
    std::copy(received_.begin() + read_, received_.begin() + filled_, received_.begin());
    filled_ -= read_;
    read_ = 0;
    if (received_.size() < at_least) received_.resize(std::max(at_least, kReceiveBuffer));
  }
  while (filled_ - read_ < at_least) {
    auto got = socket_->try_read({received_.data() + filled_, received_.size() - filled_});
    if (!got) {
      if (got.error() != Errc::would_block) co_return fail(std::move(got).error());
      CO_RETURN_IF_ERROR(co_await socket_->readable());
      if (failure_) co_return fail(*failure_);
      continue;
    }
    if (*got == 0) {
      co_return fail(Errc::connection_closed, peer_.to_string() + " closed the connection");
    }
    filled_ += *got;
  }
  co_return Result<>{};
}

/// Takes what was received already and receives the rest straight into the payload.
io::Task<Result<Payload>> Connection::read_payload(size_t size) {
  Payload payload;
  // A much larger one would hold memory that nobody accounts for.
  if (spare_.capacity() >= size && spare_.capacity() / 4 <= size) {
    payload = std::exchange(spare_, {});
    payload.resize(size);
  } else {
    payload = Payload(size);
  }
  size_t have = std::min(size, filled_ - read_);
  std::memcpy(payload.bytes().data(), received_.data() + read_, have);
  read_ += have;
  while (have < size) {
    auto got = socket_->try_read(payload.bytes().subspan(have));
    if (!got) {
      if (got.error() != Errc::would_block) co_return fail(std::move(got).error());
      CO_RETURN_IF_ERROR(co_await socket_->readable());
      if (failure_) co_return fail(*failure_);
      continue;
    }
    if (*got == 0) {
      co_return fail(Errc::connection_closed, peer_.to_string() + " closed the connection");
    }
    have += *got;
  }
  co_return payload;
}

void Connection::watch_until(TimePoint at) {
  if (watchdog_->armed() && watch_at_ <= at) return;
  watch_at_ = at;
  loop_.arm(*watchdog_, at);
}

void Connection::watch() {
  const TimePoint now = loop_.now();
  for (const Outgoing* frame : queued_) {
    if (frame->written != nullptr && frame->deadline <= now) {
      return close(Error(Errc::timed_out, peer_.to_string() + " does not read what is sent"));
    }
  }
  for (auto& pending : pending_) {
    if (pending.give_up <= now || !expire(pending)) {
      return close(Error(Errc::timed_out, peer_.to_string() + " did not answer in time"));
    }
  }
  std::erase_if(pending_, [](const Pending& pending) {
    return pending.waiter == nullptr && pending.give_up == TimePoint::min();
  });
  for (const Outgoing* frame : queued_) watch_until(frame->deadline);
  for (const auto& pending : pending_) {
    watch_until(pending.waiter != nullptr ? pending.waiter->deadline : pending.give_up);
  }
}

/// Ends the call alone when its time is over; false when the connection cannot go on without it,
/// because a part of its frame is out.
bool Connection::expire(Pending& pending) {
  if (pending.waiter == nullptr || pending.waiter->deadline > loop_.now()) return true;
  if (!is_written(pending.correlation)) {
    const auto frame = std::ranges::find(queued_, pending.correlation, &Outgoing::correlation);
    if (frame == queued_.begin() && front_sent_ > 0) return false;
    queued_.erase(frame);
    pending.give_up = TimePoint::min();
  }
  std::exchange(pending.waiter, nullptr)
      ->answer.set(fail(Errc::timed_out, peer_.to_string() + " did not answer in time"));
  return true;
}

void Connection::close(Error why) {
  if (failure_) return;
  failure_ = std::move(why);
  socket_->close();
  loop_.disarm(*watchdog_);
  for (auto* frame : std::exchange(queued_, {})) {
    if (frame->written != nullptr) frame->written->set(fail(*failure_));
  }
  for (auto& pending : std::exchange(pending_, {})) {
    if (pending.waiter != nullptr) pending.waiter->answer.set(fail(*failure_));
  }
  work_.notify_all();
}

io::Task<void> Connection::shut_down() {
  close(closed_by_us());
  co_await scope_.join();
}

}  // namespace sluice::client
