#include "broker/native/cluster.h"

namespace sluice::broker {
namespace {

/// Of what a broker says of itself, which the controller keeps.
constexpr size_t kMostProblems = 8;
constexpr size_t kMostText = 256;

}  // namespace

io::Task<Result<>> answer_heartbeat(NativeCall& call) {
  CO_RETURN_IF_ERROR(check_member(call));
  CO_ASSIGN_OR_RETURN(ControllerPort* const controller, controller_of(call));
  const auto& request = call.request.heartbeat();
  Heartbeat heartbeat{.node = NodeId{request.node_id()},
                      .broker_epoch = request.broker_epoch(),
                      .applied_index = request.applied_index(),
                      .wants_to_stop = request.wants_to_stop()};
  for (const std::string& problem : request.problems()) {
    if (heartbeat.problems.size() == kMostProblems) break;
    heartbeat.problems.push_back(problem.substr(0, kMostText));
  }
  CO_ASSIGN_OR_RETURN(const auto verdict, co_await on_control(call, [controller, &heartbeat] {
                        return controller->heartbeat(heartbeat);
                      }));
  auto& answer = *call.response.mutable_heartbeat();
  answer.set_fenced(verdict.fenced);
  answer.set_may_stop(verdict.may_stop);
  co_return Result<>{};
}

}  // namespace sluice::broker
