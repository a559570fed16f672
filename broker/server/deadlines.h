#pragma once

#include <array>
#include <cstddef>

#include "base/time.h"
#include "io/loop.h"

namespace sluice::broker {

/// Something that ends when nothing happens for too long. Embedded in its owner.
class Deadline {
 public:
  /// When it is over as things stand at `now`; asked only when it may be.
  virtual TimePoint due(TimePoint now) const = 0;
  virtual void expired() = 0;

 protected:
  Deadline() = default;
  ~Deadline() = default;
  Deadline(const Deadline&) = delete;
  Deadline& operator=(const Deadline&) = delete;

 private:
  friend class DeadlineWheel;
  Deadline* previous_ = nullptr;
  Deadline* next_ = nullptr;
  size_t slot_ = 0;
  bool linked_ = false;
};

/// A hashed timer wheel (Varghese and Lauck 1987) for many deadlines that nearly always move away:
/// activity costs nothing here, because a slot's turn asks its members when they are really due and
/// files them again. Late by up to a tick. Belongs to one loop; one armed timer while it has
/// members.
class DeadlineWheel final : private io::Timer {
 public:
  DeadlineWheel(io::Loop& loop, Duration tick) : loop_(loop), tick_(tick) {}
  ~DeadlineWheel();

  void add(Deadline& deadline);
  void remove(Deadline& deadline);
  /// It became due earlier than it was when it was filed.
  void moved_up(Deadline& deadline);

 private:
  static constexpr size_t kSlots = 512;
  static constexpr size_t kFiring = kSlots;
  void fire() override;
  void file(Deadline& deadline, TimePoint now);
  void unlink(Deadline& deadline);

  io::Loop& loop_;
  const Duration tick_;
  std::array<Deadline*, kSlots + 1> slots_{};
  size_t current_ = 0;
  size_t members_ = 0;
  TimePoint next_tick_{};
};

}  // namespace sluice::broker
