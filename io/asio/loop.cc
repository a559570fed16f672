#include "io/asio/loop.h"

#include <utility>

#include <asio/io_context.hpp>
#include <asio/posix/stream_descriptor.hpp>
#include <asio/post.hpp>
#include <asio/steady_timer.hpp>

#include "base/check.h"

namespace sluice::io {
namespace {

/// How often a turn goes over what became ready before it looks at the descriptors: a look costs
/// 0.3 us, and who hands on to the next in a queue of waiters should not pay it each time.
constexpr int kRounds = 4;

}  // namespace

struct AsioLoop::Engine {
  // The hint 1 promises Asio a single thread: posts from handlers go without its lock.
  asio::io_context context{1};
  asio::steady_timer timer{context};
};

AsioLoop::AsioLoop(size_t index, const Clock& clock)
    : index_(index), clock_(clock), engine_(std::make_unique<Engine>()) {}
AsioLoop::~AsioLoop() = default;

asio::io_context& AsioLoop::context() { return engine_->context; }

void AsioLoop::run() {
  Loop* const before = set_current(this);
  now_ = clock_.now();
  auto work = asio::make_work_guard(engine_->context);
  engine_->context.run();
  set_current(before);
}

void AsioLoop::stop() { engine_->context.stop(); }

TimePoint AsioLoop::now() const { return current() == this ? now_ : clock_.now(); }

void AsioLoop::post(std::coroutine_handle<> resume) {
  if (current() == this) {
    ready_.push_back(resume);
    if (!in_turn_) continue_later();
    return;
  }
  {
    std::lock_guard guard(inbox_mutex_);
    inbox_.push_back(resume);
    if (inbox_.size() > 1) return;  // whoever put the first in wakes the loop for all
  }
  asio::post(engine_->context, [this] { turn([this] { take_inbox(); }); });
}

void AsioLoop::arm(Timer& timer, TimePoint at) {
  timers_.arm(timer, at);
  if (!in_turn_) arm_engine_timer();
}

void AsioLoop::disarm(Timer& timer) { timers_.disarm(timer); }

void AsioLoop::at_turn_end(TurnEnd& hook) {
  turn_ends_.push_back(&hook);
  continue_later();
}

void AsioLoop::resume_in_turn(std::coroutine_handle<> coroutine) {
  turn([coroutine] { coroutine.resume(); });
}

template <class F>
void AsioLoop::turn(F&& first) {
  now_ = clock_.now();
  in_turn_ = true;
  first();
  run_ready();
  in_turn_ = false;
  arm_engine_timer();
  if (!ready_.empty()) continue_later();
}

void AsioLoop::run_ready() {
  for (int round = 0; round < kRounds && !ready_.empty(); ++round) {
    batch_.swap(ready_);
    for (const auto coroutine : batch_) coroutine.resume();
    batch_.clear();
  }
}

void AsioLoop::take_inbox() {
  std::lock_guard guard(inbox_mutex_);
  ready_.insert(ready_.end(), inbox_.begin(), inbox_.end());
  inbox_.clear();
}

/// Asio looks at the descriptors before it calls what was posted from within.
void AsioLoop::continue_later() {
  if (std::exchange(will_continue_, true)) return;
  asio::post(engine_->context, [this] {
    will_continue_ = false;
    turn([] {});
    const auto hooks = std::exchange(turn_ends_, {});
    for (auto* hook : hooks) hook->turn_ended();
  });
}

void AsioLoop::arm_engine_timer() {
  const auto next = timers_.next();
  // One that is set too early fires for nothing, which is cheaper than to move it each time that
  // the first timer is disarmed.
  if (!next || *next >= engine_fires_at_) return;
  engine_fires_at_ = *next;
  engine_->timer.expires_at(std::chrono::steady_clock::time_point(next->time_since_epoch()));
  engine_->timer.async_wait([this](const std::error_code& error) {
    if (error) return;  // moved
    engine_fires_at_ = TimePoint::max();
    turn([this] { fire_timers(); });
  });
}

void AsioLoop::fire_timers() {
  // Not more than there are now: one that arms itself in the past waits for its next turn.
  for (size_t most = timers_.size(); most > 0; --most) {
    Timer* const timer = timers_.take_due(now_);
    if (timer == nullptr) break;
    timer->fire();
  }
}

namespace {

struct WatchState : std::enable_shared_from_this<WatchState> {
  WatchState(asio::io_context& context, int fd, std::move_only_function<void()> callback)
      : descriptor(context, fd), readable(std::move(callback)) {}
  ~WatchState() { descriptor.release(); }

  void wait() {
    descriptor.async_wait(asio::posix::descriptor_base::wait_read,
                          [self = shared_from_this()](const std::error_code& error) {
                            if (error || !self->alive) return;
                            self->readable();
                            if (self->alive) self->wait();
                          });
  }

  asio::posix::stream_descriptor descriptor;
  std::move_only_function<void()> readable;
  bool alive = true;
};

class Watch final : public DescriptorWatch {
 public:
  explicit Watch(std::shared_ptr<WatchState> state) : state_(std::move(state)) {}
  ~Watch() override {
    state_->alive = false;
    state_->descriptor.release();
  }

 private:
  std::shared_ptr<WatchState> state_;
};

}  // namespace

std::unique_ptr<DescriptorWatch> AsioLoop::watch(int descriptor,
                                                 std::move_only_function<void()> readable) {
  auto state = std::make_shared<WatchState>(
      engine_->context, descriptor,
      [this, callback = std::move(readable)]() mutable { turn([&callback] { callback(); }); });
  state->wait();
  return std::make_unique<Watch>(std::move(state));
}

}  // namespace sluice::io
