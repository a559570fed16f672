#pragma once

#include <utility>

#include "broker/native/connection.h"
#include "broker/service/cluster_ports.h"

namespace sluice::broker {

/// What a request about the cluster is answered with; unsupported where a broker runs alone,
/// recovering before its metadata is open.
Result<ClusterPorts*> cluster_of(const NativeCall& call);
Result<ConsensusPort*> consensus_of(const NativeCall& call);
Result<ControllerPort*> controller_of(const NativeCall& call);

/// Whether who said hello here is a broker of our cluster: recovering while we have none.
Result<> check_member(const NativeCall& call);
/// wrong_cluster when who said hello here has another history of our metadata.
Result<> check_history(const NativeCall& call);
/// wrong_cluster with both ids, recovering while we have none.
Result<> check_cluster_id(const NativeCall& call, const std::string& theirs);

/// Runs what `start` begins on the control loop, and comes back with its result.
template <class F>
auto on_control(NativeCall& call, F start) -> std::invoke_result_t<F&> {
  io::Loop& home = *io::Loop::current();
  co_await call.connection.front_end().cluster()->control.enter();
  auto result = co_await start();
  co_await home.enter();
  co_return result;
}

}  // namespace sluice::broker
