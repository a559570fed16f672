#include "broker/service/delete_records.h"

#include <algorithm>
#include <string>
#include <utility>

#include "broker/replication/partition_table.h"

namespace sluice::broker {

io::Task<std::vector<DeleteRecordsAnswer>> DeleteRecords::remove(
    const Principal& /*principal*/, std::span<const DeleteRecordsTarget> targets) {
  std::vector<DeleteRecordsAnswer> answers(targets.size());
  for (size_t i = 0; i < targets.size(); ++i) {
    const auto partition = partitions_.find(targets[i].key);
    if (partition == nullptr) {
      answers[i].error = partitions_.refusal_of(targets[i].key);
      continue;
    }
    auto start = co_await remove_before(*partition, targets[i].before);
    if (start) {
      answers[i].log_start = *start;
    } else {
      answers[i].error = std::move(start).error();
    }
  }
  co_return answers;
}

io::Task<Result<Offset>> DeleteRecords::remove_before(Partition& partition, Offset before) {
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
  auto start = co_await logs_.delete_records(name, before);
  if (start) partition.log_start_moved();
  co_return start;
}

}  // namespace sluice::broker
