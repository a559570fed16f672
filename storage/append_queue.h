#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "base/result.h"
#include "io/sync.h"
#include "proto/record/batch.h"
#include "storage/log.h"
#include "storage/producer_state.h"

namespace sluice::storage {

/// Who waits to change a log: an append, which whoever writes may take along, or something that
/// needs the writer's role for itself. Lives in the waiting coroutine's frame.
struct LogWaiter {
  enum class Turn : uint8_t {
    done,   ///< another wrote it; the outcome is there
    write,  ///< the role is yours
  };

  bool is_append = false;
  LogWaiter* next = nullptr;
  io::OneShot<Turn> turn;
};

/// An append on its way through the queue.
struct PendingAppend : LogWaiter {
  explicit PendingAppend(AppendRequest asked) : request(asked) { is_append = true; }

  AppendRequest request;
  /// Of the only batch, or of a replica's first; with its offsets once they are assigned.
  record::BatchHeader header;
  /// How to take the batch back from the producer state, when it is in there.
  std::optional<ProducerState::Undo> undo;
  Result<Appended> outcome{Appended{}};
};

/// The line of those who change a log, first come first served. One holds the writer's role; who
/// gives it up hands it to the next. An appender with the role takes along the appends behind it,
/// so that they share a write. Not synchronised: it lives inside the log's lock.
class AppendQueue {
 public:
  /// True when the role is the caller's at once. Else the waiter is in the line and its turn comes.
  bool enter(LogWaiter& waiter);
  /// Takes the next in line when it is an append of at most `max_bytes`; the role stays. Null when
  /// there is none.
  PendingAppend* take_append(size_t max_bytes);
  /// Gives the role up. Who has it now and must be told, if anyone.
  LogWaiter* leave();
  bool empty() const { return head_ == nullptr; }

 private:
  LogWaiter* pop();
  LogWaiter* head_ = nullptr;
  LogWaiter* tail_ = nullptr;
  bool held_ = false;
};

}  // namespace sluice::storage
