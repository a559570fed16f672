#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include <absl/container/btree_set.h>
#include <absl/container/flat_hash_map.h>

#include "base/bytes.h"
#include "base/memory_budget.h"
#include "base/result.h"
#include "base/strong.h"
#include "base/time.h"
#include "proto/record/batch.h"

namespace sluice::storage {

/// How many of a producer's last batches can be told from new ones (KIP-98; clients keep at most
/// five requests in flight).
inline constexpr size_t kRememberedBatches = 5;

/// A batch that a producer wrote, as far as a repeat of it must be recognised.
struct SequencedBatch {
  int32_t first_sequence = record::kNoSequence;
  int32_t last_offset_delta = 0;
  Offset last_offset{-1};
  Timestamp max_timestamp = kNoTimestamp;

  Offset base_offset() const { return last_offset - last_offset_delta; }
  /// After 2^31-1 comes 0.
  int32_t last_sequence() const;
};

/// What a log knows of one producer. Trivially copyable, so that an undo is a copy.
class ProducerEntry {
 public:
  ProducerEpoch epoch{-1};
  int32_t coordinator_epoch = -1;
  Timestamp last_timestamp = kNoTimestamp;
  /// First offset of its open transaction, -1 when none is.
  Offset transaction_start{-1};

  /// The last batch of this epoch; null when there is none.
  const SequencedBatch* newest() const;
  /// The batch `back` before the newest; below remembered().
  const SequencedBatch& before_newest(size_t back) const;
  /// The remembered batch with exactly these sequences, else null.
  const SequencedBatch* find(int32_t first_sequence, int32_t last_offset_delta) const;
  void remember(const SequencedBatch& batch);
  void forget_batches() { count_ = 0; }
  size_t remembered() const { return count_; }

 private:
  std::array<SequencedBatch, kRememberedBatches> batches_;
  uint8_t newest_ = 0;
  uint8_t count_ = 0;
};

/// The idempotence of one log (KIP-98): what each producer wrote last. Lives inside the log's lock;
/// for a known producer nothing allocates and everything is O(1). Every producer is charged to the
/// budget, which therefore bounds how many there can be.
class ProducerState {
 public:
  /// About what one producer takes in the table, at its least favourable load.
  static constexpr size_t kBytesPerProducer = 432;

  /// The budget outlives the state.
  explicit ProducerState(MemoryBudget& budget);
  ProducerState(ProducerState&&) noexcept = default;
  ProducerState& operator=(ProducerState&&) noexcept = default;

  /// Whether a client's or a coordinator's batch may be appended next; changes nothing. The batch
  /// it repeats when it does: not to be appended, and answered with that one's offsets once that
  /// one is written (it may be in flight still). Batches without a producer id always may.
  /// Errors: invalid_record (a producer without a sequence), unknown_producer (unheard of, and it
  /// does not begin at 0), out_of_order_sequence,
  /// fenced_producer (an older epoch).
  Result<std::optional<SequencedBatch>> check(const record::BatchHeader& header) const;

  /// Puts the state back by one apply(). Undos run in the reverse order of their applies.
  struct Undo {
    ProducerId producer = kNoProducerId;
    bool was_known = false;
    ProducerEntry before;
  };
  /// Takes in a batch that is going to be written at the offsets in `header` (already assigned) and
  /// that passed check(), or that a leader accepted. Error: out_of_memory when the producer is new
  /// and the budget is spent; nothing changed then.
  Result<Undo> apply(const record::BatchHeader& header);
  void undo(const Undo& undo);

  /// Takes in a batch found in the log. Never refuses: with the budget spent, the producers that
  /// were silent for longest make room; when this log has none, the new one is not remembered.
  void replay(const record::BatchHeader& header);

  /// Forgets producers without an open transaction whose last timestamp is `age` or more before
  /// `now`; how many. Walks all of them.
  size_t expire(Timestamp now, std::chrono::milliseconds age);
  void clear();

  size_t size() const { return producers_.size(); }
  const ProducerEntry* find(ProducerId producer) const;
  /// The last offset of every producer that has one, ordered by id.
  std::vector<std::pair<ProducerId, Offset>> ends() const;
  /// First offset of the oldest open transaction; empty when none is open.
  std::optional<Offset> oldest_transaction() const;

  /// The content of a `.snapshot` file (FORMAT.md), ordered by producer id: all that check() needs,
  /// so that a repeat is told from a new batch across a restart too.
  std::vector<std::byte> encode_snapshot() const;
  /// How many producers a snapshot holds; corrupt_file when it is none.
  static Result<size_t> check_snapshot(ByteView content);
  /// Replaces the state. Errors: corrupt_file (the state is then as before), out_of_memory.
  Result<> load_snapshot(ByteView content);

 private:
  size_t snapshot_size() const;
  ProducerEntry* find_or_add(ProducerId producer);
  void update(ProducerEntry& entry, const record::BatchHeader& header);
  void set_transaction(ProducerEntry& entry, Offset start);
  void evict_silent();

  absl::flat_hash_map<ProducerId, ProducerEntry> producers_;
  absl::btree_set<Offset> open_transactions_;
  Reservation charged_;
};

}  // namespace sluice::storage
