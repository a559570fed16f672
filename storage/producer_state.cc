#include "storage/producer_state.h"

#include <algorithm>
#include <string>
#include <utility>

#include "base/check.h"
#include "base/crc32c.h"

namespace sluice::storage {
namespace {

constexpr uint32_t kLargestSequence = 0x7fffffff;
constexpr int16_t kSnapshotVersion = 1;
constexpr size_t kSnapshotHeader = 2 + 4 + 4;
constexpr size_t kSnapshotEntry = 46;
/// Behind Kafka's entries, which stop at their count: for each of them how many batches before the
/// last one follow, and those.
constexpr size_t kSnapshotOlderCount = 1;
constexpr size_t kSnapshotOlder = 4 + 4 + 8 + 8;
constexpr size_t kSnapshotCrcStart = 6;

int32_t after(int32_t sequence, int32_t by) {
  return static_cast<int32_t>((static_cast<uint32_t>(sequence) + static_cast<uint32_t>(by)) &
                              kLargestSequence);
}

Error out_of_order(const record::BatchHeader& header, int32_t expected) {
  return {Errc::out_of_order_sequence, "producer " + std::to_string(header.producer_id.value()) +
                                           " sent sequence " +
                                           std::to_string(header.base_sequence) + " where " +
                                           std::to_string(expected) + " is the next"};
}

/// Whether this is what follows `count` entries: nothing when Kafka wrote them.
bool holds_older(ByteView rest, int32_t count) {
  if (rest.empty()) return true;
  for (int32_t i = 0; i < count; ++i) {
    if (rest.empty()) return false;
    const size_t older = load_be<uint8_t>(rest.data());
    const size_t size = kSnapshotOlderCount + older * kSnapshotOlder;
    if (older >= kRememberedBatches || rest.size() < size) return false;
    rest = rest.subspan(size);
  }
  return rest.empty();
}

/// Reads the batches before a producer's last one; where what follows them begins.
const std::byte* load_older(const std::byte* at, ProducerEntry& entry) {
  const auto older = load_be<uint8_t>(at);
  at += kSnapshotOlderCount;
  for (int i = 0; i < older; ++i, at += kSnapshotOlder) {
    entry.remember({.first_sequence = load_be<int32_t>(at),
                    .last_offset_delta = load_be<int32_t>(at + 4),
                    .last_offset = Offset(load_be<int64_t>(at + 8)),
                    .max_timestamp = Timestamp(load_be<int64_t>(at + 16))});
  }
  return at;
}

}  // namespace

int32_t SequencedBatch::last_sequence() const { return after(first_sequence, last_offset_delta); }

const SequencedBatch* ProducerEntry::newest() const {
  return count_ == 0 ? nullptr : &batches_[newest_];
}

const SequencedBatch* ProducerEntry::find(int32_t first_sequence, int32_t last_offset_delta) const {
  for (size_t back = 0; back < count_; ++back) {
    const auto& batch = before_newest(back);
    if (batch.first_sequence == first_sequence && batch.last_offset_delta == last_offset_delta)
      return &batch;
  }
  return nullptr;
}

const SequencedBatch& ProducerEntry::before_newest(size_t back) const {
  CHECK(back < count_, "only remembered batches are asked for");
  return batches_[(newest_ + kRememberedBatches - back) % kRememberedBatches];
}

void ProducerEntry::remember(const SequencedBatch& batch) {
  newest_ = static_cast<uint8_t>((newest_ + 1) % kRememberedBatches);
  batches_[newest_] = batch;
  if (count_ < kRememberedBatches) ++count_;
}

ProducerState::ProducerState(MemoryBudget& budget) {
  auto nothing = budget.reserve(0);
  CHECK(nothing.has_value(), "reserving nothing always succeeds");
  charged_ = std::move(*nothing);
}

const ProducerEntry* ProducerState::find(ProducerId producer) const {
  const auto it = producers_.find(producer);
  return it == producers_.end() ? nullptr : &it->second;
}

std::optional<Offset> ProducerState::oldest_transaction() const {
  if (open_transactions_.empty()) return std::nullopt;
  return *open_transactions_.begin();
}

Result<std::optional<SequencedBatch>> ProducerState::check(
    const record::BatchHeader& header) const {
  if (!header.has_producer()) return std::nullopt;
  if (!header.is_control() && header.base_sequence < 0) {
    return fail(Errc::invalid_record, "producer " + std::to_string(header.producer_id.value()) +
                                          " sent a batch without a sequence number");
  }
  const ProducerEntry* entry = find(header.producer_id);
  if (entry == nullptr) {
    // Its first batch may have been refused a moment ago and come again: what was sent behind that
    // one must not get in front of it.
    if (header.is_control() || header.base_sequence == 0) return std::nullopt;
    return fail(Errc::unknown_producer,
                "producer " + std::to_string(header.producer_id.value()) + " sent sequence " +
                    std::to_string(header.base_sequence) +
                    " first; this log knows nothing of it, so it has to begin at 0 with a new id");
  }
  if (header.producer_epoch < entry->epoch) {
    return fail(Errc::fenced_producer, "producer " + std::to_string(header.producer_id.value()) +
                                           " has epoch " + std::to_string(entry->epoch.value()) +
                                           ", the batch was sent with " +
                                           std::to_string(header.producer_epoch.value()));
  }
  if (header.is_control()) return std::nullopt;
  if (header.producer_epoch > entry->epoch) {
    if (header.base_sequence != 0) return fail(out_of_order(header, 0));
    return std::nullopt;
  }
  if (const auto* repeated = entry->find(header.base_sequence, header.last_offset_delta))
    return *repeated;
  const auto* last = entry->newest();
  const int32_t expected = last == nullptr ? 0 : after(last->last_sequence(), 1);
  if (header.base_sequence != expected) return fail(out_of_order(header, expected));
  return std::nullopt;
}

ProducerEntry* ProducerState::find_or_add(ProducerId producer) {
  if (const auto it = producers_.find(producer); it != producers_.end()) return &it->second;
  if (!charged_.grow(kBytesPerProducer)) return nullptr;
  return &producers_.try_emplace(producer).first->second;
}

Result<ProducerState::Undo> ProducerState::apply(const record::BatchHeader& header) {
  Undo undo;
  if (!header.has_producer()) return undo;
  undo.producer = header.producer_id;
  const size_t known = producers_.size();
  ProducerEntry* entry = find_or_add(header.producer_id);
  if (entry == nullptr) return fail(Errc::out_of_memory);
  undo.was_known = producers_.size() == known;
  undo.before = *entry;
  update(*entry, header);
  return undo;
}

void ProducerState::undo(const Undo& undo) {
  if (undo.producer == kNoProducerId) return;
  const auto it = producers_.find(undo.producer);
  CHECK(it != producers_.end(), "an undone apply left its producer behind");
  set_transaction(it->second, undo.before.transaction_start);
  if (undo.was_known) {
    it->second = undo.before;
  } else {
    producers_.erase(it);
    charged_.shrink_to(producers_.size() * kBytesPerProducer);
  }
}

void ProducerState::replay(const record::BatchHeader& header) {
  if (!header.has_producer()) return;
  ProducerEntry* entry = find_or_add(header.producer_id);
  if (entry == nullptr) {
    evict_silent();
    entry = find_or_add(header.producer_id);
  }
  if (entry != nullptr) update(*entry, header);
}

void ProducerState::update(ProducerEntry& entry, const record::BatchHeader& header) {
  if (header.producer_epoch != entry.epoch) {
    entry.forget_batches();
    entry.epoch = header.producer_epoch;
  }
  entry.last_timestamp = header.max_timestamp;
  if (header.is_control()) {
    set_transaction(entry, Offset{-1});
    return;
  }
  entry.remember({.first_sequence = header.base_sequence,
                  .last_offset_delta = header.last_offset_delta,
                  .last_offset = header.last_offset(),
                  .max_timestamp = header.max_timestamp});
  if (header.is_transactional() && entry.transaction_start.value() < 0)
    set_transaction(entry, header.base_offset);
}

void ProducerState::set_transaction(ProducerEntry& entry, Offset start) {
  if (entry.transaction_start == start) return;
  if (entry.transaction_start.value() >= 0) open_transactions_.erase(entry.transaction_start);
  entry.transaction_start = start;
  if (start.value() >= 0) open_transactions_.insert(start);
}

size_t ProducerState::expire(Timestamp now, std::chrono::milliseconds age) {
  const size_t gone = absl::erase_if(producers_, [&](const auto& item) {
    const ProducerEntry& entry = item.second;
    return entry.transaction_start.value() < 0 && now - entry.last_timestamp >= age.count();
  });
  charged_.shrink_to(producers_.size() * kBytesPerProducer);
  return gone;
}

void ProducerState::evict_silent() {
  std::vector<std::pair<Timestamp, ProducerId>> idle;
  for (const auto& [id, entry] : producers_)
    if (entry.transaction_start.value() < 0) idle.emplace_back(entry.last_timestamp, id);
  if (idle.empty()) return;
  // An eighth at a time, so that a long replay does not walk the table for every new producer.
  const size_t some = idle.size() / 8 + 1;
  std::nth_element(idle.begin(), idle.begin() + static_cast<ptrdiff_t>(some - 1), idle.end());
  for (size_t i = 0; i < some; ++i) producers_.erase(idle[i].second);
  charged_.shrink_to(producers_.size() * kBytesPerProducer);
}

void ProducerState::clear() {
  producers_ = {};
  open_transactions_.clear();
  charged_.shrink_to(0);
}

std::vector<std::pair<ProducerId, Offset>> ProducerState::ends() const {
  std::vector<std::pair<ProducerId, Offset>> ends;
  ends.reserve(producers_.size());
  for (const auto& [id, entry] : producers_)
    if (const auto* last = entry.newest()) ends.emplace_back(id, last->last_offset);
  std::ranges::sort(ends);
  return ends;
}

size_t ProducerState::snapshot_size() const {
  size_t size = kSnapshotHeader;
  for (const auto& [id, entry] : producers_) {
    size += kSnapshotEntry + kSnapshotOlderCount;
    if (entry.remembered() > 1) size += (entry.remembered() - 1) * kSnapshotOlder;
  }
  return size;
}

std::vector<std::byte> ProducerState::encode_snapshot() const {
  std::vector<std::pair<ProducerId, const ProducerEntry*>> ordered;
  ordered.reserve(producers_.size());
  for (const auto& [id, entry] : producers_) ordered.emplace_back(id, &entry);
  std::ranges::sort(ordered, {}, [](const auto& item) { return item.first; });

  std::vector<std::byte> out(snapshot_size());
  std::byte* at = out.data();
  const auto put = [&at](auto value) {
    store_be(at, value);
    at += sizeof(value);
  };
  put(kSnapshotVersion);
  put(uint32_t{0});
  put(static_cast<int32_t>(ordered.size()));
  for (const auto& [id, entry] : ordered) {
    const SequencedBatch* last = entry->newest();
    put(id.value());
    put(entry->epoch.value());
    put(last ? last->last_sequence() : record::kNoSequence);
    put(last ? last->last_offset.value() : int64_t{-1});
    put(last ? last->last_offset_delta : int32_t{0});
    put(entry->last_timestamp.value());
    put(entry->coordinator_epoch);
    put(entry->transaction_start.value());
  }
  for (const auto& item : ordered) {
    const ProducerEntry* entry = item.second;
    const size_t older = entry->remembered() > 1 ? entry->remembered() - 1 : 0;
    put(static_cast<uint8_t>(older));
    for (size_t back = older; back > 0; --back) {
      const SequencedBatch& batch = entry->before_newest(back);
      put(batch.first_sequence);
      put(batch.last_offset_delta);
      put(batch.last_offset.value());
      put(batch.max_timestamp.value());
    }
  }
  CHECK(at == out.data() + out.size(), "a snapshot takes the room that was counted for it");
  store_be(out.data() + 2, crc32c(ByteView(out).subspan(kSnapshotCrcStart)));
  return out;
}

Result<size_t> ProducerState::check_snapshot(ByteView content) {
  if (content.size() < kSnapshotHeader)
    return fail(Errc::corrupt_file, "the snapshot is shorter than its header");
  const auto version = load_be<int16_t>(content.data());
  if (version != kSnapshotVersion) {
    return fail(Errc::corrupt_file,
                "the snapshot has version " + std::to_string(version) + ", only 1 is known");
  }
  if (load_be<uint32_t>(content.data() + 2) != crc32c(content.subspan(kSnapshotCrcStart)))
    return fail(Errc::corrupt_file, "the snapshot fails its checksum");
  const auto count = load_be<int32_t>(content.data() + 6);
  const ByteView entries = content.subspan(kSnapshotHeader);
  if (count < 0 || entries.size() / kSnapshotEntry < static_cast<size_t>(count) ||
      !holds_older(entries.subspan(static_cast<size_t>(count) * kSnapshotEntry), count)) {
    return fail(Errc::corrupt_file, "the snapshot says it has " + std::to_string(count) +
                                        " entries, its size says otherwise");
  }
  return static_cast<size_t>(count);
}

Result<> ProducerState::load_snapshot(ByteView content) {
  ASSIGN_OR_RETURN(const size_t entries, check_snapshot(content));
  const size_t charged = producers_.size() * kBytesPerProducer;
  const size_t wanted = entries * kBytesPerProducer;
  if (wanted > charged) RETURN_IF_ERROR(charged_.grow(wanted - charged));

  producers_.clear();
  open_transactions_.clear();
  producers_.reserve(entries);
  const std::byte* at = content.data() + kSnapshotHeader;
  const std::byte* older = at + entries * kSnapshotEntry;
  const bool has_older = older != content.data() + content.size();
  for (size_t i = 0; i < entries; ++i, at += kSnapshotEntry) {
    ProducerEntry& entry = producers_[ProducerId(load_be<int64_t>(at))];
    entry.epoch = ProducerEpoch(load_be<int16_t>(at + 8));
    entry.last_timestamp = Timestamp(load_be<int64_t>(at + 26));
    entry.coordinator_epoch = load_be<int32_t>(at + 34);
    set_transaction(entry, Offset(load_be<int64_t>(at + 38)));
    const auto last_sequence = load_be<int32_t>(at + 10);
    const auto delta = load_be<int32_t>(at + 22);
    if (has_older) older = load_older(older, entry);
    if (last_sequence < 0) continue;
    entry.remember({.first_sequence = after(last_sequence, -delta),
                    .last_offset_delta = delta,
                    .last_offset = Offset(load_be<int64_t>(at + 14)),
                    .max_timestamp = entry.last_timestamp});
  }
  charged_.shrink_to(producers_.size() * kBytesPerProducer);
  return {};
}

}  // namespace sluice::storage
