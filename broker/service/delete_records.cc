#include "broker/service/delete_records.h"

#include <algorithm>
#include <string>
#include <utility>

#include "broker/replication/partition_table.h"
#include "io/loop.h"
#include "io/sync.h"

namespace sluice::broker {
namespace {

/// For the followers in sync; longer than who does not follow stays in sync by default.
constexpr Duration kPatience = std::chrono::seconds(15);

}  // namespace

io::Task<std::vector<DeleteRecordsAnswer>> DeleteRecords::remove(
    const Principal& /*principal*/, std::span<const DeleteRecordsTarget> targets) {
  std::vector<DeleteRecordsAnswer> answers(targets.size());
  io::Scope removals;
  for (size_t i = 0; i < targets.size(); ++i) removals.start(remove_of(targets[i], answers[i]));
  co_await removals.join();
  co_return answers;
}

io::Task<void> DeleteRecords::remove_of(const DeleteRecordsTarget& target,
                                        DeleteRecordsAnswer& answer) {
  const auto partition = partitions_.find(target.key);
  if (partition == nullptr) {
    answer.error = partitions_.refusal_of(target.key);
    co_return;
  }
  auto start = co_await remove_before(*partition, target.before);
  if (start) {
    answer.log_start = *start;
  } else {
    answer.error = std::move(start).error();
  }
}

io::Task<Result<Offset>> DeleteRecords::remove_before(Partition& partition, Offset before) {
  const LeaderEpoch epoch = partition.leadership().epoch;
  CO_RETURN_IF_ERROR(partition.check_leader(std::nullopt));
  const Offset high_watermark = partition.high_watermark();
  if (before.value() == -1) before = high_watermark;
  const storage::TopicPartition& name = partition.log().partition();
  if (before.value() < 0 || before > high_watermark) {
    co_return fail(Errc::offset_out_of_range,
                   name.folder() + ": cannot delete before " + std::to_string(before.value()) +
                       "; give an offset up to the high watermark " +
                       std::to_string(high_watermark.value()) + ", or -1 for all");
  }
  CO_ASSIGN_OR_RETURN(const Offset start, co_await logs_.delete_records(name, before));
  partition.log_start_moved();
  CO_RETURN_IF_ERROR(
      co_await partition.started(start, epoch, io::Loop::current()->now() + kPatience));
  co_return start;
}

}  // namespace sluice::broker
