#include "broker/metadata/member_codec.h"
#include "broker/native/cluster.h"

namespace sluice::broker {

io::Task<Result<>> answer_join_cluster(NativeCall& call) {
  CO_ASSIGN_OR_RETURN(ClusterPorts* const cluster, cluster_of(call));
  CO_ASSIGN_OR_RETURN(ControllerPort* const controller, controller_of(call));
  CO_ASSIGN_OR_RETURN(auto member, decode_member(call.request.join_cluster().self()));
  const ClusterMember self = cluster->membership.self();
  if (member.cluster_name != self.cluster_name) {
    co_return fail(Errc::wrong_cluster, "broker " + std::to_string(member.node_id.value()) +
                                            " wants to join cluster.name \"" + member.cluster_name +
                                            "\", this one is \"" + self.cluster_name +
                                            "\"; give both the same name");
  }
  member.cluster_id = self.cluster_id;
  CO_RETURN_IF_ERROR(
      co_await on_control(call, [controller, &member] { return controller->join(member); }));
  auto& answer = *call.response.mutable_join_cluster();
  answer.set_cluster_id(self.cluster_id);
  for (const auto& known : cluster->membership.known()) {
    encode_member(known, *answer.add_members());
  }
  co_return Result<>{};
}

}  // namespace sluice::broker
