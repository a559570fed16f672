#include "broker/native/cluster.h"
#include "broker/native/wire.h"

namespace sluice::broker {
namespace {

Result<std::vector<DamageReport>> decode_reports(const native::ReportDamageRequest& request) {
  std::vector<DamageReport> reports;
  reports.reserve(static_cast<size_t>(request.partitions_size()));
  for (const auto& partition : request.partitions()) {
    DamageReport& report = reports.emplace_back();
    ASSIGN_OR_RETURN(report.topic_id, decode_topic_id(partition.topic_id()));
    report.partition = PartitionId{partition.partition()};
    report.damaged = partition.damaged();
  }
  return reports;
}

}  // namespace

io::Task<Result<>> answer_report_damage(NativeCall& call) {
  CO_RETURN_IF_ERROR(check_member(call));
  CO_ASSIGN_OR_RETURN(ControllerPort* const controller, controller_of(call));
  const auto& request = call.request.report_damage();
  CO_ASSIGN_OR_RETURN(auto reports, decode_reports(request));
  CO_RETURN_IF_ERROR(co_await on_control(call, [&request, controller, &reports] {
    return controller->report_damage(NodeId{request.node_id()}, request.broker_epoch(),
                                     std::move(reports));
  }));
  call.response.mutable_report_damage();
  co_return Result<>{};
}

}  // namespace sluice::broker
