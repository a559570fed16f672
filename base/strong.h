#pragma once

#include <compare>
#include <concepts>
#include <cstdint>
#include <functional>
#include <utility>

namespace sluice {

/// A number that only mixes with its own kind: an Offset is not a Position is not an Epoch.
/// Adding or subtracting a bare integer moves it; the difference of two is a bare integer.
template <std::integral Rep, class Tag>
class Strong {
 public:
  using rep = Rep;

  constexpr Strong() = default;
  constexpr explicit Strong(Rep value) : value_(value) {}

  constexpr Rep value() const { return value_; }

  constexpr auto operator<=>(const Strong&) const = default;
  constexpr Strong& operator++() {
    ++value_;
    return *this;
  }
  constexpr Strong& operator+=(Rep by) {
    value_ += by;
    return *this;
  }
  friend constexpr Strong operator+(Strong a, Rep by) {
    return Strong(static_cast<Rep>(a.value_ + by));
  }
  friend constexpr Strong operator-(Strong a, Rep by) {
    return Strong(static_cast<Rep>(a.value_ - by));
  }
  friend constexpr Rep operator-(Strong a, Strong b) {
    return static_cast<Rep>(a.value_ - b.value_);
  }

  template <class H>
  friend H AbslHashValue(H hash, Strong id) {
    return H::combine(std::move(hash), id.value_);
  }

 private:
  Rep value_{};
};

/// Place of a record in its partition. The log end offset is the offset the next record will get.
using Offset = Strong<int64_t, struct OffsetTag>;
/// Counts the leaderships of a partition; -1 in a batch means "not yet assigned".
using LeaderEpoch = Strong<int32_t, struct LeaderEpochTag>;
using PartitionId = Strong<int32_t, struct PartitionIdTag>;
using NodeId = Strong<int32_t, struct NodeIdTag>;
using ProducerId = Strong<int64_t, struct ProducerIdTag>;
using ProducerEpoch = Strong<int16_t, struct ProducerEpochTag>;

inline constexpr ProducerId kNoProducerId{-1};

}  // namespace sluice

template <class Rep, class Tag>
struct std::hash<sluice::Strong<Rep, Tag>> {
  size_t operator()(sluice::Strong<Rep, Tag> id) const noexcept {
    return std::hash<Rep>{}(id.value());
  }
};
