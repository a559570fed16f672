#include "io/lane_directory.h"

#include <utility>

namespace sluice::io {

Task<bool> LaneGate::enter() {
  OneShot<bool> turn;
  {
    std::lock_guard guard(mutex_);
    if (shut_) co_return false;
    if (free_ > 0) {
      --free_;
      co_return true;
    }
    waiting_.push_back(&turn);
  }
  co_return co_await turn;
}

void LaneGate::leave() {
  OneShot<bool>* next = nullptr;
  {
    std::lock_guard guard(mutex_);
    if (waiting_.empty()) {
      ++free_;
      return;
    }
    next = waiting_.front();
    waiting_.pop_front();
  }
  next->set(true);
}

void LaneGate::shut() {
  std::deque<OneShot<bool>*> turned_away;
  {
    std::lock_guard guard(mutex_);
    shut_ = true;
    turned_away.swap(waiting_);
  }
  for (auto* turn : turned_away) turn->set(false);
}

size_t LaneGate::inside() const {
  std::lock_guard guard(mutex_);
  return permits_ - free_;
}

LaneDirectory::LaneDirectory(const Clock& clock, std::string path, LaneOptions options)
    : clock_(clock),
      path_(std::move(path)),
      timeout_(options.timeout),
      times_(options.times),
      gates_{LaneGate(options.in_flight[0]), LaneGate(options.in_flight[1]),
             LaneGate(options.in_flight[2]), LaneGate(options.in_flight[3])},
      on_offline_(std::move(options.on_offline)) {}

Error LaneDirectory::offline_error() const {
  std::lock_guard guard(mutex_);
  return Error(Errc::disk_offline,
               "data directory " + path_ +
                   " is offline until a restart, because: " + std::string(cause_->message()));
}

void LaneDirectory::take_offline(const Error& cause) {
  {
    std::lock_guard guard(mutex_);
    if (cause_ != nullptr) return;
    cause_ = std::make_unique<const Error>(cause);
    offline_.store(true, std::memory_order_release);
  }
  for (auto& gate : gates_) gate.shut();
  if (on_offline_) on_offline_(*cause_);
}

Histogram* LaneDirectory::histogram(LaneWork work) const {
  switch (work) {
    case LaneWork::read:
      return times_.read;
    case LaneWork::write:
      return times_.write;
    case LaneWork::sync:
    case LaneWork::sync_directory:
      return times_.sync;
    case LaneWork::make_directories:
    case LaneWork::other:
      return nullptr;
  }
  std::unreachable();
}

void LaneDirectory::took(LaneWork work, const std::string& path, TimePoint before) {
  const Duration time = clock_.now() - before;
  histogram(work)->record(Loop::current()->index(), time);
  // The watchdog cannot bark for what blocks its own thread.
  if (time > timeout_) take_offline(too_slow(path));
}

bool LaneDirectory::is_final(LaneWork work, const Error& error) {
  switch (work) {
    case LaneWork::sync:
      return true;
    case LaneWork::sync_directory:
      return !directory_not_opened(error);
    case LaneWork::make_directories:
      return error == Errc::disk_failed;
    case LaneWork::read:
    case LaneWork::write:
    case LaneWork::other:
      return false;
  }
  std::unreachable();
}

Error LaneDirectory::failed_sync(const Error& cause) {
  take_offline(cause);
  return offline_error();
}

Error LaneDirectory::too_slow(const std::string& path) const {
  const auto limit = std::chrono::duration_cast<std::chrono::milliseconds>(timeout_).count();
  return Error(Errc::timed_out, "an operation on " + path + " took longer than disk.timeout.ms (" +
                                    std::to_string(limit) + ")");
}

}  // namespace sluice::io
