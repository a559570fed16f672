#include "io/asio/descriptor.h"

#include <new>
#include <utility>

#include "base/check.h"

namespace sluice::io {

void* OperationMemory::allocate(size_t size) {
  if (size > room_.size() || used_) return ::operator new(size);
  used_ = true;
  return room_.data();
}

void OperationMemory::deallocate(void* memory) {
  if (memory == room_.data()) {
    used_ = false;
  } else {
    ::operator delete(memory);
  }
}

namespace {

template <class T>
struct OperationAllocator {
  using value_type = T;
  explicit OperationAllocator(OperationMemory& m) : memory(&m) {}
  template <class U>
  OperationAllocator(const OperationAllocator<U>& other) : memory(other.memory) {}  // NOLINT
  T* allocate(size_t n) { return static_cast<T*>(memory->allocate(n * sizeof(T))); }
  void deallocate(T* at, size_t) { memory->deallocate(at); }
  friend bool operator==(const OperationAllocator& a, const OperationAllocator& b) {
    return a.memory == b.memory;
  }
  OperationMemory* memory;
};

}  // namespace

/// One wait; lives in its coroutine's frame. A deadline abandons the wait at once and lets Asio's
/// operation, which then finds no waiter, end when it will.
class WaitingDescriptor::Waiter final : public Timer {
 public:
  Waiter(WaitingDescriptor& owner, Event event, std::optional<TimePoint> deadline)
      : owner_(owner), event_(event), deadline_(deadline) {}

  bool await_ready() const { return owner_.descriptor_number_ < 0; }
  void await_suspend(std::coroutine_handle<> self);
  Result<> await_resume() {
    if (armed()) owner_.loop_.disarm(*this);
    if (owner_.descriptor_number_ < 0) return fail(Errc::connection_closed);
    return std::move(result_);
  }
  void fire() override {
    result_ = fail(Errc::timed_out);
    // The completion with the cancellation resumes; until then the operation's memory is taken.
    owner_.descriptor_.cancel();
  }
  void complete() { owner_.loop_.resume_in_turn(self_); }

 private:
  WaitingDescriptor& owner_;
  const Event event_;
  const std::optional<TimePoint> deadline_;
  std::coroutine_handle<> self_;
  Result<> result_;
};

struct WaitingDescriptor::Completion {
  using allocator_type = OperationAllocator<std::byte>;
  allocator_type get_allocator() const {
    return allocator_type(owner->memory_[static_cast<size_t>(event)]);
  }
  void operator()(const std::error_code&) const {
    // Errors are told by the system call that the waiter makes next.
    std::exchange(owner->waiters_[static_cast<size_t>(event)], nullptr)->complete();
  }
  WaitingDescriptor* owner;
  Event event;
};

void WaitingDescriptor::Waiter::await_suspend(std::coroutine_handle<> self) {
  CHECK(Loop::current() == &owner_.loop_, "a descriptor is waited for on its loop");
  auto& slot = owner_.waiters_[static_cast<size_t>(event_)];
  CHECK(slot == nullptr, "one waits for each direction of a descriptor");
  slot = this;
  self_ = self;
  if (deadline_) owner_.loop_.arm(*this, *deadline_);
  const auto what = event_ == Event::readable ? asio::posix::descriptor_base::wait_read
                                              : asio::posix::descriptor_base::wait_write;
  owner_.descriptor_.async_wait(what, Completion{&owner_, event_});
}

WaitingDescriptor::WaitingDescriptor(AsioLoop& loop, int descriptor)
    : loop_(loop),
      descriptor_number_(descriptor),
      descriptor_(loop.context().get_executor(), descriptor) {}

WaitingDescriptor::~WaitingDescriptor() {
  CHECK(waiters_[0] == nullptr && waiters_[1] == nullptr,
        "a descriptor outlives those who wait for it: close() it and let them end first");
  close();
}

Task<Result<>> WaitingDescriptor::wait(Event event, std::optional<TimePoint> deadline) {
  Waiter waiter(*this, event, deadline);
  co_return co_await waiter;
}

int WaitingDescriptor::release() {
  CHECK(waiters_[0] == nullptr && waiters_[1] == nullptr, "nobody waits for what is released");
  if (std::exchange(descriptor_number_, -1) < 0) return -1;
  return descriptor_.release();
}

void WaitingDescriptor::close() {
  if (std::exchange(descriptor_number_, -1) < 0) return;
  std::error_code ignored;
  descriptor_.close(ignored);
}

}  // namespace sluice::io
