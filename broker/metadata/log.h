#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "base/strong.h"
#include "io/task.h"

namespace sluice::broker {

/// Who folds what is committed; called on the control loop, in the order of the log, each entry
/// once in the life of the process.
struct MetadataSubscriber {
  /// A committed command. An error says that it changed nothing, on every broker alike; whoever
  /// proposed it is told.
  std::function<Result<>(uint64_t index, ByteView command)> apply;
  /// Begins anew from a snapshot. An error is final: the log cannot be used.
  std::function<Result<>(uint64_t index, ByteView snapshot)> restore;
  /// What gives all that was applied so far, called once, on any thread: that may take its time.
  std::function<std::function<std::vector<std::byte>()>()> snapshot;
  /// Whether apply() would know what the command says. Asked before a command gets into the log:
  /// one that is committed and not understood ends every broker, at every start. Null: all are
  /// known.
  std::function<Result<>(ByteView command)> check = {};
};

/// The largest command. It is one message of the consensus and is kept in memory for followers; a
/// new topic of 100,000 partitions takes about a half of it.
inline constexpr size_t kMostCommandBytes = 4_MiB;

/// The agreed order of all changes to the cluster's metadata. A group of one has it on its disk
/// only; a larger one agrees by Raft.
class MetadataLog {
 public:
  virtual ~MetadataLog() = default;

  /// Done when the command is committed and this broker's subscriber applied it. From any loop.
  /// Errors: what apply said; not_controller; disk_full and shutting_down (not proposed);
  /// outcome_unknown (propose the same command again: its id tells it from a new one). With a term
  /// the command becomes an entry of that term, of which this broker is the leader, or of none.
  virtual io::Task<Result<>> propose(std::vector<std::byte> command,
                                     std::optional<uint64_t> term = std::nullopt) = 0;
  /// Who can be asked to propose; empty while nobody can.
  virtual std::optional<NodeId> leader() const = 0;
  /// Refuses proposals from now on, finishes those under way. Once, before the log dies.
  virtual io::Task<void> close() = 0;
};

}  // namespace sluice::broker
