#include "broker/server/connection.h"

#include <algorithm>
#include <array>
#include <utility>

#include <absl/container/inlined_vector.h>

#include "base/check.h"
#include "broker/server/wakeup.h"

namespace sluice::broker {
namespace {

/// Bytes that one connection may send before others of its worker have their turn; and when there
/// are no others.
constexpr uint32_t kTurn = 256_KiB;
constexpr uint32_t kTurnAlone = 2_MiB;
/// What is copied at once.
constexpr size_t kCopyPiece = 256_KiB;
/// What is read at once of what is not in memory: little at first, since what a reader wants of old
/// data may be little, and twice as much each time that it goes on where it was.
constexpr uint64_t kLeastColdPiece = 64_KiB;
constexpr uint64_t kColdPiece = 1_MiB;
/// Sending a resident part first is not worth a turn of its own when it is smaller than this.
constexpr uint64_t kWarmEnough = 64_KiB;

}  // namespace

/// A wait that close() ends early.
struct Connection::Pause final : io::Timer {
  void fire() override { over.set(); }
  Wakeup over;
};

Connection::Connection(std::unique_ptr<io::Socket> socket, Worker& worker, Deadline& deadline)
    : socket_(std::move(socket)),
      worker_(worker),
      deadline_(deadline),
      copies_(worker.options().transfer == Transfer::copy),
      turn_left_(kTurn) {}

void Connection::close() {
  closed_ = true;
  socket_->close();
  if (pause_ != nullptr) pause_->over.set();
}

io::Task<Result<>> Connection::send(std::span<const ByteView> heads,
                                    std::span<const storage::FileSlice> slices) {
  size_t head_bytes = 0;
  for (const auto& head : heads) head_bytes += head.size();
  count_out(head_bytes);
  if (slices.empty()) return write(heads, false);
  size_t bytes = 0;
  for (const auto& slice : slices) bytes += slice.length;
  if (bytes <= worker_.options().copy_below_bytes) return send_together(heads, slices, bytes);
  return send_in_turns(heads, slices);
}

io::Task<Result<>> Connection::send_together(std::span<const ByteView> heads,
                                             std::span<const storage::FileSlice> slices,
                                             size_t bytes) {
  CO_ASSIGN_OR_RETURN(const Buffer buffer, worker_.buffers(traffic_).take(bytes));
  const MutableBytes all = buffer.bytes().first(bytes);
  MutableBytes rest = all;
  uint64_t found = 0;
  for (const auto& slice : slices) {
    CO_ASSIGN_OR_RETURN(const uint64_t resident,
                        co_await read_any(slice, rest.first(slice.length)));
    found += resident;
    rest = rest.subspan(slice.length);
  }
  absl::InlinedVector<ByteView, 8> parts(heads.begin(), heads.end());
  parts.push_back(all);
  count_out(bytes);
  count_fetched(bytes, found);
  worker_.context().metrics.copied_bytes.add(worker_.index(), bytes);
  co_return co_await write(parts, false);
}

io::Task<Result<>> Connection::send_in_turns(std::span<const ByteView> heads,
                                             std::span<const storage::FileSlice> slices) {
  CO_RETURN_IF_ERROR(co_await write(heads, true));
  for (const auto& slice : slices) {
    CO_RETURN_IF_ERROR(co_await send_slice(slice, &slice != &slices.back()));
  }
  co_return Result<>{};
}

io::Task<Result<>> Connection::write(std::span<const ByteView> parts, bool more) {
  auto count = socket_->try_write(parts, more);
  if (!count && !(count.error() == Errc::would_block)) {
    return io::Task<Result<>>::ready(fail(std::move(count).error()));
  }
  taken_at_ = worker_.loop().now();
  const size_t written = count.value_or(0);
  size_t all = 0;
  for (const auto& part : parts) all += part.size();
  if (written == all) return io::Task<Result<>>::ready();
  return write_rest(parts, written, more);
}

io::Task<Result<>> Connection::write_rest(std::span<const ByteView> parts, size_t written,
                                          bool more) {
  absl::InlinedVector<ByteView, 8> rest(parts.begin(), parts.end());
  std::span<ByteView> left(rest);
  while (true) {
    while (!left.empty() && written >= left.front().size()) {
      written -= left.front().size();
      left = left.subspan(1);
    }
    if (left.empty()) co_return Result<>{};
    left.front() = left.front().subspan(written);
    auto count = socket_->try_write(left, more);
    if (!count) {
      if (!(count.error() == Errc::would_block)) co_return fail(std::move(count).error());
      CO_RETURN_IF_ERROR(co_await await_peer());
    }
    written = count.value_or(0);
    if (written > 0) taken_at_ = worker_.loop().now();
  }
}

io::Task<Result<>> Connection::await_peer() {
  blocked_ = true;
  // It was filed for the idle time-out, or not at all while the disk was waited for.
  worker_.deadlines().moved_up(deadline_);
  auto result = co_await socket_->writable();
  blocked_ = false;
  co_return result;
}

io::Task<Result<>> Connection::send_slice(const storage::FileSlice& slice, bool more) {
  const bool copied = copies_ || slice.length <= worker_.options().copy_below_bytes;
  uint64_t sent = 0;
  while (sent < slice.length) {
    if (turn_left_ == 0) co_await next_turn();
    const uint64_t most = std::min<uint64_t>(slice.length - sent, turn_left_);
    CO_ASSIGN_OR_RETURN(const uint64_t ready, warm_bytes(slice, sent, most));
    uint64_t count = std::min<uint64_t>(ready, copied ? kCopyPiece : ready);
    const bool more_follows = more || sent + count < slice.length;
    if (ready == 0) {
      CO_ASSIGN_OR_RETURN(count, co_await send_cold(slice, sent, more));
    } else if (copied) {
      CO_RETURN_IF_ERROR(co_await copy(slice, sent, count, more_follows));
    } else {
      CO_ASSIGN_OR_RETURN(count, co_await send_file(slice, sent, count, more_follows));
    }
    sent += count;
    turn_left_ -= static_cast<uint32_t>(std::min<uint64_t>(count, turn_left_));
    count_out(count);
    count_fetched(count, ready > 0 ? count : 0);
  }
  co_return Result<>{};
}

io::Task<Result<>> Connection::copy(const storage::FileSlice& slice, uint64_t from, uint64_t length,
                                    bool more) {
  CO_ASSIGN_OR_RETURN(const Buffer buffer, worker_.buffers(traffic_).take(length));
  const MutableBytes bytes = buffer.bytes().first(length);
  CO_RETURN_IF_ERROR(co_await read(slice, from, bytes));
  worker_.context().metrics.copied_bytes.add(worker_.index(), length);
  const ByteView part = bytes;
  co_return co_await write({&part, 1}, more);
}

/// How many bytes of it left; at least one.
io::Task<Result<uint64_t>> Connection::send_file(const storage::FileSlice& slice, uint64_t from,
                                                 uint64_t length, bool more) {
  taken_at_ = worker_.loop().now();
  while (true) {
    CO_RETURN_IF_ERROR(check_current(slice));
    auto count = socket_->try_send_file(*slice.file, slice.position + from, length, more);
    if (count && *count > 0) {
      worker_.context().metrics.sendfile_bytes.add(worker_.index(), *count);
      co_return *count;
    }
    if (count) {
      co_return broken(slice, Error(Errc::corrupt_file, slice.file->path() + " ends at " +
                                                            std::to_string(slice.position + from) +
                                                            ", before what it held"));
    }
    if (count.error() == Errc::would_block) {
      CO_RETURN_IF_ERROR(co_await await_peer());
    } else if (count.error() == Errc::unsupported) {
      CO_RETURN_IF_ERROR(co_await copy(slice, from, std::min(length, kCopyPiece), more));
      co_return std::min(length, kCopyPiece);
    } else if (count.error() == Errc::disk_failed) {
      co_return broken(slice, std::move(count).error());
    } else {
      co_return fail(std::move(count).error());
    }
  }
}

io::Task<Result<>> Connection::read(const storage::FileSlice& slice, uint64_t from,
                                    MutableBytes out) {
  co_return whole(slice, from, out.size(),
                  co_await slice.file->read_at(slice.position + from, out, io::Lane::hot));
}

/// What was read is all that was wanted, and still the log's.
Result<> Connection::whole(const storage::FileSlice& slice, uint64_t from, uint64_t wanted,
                           Result<size_t> count) {
  if (!count) return broken(slice, std::move(count).error());
  if (*count < wanted) {
    return broken(slice,
                  Error(Errc::corrupt_file, slice.file->path() + " ends at " +
                                                std::to_string(slice.position + from + *count) +
                                                ", before what it held"));
  }
  // After the read: what was cut before it has the next generation by now.
  return check_current(slice);
}

/// How many bytes from there on can be sent without waiting for the disk; 0: it has to be asked.
Result<uint64_t> Connection::warm_bytes(const storage::FileSlice& slice, uint64_t from,
                                        uint64_t length) {
  if (slice.fresh || !worker_.options().isolate_cold_reads) return length;
  const auto resident = slice.file->resident(slice.position + from, length);
  if (!resident || *resident < std::min(length, kWarmEnough)) return 0;
  return std::min(*resident, length);
}

/// All of a small slice, wherever it is; how much of it was in memory.
io::Task<Result<uint64_t>> Connection::read_any(const storage::FileSlice& slice, MutableBytes out) {
  CO_ASSIGN_OR_RETURN(const uint64_t ready, warm_bytes(slice, 0, slice.length));
  // What is missing of a part is read elsewhere by the read itself.
  CO_RETURN_IF_ERROR(ready > 0 ? co_await read(slice, 0, out) : co_await read_cold(slice, 0, out));
  co_return ready;
}

/// Sends what is not in memory, by way of a buffer: into the page cache it would push the tail of
/// other logs out, and be sent once. How many bytes left; at least one.
io::Task<Result<uint64_t>> Connection::send_cold(const storage::FileSlice& slice, uint64_t from,
                                                 bool more) {
  const uint64_t position = slice.position + from;
  const bool goes_on = position == cold_end_ && slice.file.get() == cold_file_;
  cold_piece_ = goes_on ? std::min(cold_piece_ * 2, kColdPiece) : kLeastColdPiece;
  const uint64_t length = std::min(slice.length - from, cold_piece_);
  CO_ASSIGN_OR_RETURN(const Buffer buffer, worker_.buffers(traffic_).take(length));
  const MutableBytes bytes = buffer.bytes().first(length);
  CO_RETURN_IF_ERROR(co_await read_cold(slice, from, bytes));
  cold_file_ = slice.file.get();
  cold_end_ = position + length;
  worker_.context().metrics.copied_bytes.add(worker_.index(), length);
  const ByteView part = bytes;
  CO_RETURN_IF_ERROR(co_await write({&part, 1}, more || from + length < slice.length));
  co_return length;
}

/// On the lane and within the bandwidth of cold reads.
io::Task<Result<>> Connection::read_cold(const storage::FileSlice& slice, uint64_t from,
                                         MutableBytes out) {
  worker_.context().metrics.cold_bytes.add(worker_.index(), out.size());
  const TimePoint turn = worker_.context().cold_reads.take_turn(slice.file->path(), out.size());
  if (turn > worker_.loop().now()) CO_RETURN_IF_ERROR(co_await pause_until(turn));
  co_return whole(slice, from, out.size(),
                  co_await slice.file->read_through(slice.position + from, out));
}

io::Task<Result<>> Connection::pause_until(TimePoint when) {
  Pause pause;
  pause_ = &pause;
  worker_.loop().arm(pause, when);
  if (!closed_) co_await pause.over.wait();
  if (pause.armed()) worker_.loop().disarm(pause);
  pause_ = nullptr;
  if (closed_) co_return fail(Errc::connection_closed);
  co_return Result<>{};
}

io::Task<void> Connection::next_turn() {
  const uint64_t before = worker_.activity;
  co_await worker_.loop().yield();
  turn_left_ = worker_.activity == before ? kTurnAlone : kTurn;
}

void Connection::count_out(size_t bytes) {
  ++worker_.activity;
  worker_.context().metrics.bytes_out.add(worker_.index(), bytes);
}

/// Counted as it is sent: of what is found, less may leave at once, and the rest is looked for
/// anew.
void Connection::count_fetched(uint64_t sent, uint64_t found) {
  const auto& metrics = worker_.context().metrics;
  metrics.sent_bytes.add(worker_.index(), sent);
  metrics.resident_bytes.add(worker_.index(), found);
}

Result<> Connection::check_current(const storage::FileSlice& slice) {
  if (slice.current()) return {};
  return fail(Errc::offset_not_available, slice.file->path() + " was cut while it was being sent");
}

std::unexpected<Error> Connection::broken(const storage::FileSlice& slice, Error why) {
  // A file that was cut by us is no damage, whatever it looked like.
  if (!slice.current()) return fail(std::move(why));
  worker_.context().metrics.broken_slices.add(worker_.index());
  worker_.context().on_broken_slice(slice, why);
  return fail(std::move(why));
}

}  // namespace sluice::broker
