#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>

#include "base/metrics.h"
#include "base/result.h"
#include "broker/server/traffic.h"
#include "io/sync.h"
#include "io/task.h"

namespace sluice::broker {

class Admission;

/// What one remote address holds. Shared by its connections.
struct AddressAccount {
  std::string host;
  size_t connections = 0;  // under the lock of Addresses
  /// By class: a broker shall not wait for clients beside it.
  std::array<std::atomic<size_t>, kTrafficClasses> bytes{};
};

/// Bytes of frames that are let in; gives them back when it dies, on any thread.
class [[nodiscard]] Grant {
 public:
  Grant() = default;
  Grant(Grant&& other) noexcept
      : admission_(std::exchange(other.admission_, nullptr)),
        account_(std::move(other.account_)),
        traffic_(other.traffic_),
        bytes_(std::exchange(other.bytes_, 0)) {}
  Grant& operator=(Grant&& other) noexcept {
    Grant taken(std::move(other));
    std::swap(admission_, taken.admission_);
    std::swap(account_, taken.account_);
    std::swap(traffic_, taken.traffic_);
    std::swap(bytes_, taken.bytes_);
    return *this;
  }
  ~Grant() { release(); }

  size_t bytes() const { return bytes_; }
  void release();

 private:
  friend class Admission;
  Grant(Admission& admission, TrafficClass traffic, std::shared_ptr<AddressAccount> account,
        size_t bytes)
      : admission_(&admission), account_(std::move(account)), traffic_(traffic), bytes_(bytes) {}
  Admission* admission_ = nullptr;
  std::shared_ptr<AddressAccount> account_;
  TrafficClass traffic_ = TrafficClass::client;
  size_t bytes_ = 0;
};

/// Lets frames into memory: all of a frame or nothing, first come first served within a class, so
/// that a large frame is not starved by small ones; what is not let in stays in the kernel's
/// buffers. A fixed part is kept for the control class. One address holds at most a share in each
/// class, but always one frame: who waits for its own share holds up nobody else. Thread-safe.
class Admission {
 public:
  struct Limits {
    /// Bytes of all frames at once.
    size_t total = 0;
    /// Of these, bytes that only the control class may use.
    size_t control_reserve = 0;
    /// Bytes of frames of one address and class.
    size_t per_address = 0;
  };
  explicit Admission(Limits limits) : limits_(limits) {}
  ~Admission();
  Admission(const Admission&) = delete;
  Admission& operator=(const Admission&) = delete;

  /// The largest frame that can ever be let in.
  size_t largest(TrafficClass traffic) const { return limit(traffic); }

  /// Nothing when it would have to wait.
  std::optional<Grant> try_admit(TrafficClass traffic,
                                 const std::shared_ptr<AddressAccount>& account, size_t bytes);

  /// One who waits. Lives in its coroutine's frame.
  struct Waiter {
    TrafficClass traffic = TrafficClass::client;
    std::shared_ptr<AddressAccount> account;
    size_t bytes = 0;
    io::OneShot<bool> admitted;
    Waiter* next = nullptr;
    Waiter* previous = nullptr;
    bool linked = false;
  };
  /// Waits for its turn; `cancelled` after cancel(). `waiter` is fresh, its request filled in, at
  /// most largest().
  io::Task<Result<Grant>> admit(Waiter& waiter);
  void cancel(Waiter& waiter);

  size_t bytes() const { return used_.load(std::memory_order_relaxed); }
  size_t waiting() const {
    return waiting_[0].load(std::memory_order_relaxed) +
           waiting_[1].load(std::memory_order_relaxed);
  }
  /// How often a frame had to wait.
  uint64_t waits() const { return waits_.load(std::memory_order_relaxed); }

 private:
  friend class Grant;
  enum class Refusal : uint8_t { none, total, address };
  struct Queue {
    Waiter* first = nullptr;
    Waiter* last = nullptr;
  };

  size_t limit(TrafficClass traffic) const {
    return traffic == TrafficClass::control ? limits_.total
                                            : limits_.total - limits_.control_reserve;
  }
  Refusal take(TrafficClass traffic, AddressAccount& account, size_t bytes);
  void give_back(TrafficClass traffic, AddressAccount& account, size_t bytes);
  void serve(TrafficClass traffic);
  void link(Waiter& waiter);
  void unlink(Waiter& waiter);

  const Limits limits_;
  std::atomic<size_t> used_{0};
  std::atomic<uint64_t> waits_{0};
  std::array<std::atomic<size_t>, kTrafficClasses> waiting_{};
  std::mutex mutex_;
  std::array<Queue, kTrafficClasses> queues_;
};

}  // namespace sluice::broker
