#include "io/frame_pool.h"

#include <array>
#include <atomic>
#include <mutex>
#include <new>
#include <unordered_set>
#include <utility>

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SLUICE_FRAMES_FROM_HEAP 1
#endif
#endif

namespace sluice::io {
namespace {

constexpr size_t kStep = 64;
constexpr size_t kLargest = 2048;
constexpr size_t kClasses = kLargest / kStep;
/// What one thread keeps idle of one size class.
constexpr size_t kIdleBytes = size_t{64} << 10;

#ifdef SLUICE_FRAMES_FROM_HEAP
// A recycled frame would hide a use after its end from the sanitizer.
constexpr bool kRecycle = false;
#else
constexpr bool kRecycle = true;
#endif

struct FreeFrame {
  FreeFrame* next;
};

class ThreadFrames;

/// Sums the cells of the living threads and what the dead ones left. Never destroyed: frames may
/// be freed after static destruction began.
struct Ledger {
  std::mutex mutex;
  std::unordered_set<ThreadFrames*> threads;
  std::atomic<int64_t> left{0};
};
Ledger& ledger() {
  static auto* const instance = new Ledger;
  return *instance;
}

/// The frames of one thread: free lists by size class and a count that only this thread writes
/// (negative where it frees what others made).
class ThreadFrames {
 public:
  ThreadFrames();
  ~ThreadFrames();

  void* take(size_t size_class) {
    FreeFrame* frame = free_[size_class];
    if (frame == nullptr) return nullptr;
    free_[size_class] = frame->next;
    --idle_[size_class];
    return frame;
  }
  bool keep(void* memory, size_t size_class) {
    if (idle_[size_class] * (size_class + 1) * kStep >= kIdleBytes) return false;
    free_[size_class] = ::new (memory) FreeFrame{free_[size_class]};
    ++idle_[size_class];
    return true;
  }
  void count(int64_t bytes) {
    alive_.store(alive_.load(std::memory_order_relaxed) + bytes, std::memory_order_relaxed);
  }
  int64_t alive() const { return alive_.load(std::memory_order_relaxed); }

 private:
  std::array<FreeFrame*, kClasses> free_{};
  std::array<uint32_t, kClasses> idle_{};
  std::atomic<int64_t> alive_{0};
};

// Trivial, so that it outlives the ThreadFrames it points to; null before and after.
constinit thread_local ThreadFrames* this_thread = nullptr;
constinit thread_local bool thread_ended = false;

ThreadFrames::ThreadFrames() {
  std::lock_guard guard(ledger().mutex);
  ledger().threads.insert(this);
}
ThreadFrames::~ThreadFrames() {
  this_thread = nullptr;
  thread_ended = true;
  for (FreeFrame* frame : free_) {
    while (frame != nullptr) ::operator delete(std::exchange(frame, frame->next));
  }
  std::lock_guard guard(ledger().mutex);
  ledger().threads.erase(this);
  ledger().left.fetch_add(alive(), std::memory_order_relaxed);
}

ThreadFrames* frames_of_thread() {
  if (this_thread == nullptr && !thread_ended) {
    static thread_local ThreadFrames frames;
    this_thread = &frames;
  }
  return this_thread;
}

void count(ThreadFrames* frames, int64_t bytes) {
  if (frames != nullptr) {
    frames->count(bytes);
  } else {
    ledger().left.fetch_add(bytes, std::memory_order_relaxed);
  }
}

}  // namespace

void* allocate_frame(size_t size) {
  auto* frames = frames_of_thread();
  const size_t size_class = (size - 1) / kStep;
  const bool pooled = kRecycle && size_class < kClasses;
  const size_t bytes = pooled ? (size_class + 1) * kStep : size;
  count(frames, static_cast<int64_t>(bytes));
  if (pooled && frames != nullptr) {
    if (void* frame = frames->take(size_class)) return frame;
  }
  return ::operator new(bytes);
}

void free_frame(void* frame, size_t size) noexcept {
  auto* frames = frames_of_thread();
  const size_t size_class = (size - 1) / kStep;
  const bool pooled = kRecycle && size_class < kClasses;
  count(frames, -static_cast<int64_t>(pooled ? (size_class + 1) * kStep : size));
  if (pooled && frames != nullptr && frames->keep(frame, size_class)) return;
  ::operator delete(frame);
}

size_t frame_bytes_alive() {
  std::lock_guard guard(ledger().mutex);
  int64_t total = ledger().left.load(std::memory_order_relaxed);
  for (const auto* thread : ledger().threads) total += thread->alive();
  // A frame freed elsewhere may be seen as freed before it is seen as made.
  return total > 0 ? static_cast<size_t>(total) : 0;
}

}  // namespace sluice::io
