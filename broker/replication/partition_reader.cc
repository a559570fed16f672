#include <algorithm>
#include <string>

#include "broker/replication/partition.h"

// What clients' readers are told, by a leader and by a follower.
namespace sluice::broker {

Result<std::optional<Divergence>> Partition::check_reader(const ReaderFetch& fetch) const {
  if (fetch.from_follower && leadership().leader != ports_.self) {
    RETURN_IF_ERROR(check_reader_of_follower(fetch));
    return std::nullopt;
  }
  RETURN_IF_ERROR(check_leader(fetch.leader_epoch));
  if (!fetch.last_epoch || fetch.offset < log_->ends().start) return std::nullopt;
  const auto [epoch, end] = log_->end_of_epoch(*fetch.last_epoch);
  // Where nothing is known of epochs, nothing tells that it has read something else.
  if (epoch.value() < 0) return std::nullopt;
  if (epoch < *fetch.last_epoch || end < fetch.offset) return Divergence{epoch, end};
  return std::nullopt;
}

Result<> Partition::check_reader_of_follower(const ReaderFetch& fetch) const {
  if (stopped()) return fail(stopped_because());
  const Leadership now = leadership();
  if (fetch.leader_epoch && *fetch.leader_epoch != now.epoch) {
    return fail(*fetch.leader_epoch < now.epoch ? Errc::fenced_leader_epoch
                                                : Errc::unknown_leader_epoch);
  }
  if (!in_sync_.load(std::memory_order_acquire) || !agrees_.load(std::memory_order_acquire)) {
    return fail(Errc::not_leader, log_->partition().folder() +
                                      ": this broker's replica is not in sync; ask the leader");
  }
  // Who is ahead of this follower has read from one that knows more, or from a log that was cut:
  // the leader can tell.
  const Offset end = log_->ends().end;
  bool knows = fetch.offset <= end;
  if (knows && fetch.last_epoch) {
    const auto [epoch, ended] = log_->end_of_epoch(*fetch.last_epoch);
    knows = epoch == *fetch.last_epoch && fetch.offset <= ended;
  }
  if (knows) return {};
  return fail(Errc::offset_out_of_range,
              log_->partition().folder() + ": this follower ends at " +
                  std::to_string(end.value()) + " and does not know what is before offset " +
                  std::to_string(fetch.offset.value()) + "; ask the leader");
}

void Partition::set_standing(const PartitionImage& image) {
  const auto has_self = [this](const std::vector<NodeId>& nodes) {
    return std::ranges::find(nodes, ports_.self) != nodes.end();
  };
  const bool in_sync = has_self(image.in_sync);
  is_coming_.store(!in_sync && has_self(image.adding), std::memory_order_relaxed);
  if (in_sync_.exchange(in_sync, std::memory_order_acq_rel) == in_sync || in_sync) return;
  Wakes wakes;
  {
    auto state = state_.lock();
    wake_all(*state, wakes);
  }
  wakes.resume_all();
}

uint64_t Partition::take_committed_bytes(State& state, Offset to, Offset end) const {
  uint64_t bytes = state.uncommitted_bytes;
  const Offset from = high_watermark();
  if (to < end) {
    const auto share = static_cast<double>(to - from) / static_cast<double>(end - from);
    bytes = static_cast<uint64_t>(static_cast<double>(bytes) * share);
  }
  state.uncommitted_bytes -= bytes;
  return std::max<uint64_t>(bytes, 1);
}

}  // namespace sluice::broker
