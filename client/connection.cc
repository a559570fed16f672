#include "client/connection.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/check.h"

namespace sluice::client {
namespace {

constexpr size_t kReceiveBuffer = 64_KiB;
constexpr size_t kMaxParts = 64;
constexpr size_t kSparePayloads = 4;
constexpr std::string_view kClientVersion = "0.1.0";

Error closed_by_us() { return Error(Errc::connection_closed, "the connection was closed"); }

}  // namespace

/// A frame on its way out; lives in the coroutine that sends it.
struct Connection::Outgoing {
  std::string head;
  std::span<const ByteView> payload;
  io::OneShot<Result<>>* written = nullptr;
};

struct Connection::Pending {
  uint64_t correlation = 0;
  TimePoint deadline{};
  io::OneShot<Result<Answer>> answer;
};

/// Ends the connection when the oldest deadline among the pending calls has passed.
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
      in_flight_(options_.max_in_flight),
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
  hello.set_client_version(std::string(kClientVersion));
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
  queued_.push_back(&out);
  work_.notify_all();
  return {};
}

io::Task<Result<Answer>> Connection::call(native::RequestHeader& request,
                                          std::span<const ByteView> payload,
                                          std::optional<Duration> timeout) {
  CHECK(io::Loop::current() == &loop_, "a connection is used on its own loop");
  co_await in_flight_.acquire();
  Outgoing out;
  if (auto queued = enqueue(request, payload, out); !queued) {
    in_flight_.release();
    co_return fail(std::move(queued).error());
  }
  Pending pending;
  pending.correlation = request.correlation_id();
  pending.deadline = loop_.now() + timeout.value_or(options_.request_timeout);
  pending_.push_back(&pending);
  if (!watchdog_->armed() || pending.deadline < watch_at_) {
    watch_at_ = pending.deadline;
    loop_.arm(*watchdog_, watch_at_);
  }
  auto answer = co_await pending.answer;
  in_flight_.release();
  if (answer && answer->header.has_error() && answer->header.error().code() != 0) {
    const auto& error = answer->header.error();
    const Errc code = errc_from_wire(error.code());
    if (error.message().empty()) co_return fail(code);
    co_return fail(code, error.message());
  }
  co_return answer;
}

io::Task<Result<>> Connection::send_only(native::RequestHeader& request,
                                         std::span<const ByteView> payload) {
  io::OneShot<Result<>> written;
  Outgoing out;
  out.written = &written;
  if (auto queued = enqueue(request, payload, out); !queued) {
    co_return fail(std::move(queued).error());
  }
  co_return co_await written;
}

io::Task<void> Connection::run_writer() {
  while (!failure_) {
    const uint64_t ticket = work_.ticket();
    if (queued_.empty()) {
      co_await work_.wait(ticket);
      continue;
    }
    auto written = co_await write_queued();
    if (!written) close(std::move(written).error());
  }
}

/// Sends all frames that are queued now, as many parts a call as the system takes.
io::Task<Result<>> Connection::write_queued() {
  size_t sent = 0;  // bytes of the first frame that are out
  while (!queued_.empty()) {
    ByteView parts[kMaxParts];
    size_t count = 0;
    size_t skip = sent;
    const auto add = [&](ByteView part) {
      const size_t drop = std::min(skip, part.size());
      skip -= drop;
      if (drop < part.size() && count < kMaxParts) parts[count++] = part.subspan(drop);
    };
    for (auto frame = queued_.begin(); frame != queued_.end() && count < kMaxParts; ++frame) {
      add(as_bytes((*frame)->head));
      for (const auto part : (*frame)->payload) add(part);
    }
    auto wrote = socket_->try_write({parts, count}, false);
    if (!wrote) {
      if (wrote.error() != Errc::would_block) co_return fail(std::move(wrote).error());
      CO_RETURN_IF_ERROR(co_await socket_->writable());
      if (failure_) co_return fail(*failure_);
      continue;
    }
    sent += *wrote;
    while (!queued_.empty()) {
      size_t size = queued_.front()->head.size();
      for (const auto part : queued_.front()->payload) size += part.size();
      if (sent < size) break;
      sent -= size;
      auto* written = queued_.front()->written;
      queued_.pop_front();
      if (written != nullptr) written->set(Result<>{});
    }
  }
  co_return Result<>{};
}

io::Task<void> Connection::run_reader() {
  while (!failure_) {
    auto frame = co_await read_frame();
    if (!frame) close(std::move(frame).error());
  }
}

io::Task<Result<>> Connection::read_frame() {
  CO_RETURN_IF_ERROR(co_await fill(native::kPrefixSize));
  CO_ASSIGN_OR_RETURN(const native::FramePrefix prefix,
                      native::decode_prefix({received_.data() + read_, native::kPrefixSize},
                                            std::numeric_limits<uint32_t>::max()));
  read_ += native::kPrefixSize;
  CO_RETURN_IF_ERROR(co_await fill(prefix.header_size));
  Answer answer;
  if (!answer.header.ParseFromArray(received_.data() + read_,
                                    static_cast<int>(prefix.header_size))) {
    co_return fail(Errc::malformed_frame, "an answer's header does not decode");
  }
  read_ += prefix.header_size;
  if (prefix.payload_size != 0) {
    auto payload = co_await read_payload(prefix.payload_size);
    if (!payload) co_return fail(std::move(payload).error());
    answer.payload = std::move(*payload);
  }
  if (failure_) co_return fail(*failure_);
  if (pending_.empty() || pending_.front()->correlation != answer.header.correlation_id()) {
    co_return fail(Errc::malformed_frame, "an answer to no request of ours");
  }
  deliver(std::move(answer));
  co_return Result<>{};
}

void Connection::deliver(Answer answer) {
  Pending* pending = pending_.front();
  pending_.pop_front();
  if (pending_.empty()) loop_.disarm(*watchdog_);
  pending->answer.set(std::move(answer));
}

/// Receives until `at_least` bytes wait in the buffer.
io::Task<Result<>> Connection::fill(size_t at_least) {
  if (read_ == filled_) read_ = filled_ = 0;
  if (received_.size() < read_ + at_least) {
    std::memmove(received_.data(), received_.data() + read_, filled_ - read_);
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
  const auto fits = std::find_if(spare_.begin(), spare_.end(),
                                 [&](const Payload& spare) { return spare.capacity() >= size; });
  if (fits != spare_.end()) {
    payload = std::move(*fits);
    spare_.erase(fits);
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

void Connection::recycle(Payload payload) {
  if (payload.capacity() != 0 && spare_.size() < kSparePayloads) {
    spare_.push_back(std::move(payload));
  }
}

void Connection::watch() {
  if (pending_.empty()) return;
  const auto first = *std::min_element(
      pending_.begin(), pending_.end(),
      [](const Pending* a, const Pending* b) { return a->deadline < b->deadline; });
  if (first->deadline > loop_.now()) {
    watch_at_ = first->deadline;
    loop_.arm(*watchdog_, watch_at_);
    return;
  }
  close(Error(Errc::timed_out, peer_.to_string() + " did not answer in time"));
}

void Connection::close(Error why) {
  if (failure_) return;
  failure_ = std::move(why);
  socket_->close();
  loop_.disarm(*watchdog_);
  for (auto* frame : std::exchange(queued_, {})) {
    if (frame->written != nullptr) frame->written->set(fail(*failure_));
  }
  for (auto* pending : std::exchange(pending_, {})) pending->answer.set(fail(*failure_));
  work_.notify_all();
}

io::Task<void> Connection::shut_down() {
  close(closed_by_us());
  co_await scope_.join();
}

}  // namespace sluice::client
