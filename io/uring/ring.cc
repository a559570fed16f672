#include "io/uring/ring.h"

#include <cerrno>
#include <cstring>

#include "base/check.h"

namespace sluice::io {
namespace {

constexpr unsigned kEntries = 256;
constexpr size_t kScratch = 256_KiB;

/// 0, or -errno.
int open_ring(io_uring& ring, unsigned entries) {
  // The first set spares interrupts (Linux 6.0), the second is for older kernels. DEFER_TASKRUN is
  // not among them: with it the ring's descriptor does not turn readable in epoll (Linux 6.18).
  for (const unsigned flags : {IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_COOP_TASKRUN, 0u}) {
    const int result = io_uring_queue_init(entries, &ring, flags);
    if (result != -EINVAL) return result;
  }
  return -EINVAL;
}

std::string refusal(int error) { return std::string("io_uring_setup: ") + std::strerror(-error); }

}  // namespace

std::string uring_refusal() {
  io_uring ring{};
  if (const int result = open_ring(ring, 1); result < 0) return refusal(result);
  io_uring_queue_exit(&ring);
  return {};
}

Result<std::unique_ptr<Ring>> Ring::make(AsioLoop& loop) {
  CHECK(Loop::current() == &loop, "a ring is made on its loop");
  std::unique_ptr<Ring> made(new Ring(loop));
  if (const int result = open_ring(made->ring_, kEntries); result < 0) {
    return fail(Errc::unsupported, refusal(result));
  }
  made->open_ = true;
  // The ring's own descriptor is readable while there are completions to take: no eventfd to read.
  made->watch_ = loop.watch(made->ring_.ring_fd, [ring = made.get()] { ring->take_completions(); });
  return made;
}

Ring::~Ring() {
  watch_.reset();
  if (open_) io_uring_queue_exit(&ring_);
}

MutableBytes Ring::scratch() {
  if (scratch_.empty()) scratch_.resize(kScratch);
  return scratch_;
}

io_uring_sqe* Ring::next_entry() {
  if (!std::exchange(submits_at_turn_end_, true)) loop_.at_turn_end(*this);
  auto* entry = io_uring_get_sqe(&ring_);
  if (entry == nullptr) {
    submit();
    entry = io_uring_get_sqe(&ring_);
  }
  CHECK(entry != nullptr, "a submission takes the entries off the ring");
  return entry;
}

void Ring::submit() {
  while (io_uring_sq_ready(&ring_) > 0) {
    const int result = io_uring_submit(&ring_);
    if (result >= 0) continue;
    // EAGAIN, EBUSY: short of memory or of room for completions, which taking some makes.
    CHECK(result == -EAGAIN || result == -EBUSY || result == -EINTR,
          "the kernel takes submissions");
    take_completions();
  }
}

void Ring::turn_ended() {
  submits_at_turn_end_ = false;
  submit();
  take_completions();  // cached reads are done by now
}

void Ring::take_completions() {
  io_uring_cqe* completion = nullptr;
  while (io_uring_peek_cqe(&ring_, &completion) == 0) {
    auto* const operation = static_cast<Operation*>(io_uring_cqe_get_data(completion));
    operation->result = completion->res;
    io_uring_cqe_seen(&ring_, completion);
    loop_.post(operation->waiter);
  }
}

}  // namespace sluice::io
