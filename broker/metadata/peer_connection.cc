#include "broker/metadata/peer_connection.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <span>
#include <utility>

#include "base/check.h"
#include "base/version.h"
#include "broker/metadata/member_codec.h"

namespace sluice::broker {
namespace {

constexpr size_t kReceiveBuffer = 16_KiB;
constexpr size_t kMaxParts = 64;
/// Between two looks whether memory for an answer is there.
constexpr Duration kMemoryPause = 10ms;

Error error_of(const native::ErrorInfo& said) {
  const Errc code = errc_from_wire(said.code());
  return said.message().empty() ? Error(code) : Error(code, said.message());
}

bool is_of_connection(Errc code) {
  return code == Errc::connection_closed || code == Errc::connection_refused ||
         code == Errc::connection_failed || code == Errc::unresolved_host;
}

}  // namespace

/// A request on its way; lives in the coroutine of the call.
struct PeerConnection::Call {
  std::string head;
  ByteView payload;
  uint64_t correlation = 0;
  TimePoint deadline{};
  io::OneShot<Result<PeerAnswer>> answer;

  size_t size() const { return head.size() + payload.size(); }
};

class PeerConnection::Watchdog final : public io::Timer {
 public:
  explicit Watchdog(PeerConnection& connection) : connection_(connection) {}
  void fire() override { connection_.expire(); }

 private:
  PeerConnection& connection_;
};

PeerConnection::PeerConnection(std::string name, MemoryBudget& memory,
                               PeerConnectionOptions options, std::unique_ptr<io::Socket> socket)
    : loop_(*io::Loop::current()),
      name_(std::move(name)),
      memory_(memory),
      options_(options),
      socket_(std::move(socket)),
      watchdog_(std::make_unique<Watchdog>(*this)),
      buffer_(kReceiveBuffer) {}

PeerConnection::~PeerConnection() {
  CHECK(scope_.running() == 0, "a connection is shut down before it dies");
}

io::Task<Result<std::shared_ptr<PeerConnection>>> PeerConnection::open(
    io::Runtime& runtime, io::Endpoint to, PeerHello hello, MemoryBudget& memory,
    PeerConnectionOptions options) {
  std::string name = to.to_string();
  if (hello.expected) name = "broker " + std::to_string(hello.expected->value()) + " at " + name;
  const TimePoint deadline = io::Loop::current()->now() + options.connect_timeout;
  auto socket = co_await runtime.network.connect(std::move(to), deadline);
  if (!socket) {
    const Errc code = socket.error().code();
    co_return fail(is_of_connection(code) ? code : Errc::connection_failed,
                   name + ": " + std::string(socket.error().message()));
  }
  std::shared_ptr<PeerConnection> connection(
      new PeerConnection(std::move(name), memory, options, std::move(*socket)));
  connection->scope_.start(connection->run_writer());
  connection->scope_.start(connection->run_reader());
  auto agreed = co_await connection->say_hello(std::move(hello));
  if (!agreed) {
    co_await connection->shut_down();
    co_return fail(std::move(agreed).error());
  }
  co_return connection;
}

io::Task<Result<>> PeerConnection::say_hello(PeerHello hello) {
  native::RequestHeader request;
  auto& said = *request.mutable_hello();
  said.set_min_version(native::kMinVersion);
  said.set_max_version(native::kMaxVersion);
  said.set_client_name("sluiced");
  said.set_client_version(kVersion);
  said.set_broker_id(hello.self.value());
  said.set_cluster_id(hello.cluster_id);
  if (hello.lineage) encode_lineage(*hello.lineage, said);
  if (hello.urgent) said.set_urgent(true);
  auto answer = co_await call(std::move(request), {}, loop_.now() + options_.connect_timeout);
  if (!answer) {
    // Nobody who could be late was reached.
    const Errc code = answer.error().code();
    if (code == Errc::timed_out || is_of_connection(code)) {
      co_return fail(is_of_connection(code) ? code : Errc::connection_failed,
                     std::string(answer.error().message()));
    }
    co_return fail(std::move(answer).error().with_context(name_));
  }
  if (!answer->header.has_hello()) {
    co_return fail(Errc::connection_failed, name_ + ": did not answer hello with hello");
  }
  said_ = std::move(*answer->header.mutable_hello());
  co_return check(hello);
}

std::optional<Lineage> PeerConnection::lineage() const { return decode_lineage(said_); }

Result<> PeerConnection::check(const PeerHello& hello) const {
  if (!said_.cluster_id().empty() && !hello.cluster_id.empty() &&
      said_.cluster_id() != hello.cluster_id) {
    return fail(Errc::wrong_cluster, name_ + " belongs to cluster " + said_.cluster_id() +
                                         ", this broker to " + hello.cluster_id +
                                         "; check the addresses of both");
  }
  if (hello.expected && said_.node_id() != hello.expected->value()) {
    return fail(Errc::connection_failed, name_ + ": broker " + std::to_string(said_.node_id()) +
                                             " answers there; check the advertised addresses");
  }
  return {};
}

Error PeerConnection::named(const Error& why) const {
  const Errc code = is_of_connection(why.code()) ? why.code() : Errc::connection_failed;
  return Error(code, name_ + ": " + std::string(why.message()));
}

void PeerConnection::enqueue(Call& call, native::RequestHeader& request) {
  call.correlation = next_correlation_++;
  request.set_correlation_id(call.correlation);
  const size_t header_size = request.ByteSizeLong();
  // The magic goes out in front of the first frame.
  const size_t magic = call.correlation == 1 ? native::kMagic.size() : 0;
  call.head.resize(magic + native::kPrefixSize + header_size);
  std::memcpy(call.head.data(), native::kMagic.data(), magic);
  auto* at = reinterpret_cast<std::byte*>(call.head.data()) + magic;
  native::encode_prefix({.header_size = static_cast<uint32_t>(header_size),
                         .payload_size = static_cast<uint32_t>(call.payload.size())},
                        {at, native::kPrefixSize});
  request.SerializeWithCachedSizesToArray(reinterpret_cast<uint8_t*>(at + native::kPrefixSize));
  queued_.push_back(&call);
  pending_.push_back({call.correlation, &call});
  watch();
  work_.notify_all();
}

io::Task<Result<PeerAnswer>> PeerConnection::call(native::RequestHeader request, ByteView payload,
                                                  TimePoint deadline) {
  CHECK(io::Loop::current() == &loop_, "a connection is used on its own loop");
  if (failure_) co_return fail(*failure_);
  const size_t limit = said_.max_frame_bytes();
  if (limit != 0 && payload.size() > limit) {
    co_return fail(Errc::frame_too_large, name_ + " takes frames of " + std::to_string(limit) +
                                              " bytes, not " + std::to_string(payload.size()) +
                                              "; raise its frame.max.bytes");
  }
  Call call;
  call.payload = payload;
  call.deadline = deadline;
  enqueue(call, request);
  auto answer = co_await call.answer;
  if (answer && answer->header.error().code() != 0) {
    co_return fail(error_of(answer->header.error()));
  }
  co_return answer;
}

io::Task<void> PeerConnection::run_writer() {
  while (!failure_) {
    const uint64_t ticket = work_.ticket();
    if (!may_send()) {
      co_await work_.wait(ticket);
      continue;
    }
    auto written = co_await write_queued();
    if (!written) close(written.error());
  }
}

/// What of the frames that may leave is not with the system yet.
size_t PeerConnection::gather(std::span<ByteView> parts) const {
  size_t count = 0;
  size_t skip = front_sent_;
  size_t window = unanswered_;
  for (const Call* call : queued_) {
    if (window++ >= options_.max_in_flight) break;
    for (const ByteView part : {as_bytes(call->head), call->payload}) {
      const size_t drop = std::min(skip, part.size());
      skip -= drop;
      if (drop < part.size() && count < parts.size()) parts[count++] = part.subspan(drop);
    }
  }
  return count;
}

io::Task<Result<>> PeerConnection::write_queued() {
  while (may_send()) {
    std::array<ByteView, kMaxParts> parts;
    const size_t count = gather(parts);
    auto wrote = socket_->try_write({parts.data(), count}, false);
    if (!wrote) {
      if (wrote.error() != Errc::would_block) co_return fail(std::move(wrote).error());
      CO_RETURN_IF_ERROR(co_await socket_->writable());
      if (failure_) co_return fail(*failure_);
      continue;
    }
    front_sent_ += *wrote;
    while (!queued_.empty() && front_sent_ >= queued_.front()->size()) {
      front_sent_ -= queued_.front()->size();
      queued_.pop_front();
      ++unanswered_;
    }
  }
  co_return Result<>{};
}

io::Task<void> PeerConnection::run_reader() {
  while (!failure_) {
    auto read = co_await read_answer();
    if (!read) close(read.error());
  }
}

io::Task<Result<>> PeerConnection::read_answer() {
  std::array<std::byte, native::kPrefixSize> eight;
  CO_RETURN_IF_ERROR(co_await take(eight));
  CO_ASSIGN_OR_RETURN(const auto prefix, native::decode_prefix(eight, options_.max_answer_bytes,
                                                               native::kMaxAnswerHeaderBytes));
  PeerAnswer answer;
  CO_ASSIGN_OR_RETURN(answer.memory,
                      co_await reserve(size_t{prefix.header_size} + prefix.payload_size));
  {
    std::vector<std::byte> header(prefix.header_size);
    CO_RETURN_IF_ERROR(co_await take(header));
    if (!answer.header.ParseFromArray(header.data(), static_cast<int>(header.size()))) {
      co_return fail(Errc::malformed_frame, "sent a header that does not decode");
    }
  }
  const uint64_t correlation = answer.header.correlation_id();
  if (unanswered_ == 0 || pending_.front().correlation != correlation) {
    // What could not be read is refused under no id.
    if (answer.header.error().code() != 0) co_return fail(error_of(answer.header.error()));
    co_return fail(Errc::malformed_frame, "answered what was not asked");
  }
  if (prefix.payload_size != 0) {
    answer.bytes = std::make_unique_for_overwrite<std::byte[]>(prefix.payload_size);
    answer.payload_size = prefix.payload_size;
    CO_RETURN_IF_ERROR(co_await take({answer.bytes.get(), answer.payload_size}));
  }
  if (failure_) co_return fail(*failure_);
  deliver(std::move(answer));
  co_return Result<>{};
}

/// Waits for memory: meanwhile the answer stays in the kernel, and the sender is held back. The
/// deadline of the oldest call ends it.
io::Task<Result<Reservation>> PeerConnection::reserve(size_t bytes) {
  while (true) {
    if (failure_) co_return fail(*failure_);
    auto reserved = memory_.reserve(bytes);
    if (reserved) co_return std::move(*reserved);
    if (bytes > memory_.cap()) {
      co_return fail(Errc::out_of_memory, "an answer of " + std::to_string(bytes) +
                                              " bytes is above the whole budget of " +
                                              std::string(memory_.name()));
    }
    co_await io::sleep_for(kMemoryPause);
  }
}

/// Fills `out`; what is large is received in place.
io::Task<Result<>> PeerConnection::take(MutableBytes out) {
  while (!out.empty()) {
    if (read_ < filled_) {
      const size_t count = std::min(out.size(), filled_ - read_);
      std::memcpy(out.data(), buffer_.data() + read_, count);
      read_ += count;
      out = out.subspan(count);
      continue;
    }
    const bool in_place = out.size() >= buffer_.size();
    auto got = socket_->try_read(in_place ? out : MutableBytes(buffer_));
    if (!got) {
      if (got.error() != Errc::would_block) co_return fail(std::move(got).error());
      CO_RETURN_IF_ERROR(co_await socket_->readable());
      if (failure_) co_return fail(*failure_);
      continue;
    }
    if (*got == 0) co_return fail(Errc::connection_closed, "closed the connection");
    if (in_place) {
      out = out.subspan(*got);
    } else {
      read_ = 0;
      filled_ = *got;
    }
  }
  co_return Result<>{};
}

void PeerConnection::deliver(PeerAnswer answer) {
  Call* const call = pending_.front().call;
  pending_.pop_front();
  --unanswered_;
  // What the header took on the heap goes with it.
  answer.memory.shrink_to(answer.payload_size);
  if (!queued_.empty()) work_.notify_all();
  watch();
  if (call != nullptr) call->answer.set(std::move(answer));
}

/// Arms the timer for the earliest deadline.
void PeerConnection::watch() {
  TimePoint first = TimePoint::max();
  for (const Pending& pending : pending_) {
    if (pending.call != nullptr) first = std::min(first, pending.call->deadline);
  }
  if (first == TimePoint::max()) {
    loop_.disarm(*watchdog_);
  } else {
    loop_.arm(*watchdog_, first);
  }
}

void PeerConnection::expire() {
  const TimePoint now = loop_.now();
  for (size_t i = 0; i < pending_.size();) {
    Pending& pending = pending_[i];
    if (pending.call == nullptr || pending.call->deadline > now) {
      ++i;
      continue;
    }
    if (!give_up(pending)) return close(Error(Errc::connection_failed, "did not answer in time"));
    if (pending.correlation == 0) {
      pending_.erase(pending_.begin() + static_cast<std::ptrdiff_t>(i));
    } else {
      ++i;
    }
  }
  watch();
}

/// Ends one call alone; false when nothing behind it could be answered either. One that never left
/// loses its correlation id.
bool PeerConnection::give_up(Pending& pending) {
  Call* const call = std::exchange(pending.call, nullptr);
  const auto queued = std::ranges::find(queued_, call);
  const bool half_sent = queued != queued_.end() && queued == queued_.begin() && front_sent_ > 0;
  const bool oldest = queued == queued_.end() && &pending == &pending_.front();
  if (queued != queued_.end() && !half_sent) {
    queued_.erase(queued);
    pending.correlation = 0;
  } else if (half_sent) {
    queued_.clear();
  }
  call->answer.set(fail(Errc::timed_out, name_ + ": did not answer in time"));
  return !half_sent && !oldest;
}

void PeerConnection::close(const Error& why) {
  if (failure_) return;
  failure_ = named(why);
  socket_->close();
  loop_.disarm(*watchdog_);
  queued_.clear();
  for (const Pending& pending : std::exchange(pending_, {})) {
    if (pending.call != nullptr) pending.call->answer.set(fail(*failure_));
  }
  work_.notify_all();
}

void PeerConnection::cancel() {
  close(Error(Errc::connection_closed, "the connection was closed"));
}

io::Task<void> PeerConnection::shut_down() {
  cancel();
  co_await scope_.join();
}

}  // namespace sluice::broker
