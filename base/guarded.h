#pragma once

#include <mutex>
#include <utility>

namespace sluice {

/// Data inside its lock: the only way to the data is through lock(), and the reference dies with
/// the lock. Held for in-memory work only, never across a co_await or a system call.
template <class T>
class Guarded {
 public:
  template <class... Args>
  explicit Guarded(Args&&... args) : data_(std::forward<Args>(args)...) {}

  class Locked {
   public:
    T* operator->() { return &data_; }
    T& operator*() { return data_; }

   private:
    friend class Guarded;
    Locked(std::mutex& mutex, T& data) : lock_(mutex), data_(data) {}
    std::unique_lock<std::mutex> lock_;
    T& data_;
  };
  class LockedConst {
   public:
    const T* operator->() const { return &data_; }
    const T& operator*() const { return data_; }

   private:
    friend class Guarded;
    LockedConst(std::mutex& mutex, const T& data) : lock_(mutex), data_(data) {}
    std::unique_lock<std::mutex> lock_;
    const T& data_;
  };

  [[nodiscard]] Locked lock() { return Locked(mutex_, data_); }
  [[nodiscard]] LockedConst lock() const { return LockedConst(mutex_, data_); }

 private:
  mutable std::mutex mutex_;
  T data_;
};

}  // namespace sluice
