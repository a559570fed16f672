#include "broker/replication/partition.h"

// What clients' readers are told.
namespace sluice::broker {

Result<std::optional<Divergence>> Partition::check_reader(const ReaderFetch& fetch) const {
  RETURN_IF_ERROR(check_readable(fetch.leader_epoch));
  if (!fetch.last_epoch || fetch.offset < log_->ends().start) return std::nullopt;
  const auto [epoch, end] = log_->end_of_epoch(*fetch.last_epoch);
  // Where nothing is known of epochs, nothing tells that it has read something else.
  if (epoch.value() < 0) return std::nullopt;
  if (epoch < *fetch.last_epoch || end < fetch.offset) return Divergence{epoch, end};
  return std::nullopt;
}

}  // namespace sluice::broker
