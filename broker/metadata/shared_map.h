#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <utility>

#include <absl/container/btree_map.h>

namespace sluice::broker {

/// A map that is a value: a copy costs a few hundred reference counts and shares everything, a
/// change copies one bucket. Values are small or pointers.
template <class K, class V>
class SharedMap {
 public:
  const V* find(const K& key) const {
    const auto& bucket = buckets_[bucket_of(key)];
    if (bucket == nullptr) return nullptr;
    const auto at = bucket->find(key);
    return at == bucket->end() ? nullptr : &at->second;
  }
  void set(const K& key, V value) {
    auto bucket = copy_of(key);
    if (bucket->insert_or_assign(key, std::move(value)).second) ++size_;
    buckets_[bucket_of(key)] = std::move(bucket);
  }
  void erase(const K& key) {
    if (find(key) == nullptr) return;
    auto bucket = copy_of(key);
    bucket->erase(key);
    --size_;
    buckets_[bucket_of(key)] = std::move(bucket);
  }
  size_t size() const { return size_; }
  /// In an order that depends on the keys alone.
  template <class F>
  void for_each(F&& visit) const {
    for (const auto& bucket : buckets_) {
      if (bucket == nullptr) continue;
      for (const auto& [key, value] : *bucket) visit(key, value);
    }
  }
  /// visit(const V* before, const V* after) for each key whose value differs in `after`; null where
  /// it has none. Costs what changed, not what there is.
  template <class F>
  void for_each_change(const SharedMap& after, F&& visit) const {
    for (size_t i = 0; i < kBuckets; ++i) {
      if (buckets_[i] == after.buckets_[i]) continue;
      each_missing(buckets_[i], after.buckets_[i], [&](const V& old) { visit(&old, nullptr); });
      if (after.buckets_[i] == nullptr) continue;
      for (const auto& [key, value] : *after.buckets_[i]) {
        const V* old = find(key);
        if (old == nullptr || *old != value) visit(old, &value);
      }
    }
  }

 private:
  static constexpr size_t kBuckets = 256;
  using Bucket = absl::btree_map<K, V>;
  /// Without a seed: the order of visits is the same in every process.
  static size_t bucket_of(const K& key) {
    // The standard hash of a number is itself; the product spreads it into the high bits.
    return (uint64_t{std::hash<K>{}(key)} * 0x9e3779b97f4a7c15u) >> 56;
  }
  template <class F>
  static void each_missing(const std::shared_ptr<const Bucket>& in,
                           const std::shared_ptr<const Bucket>& from, F&& visit) {
    if (in == nullptr) return;
    for (const auto& [key, value] : *in) {
      if (from == nullptr || !from->contains(key)) visit(value);
    }
  }
  std::shared_ptr<Bucket> copy_of(const K& key) const {
    const auto& old = buckets_[bucket_of(key)];
    return old == nullptr ? std::make_shared<Bucket>() : std::make_shared<Bucket>(*old);
  }

  std::array<std::shared_ptr<const Bucket>, kBuckets> buckets_;
  size_t size_ = 0;
};

}  // namespace sluice::broker
