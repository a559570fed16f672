#pragma once

#include <vector>

#include "base/check.h"
#include "proto/record/batch.h"
#include "storage/log.h"
#include "storage/repair.h"

namespace sluice::testing {

/// What another replica of a log has, as it was when this was made.
class RangeCopy final : public storage::RangeSource {
 public:
  static io::Task<RangeCopy> of(storage::Log& log) {
    RangeCopy copy;
    const storage::LogEnds ends = log.ends();
    for (Offset at = ends.start; at < ends.end;) {
      const auto found = co_await log.read({.from = at, .bound = ends.end});
      CHECK(found && found->slice.length > 0, "the log that is copied is whole");
      std::vector<std::byte> bytes(found->slice.length);
      const auto read =
          co_await found->slice.file->read_at(found->slice.position, bytes, io::Lane::cold);
      CHECK(read && *read == bytes.size(), "the log that is copied can be read");
      record::BatchCursor cursor(bytes);
      for (auto batch = cursor.next(); batch && *batch; batch = cursor.next()) {
        const ByteView whole = (*batch)->bytes();
        copy.batches_.emplace_back(whole.begin(), whole.end());
        at = (*batch)->header().next_offset();
      }
    }
    co_return copy;
  }

  io::Task<Result<MutableBytes>> fetch(Offset from, Offset /*to*/) override {
    // Two at a time, so that a range takes several.
    size_t taken = 0;
    answer_.clear();
    if (from >= unknown_from_ && from < unknown_to_) co_return MutableBytes();
    for (const auto& batch : batches_) {
      const auto header = record::load_header(batch.data());
      if (header.next_offset() <= from || taken == 2) continue;
      answer_.insert(answer_.end(), batch.begin(), batch.end());
      ++taken;
    }
    co_return MutableBytes(answer_);
  }

  /// It cannot say what belongs there any more.
  void forget(Offset from, Offset to) {
    unknown_from_ = from;
    unknown_to_ = to;
  }
  void restamp(LeaderEpoch epoch) {
    for (auto& batch : batches_) {
      record::stamp(batch, record::load_header(batch.data()).base_offset, epoch);
    }
  }

 private:
  std::vector<std::vector<std::byte>> batches_;
  std::vector<std::byte> answer_;
  Offset unknown_from_{-1};
  Offset unknown_to_{-1};
};

}  // namespace sluice::testing
