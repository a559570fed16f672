#include <algorithm>
#include <chrono>
#include <limits>

#include "broker/native/cluster.h"
#include "broker/native/wire.h"

namespace sluice::broker {
namespace {

/// Of what a broker says of itself, which the controller keeps.
constexpr size_t kMostProblems = 8;
constexpr size_t kMostText = 256;

uint32_t rounded_up(Duration duration) {
  const std::chrono::milliseconds most(std::numeric_limits<uint32_t>::max());
  const auto rounded = std::chrono::ceil<std::chrono::milliseconds>(duration);
  return static_cast<uint32_t>(std::min(most, rounded).count());
}

}  // namespace

io::Task<Result<>> answer_heartbeat(NativeCall& call) {
  CO_RETURN_IF_ERROR(check_member(call));
  CO_ASSIGN_OR_RETURN(ControllerPort* const controller, controller_of(call));
  const auto& request = call.request.heartbeat();
  Heartbeat heartbeat{.node = NodeId{request.node_id()},
                      .broker_epoch = request.broker_epoch(),
                      .applied_index = request.applied_index(),
                      .wants_to_stop = request.wants_to_stop()};
  for (const auto& name : request.warmed_up()) {
    CO_ASSIGN_OR_RETURN(const Uuid topic_id, decode_topic_id(name.topic_id()));
    heartbeat.warmed_up.push_back({topic_id, PartitionId{name.partition()}});
  }
  for (const std::string& problem : request.problems()) {
    if (heartbeat.problems.size() == kMostProblems) break;
    heartbeat.problems.push_back(problem.substr(0, kMostText));
  }
  CO_ASSIGN_OR_RETURN(const auto verdict, co_await on_control(call, [controller, &heartbeat] {
                        return controller->heartbeat(heartbeat);
                      }));
  auto& answer = *call.response.mutable_heartbeat();
  answer.set_fenced(verdict.fenced);
  answer.set_agreed_ms_ago(rounded_up(verdict.agreed_ago));
  answer.set_may_stop(verdict.may_stop);
  for (const PartitionName& name : verdict.warm_up) {
    auto& to = *answer.add_warm_up();
    to.set_topic_id(std::string(encode_topic_id(name.topic_id)));
    to.set_partition(name.partition.value());
  }
  co_return Result<>{};
}

}  // namespace sluice::broker
