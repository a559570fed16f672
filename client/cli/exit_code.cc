#include "client/cli/exit_code.h"

#include <utility>

namespace sluice::cli {

ExitCode exit_code_of(Errc code) {
  switch (code) {
    case Errc::invalid_argument:
      return ExitCode::usage;
    case Errc::connection_closed:
    case Errc::connection_refused:
    case Errc::connection_failed:
    case Errc::unresolved_host:
      return ExitCode::unreachable;
    case Errc::unknown_topic_or_partition:
    case Errc::unknown_topic_id:
    case Errc::not_found:
    case Errc::file_not_found:
      return ExitCode::not_found;
    case Errc::invalid_topic_name:
    case Errc::invalid_partitions:
    case Errc::invalid_replication:
    case Errc::invalid_config:
    case Errc::not_authorized:
    case Errc::permission_denied:
    case Errc::throttled:
    case Errc::too_many:
      return ExitCode::refused;
    case Errc::timed_out:
      return ExitCode::timed_out;
    case Errc::invalid_request:
    case Errc::unsupported_version:
    case Errc::malformed_frame:
    case Errc::frame_too_large:
    case Errc::topic_exists:
    case Errc::offset_out_of_range:
    case Errc::unknown_session:
    case Errc::unsupported:
    case Errc::already_exists:
    case Errc::corrupt_batch:
    case Errc::invalid_record:
    case Errc::batch_too_large:
    case Errc::unsupported_compression:
    case Errc::invalid_timestamp:
    case Errc::out_of_order_sequence:
    case Errc::duplicate_sequence:
    case Errc::fenced_producer:
    case Errc::unknown_producer:
    case Errc::not_leader:
    case Errc::fenced_leader_epoch:
    case Errc::unknown_leader_epoch:
    case Errc::offset_not_available:
    case Errc::not_enough_replicas:
    case Errc::not_controller:
    case Errc::log_truncated:
    case Errc::out_of_memory:
    case Errc::pressure:
    case Errc::cancelled:
    case Errc::shutting_down:
    case Errc::outcome_unknown:
    case Errc::would_block:
    case Errc::recovering:
    case Errc::disk_full:
    case Errc::disk_failed:
    case Errc::disk_offline:
    case Errc::file_exists:
    case Errc::corrupt_file:
    case Errc::locked:
    case Errc::wrong_cluster:
    case Errc::partition_corrupt:
    case Errc::address_in_use:
    case Errc::internal:
      return ExitCode::failed;
  }
  std::unreachable();
}

}  // namespace sluice::cli
