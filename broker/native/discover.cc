#include "broker/metadata/member_codec.h"
#include "broker/native/cluster.h"

namespace sluice::broker {

io::Task<Result<>> answer_discover(NativeCall& call) {
  CO_ASSIGN_OR_RETURN(ClusterPorts* const cluster, cluster_of(call));
  if (cluster->membership.undecided()) {
    co_return fail(Errc::recovering, "this broker does not know its cluster yet; try again");
  }
  auto& answer = *call.response.mutable_discover();
  encode_member(cluster->membership.self(), *answer.mutable_self());
  for (const auto& member : cluster->membership.known()) encode_member(member, *answer.add_known());
  for (const auto& founder : cluster->membership.founders()) {
    encode_member(founder, *answer.add_founders());
  }
  co_return Result<>{};
}

}  // namespace sluice::broker
