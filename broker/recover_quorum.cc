#include "broker/recover_quorum.h"

#include <algorithm>
#include <utility>

namespace sluice::broker {
namespace {

std::string listed(const std::vector<NodeId>& ids) {
  std::string text;
  for (const NodeId id : ids) text += (text.empty() ? "" : ", ") + std::to_string(id.value());
  return text.empty() ? "none" : text;
}

}  // namespace

std::string describe(const QuorumPlan& plan) {
  const std::string self = std::to_string(plan.self.value());
  std::vector<NodeId> lost = plan.group.voters;
  std::erase(lost, plan.self);
  return "cluster " + plan.cluster_id + ", broker " + self + "\n" +
         "  voters: " + listed(plan.group.voters) + "; learners: " + listed(plan.group.learners) +
         "\n  metadata log: last entry " + std::to_string(plan.last_index) + " of term " +
         std::to_string(plan.last_term) + ", known to be agreed up to " +
         std::to_string(plan.committed) + "\n  it knows " + std::to_string(plan.brokers) +
         " brokers, " + std::to_string(plan.topics) + " topics, " +
         std::to_string(plan.partitions) + " partitions\nBroker " + self +
         " becomes the only voter, and all in its log counts as agreed. Whatever the others (" +
         listed(lost) + ")\nagreed on behind entry " + std::to_string(plan.last_index) +
         " is lost: topics, configurations, leaders, and with leaders it does not know of\nthe "
         "records that those acknowledged. If another survivor has a later last entry (term "
         "first,\nthen number), recover that one instead, and never two. The others must not run "
         "on with their\nmetadata: they are refused from then on.\n";
}

io::Task<Result<>> recover_quorum(io::Runtime& runtime, const BrokerOptions& options,
                                  RecoverCommand command, std::string& out) {
  CO_ASSIGN_OR_RETURN(const auto recovery,
                      co_await QuorumRecovery::open(runtime.disk, metadata_directory_of(options),
                                                    options.node_id, runtime.random));
  const QuorumPlan& plan = recovery->plan();
  out += describe(plan);
  if (command.cluster_id != plan.cluster_id) {
    co_return fail(Errc::wrong_cluster, "--cluster-id is '" + command.cluster_id +
                                            "', the metadata is of cluster " + plan.cluster_id +
                                            "; name the cluster that is meant");
  }
  if (!command.yes) {
    co_return fail(Errc::invalid_argument, "nothing was changed; run it again with --yes to do it");
  }
  CO_RETURN_IF_ERROR(co_await recovery->run());
  out += "done; start broker " + std::to_string(plan.self.value()) +
         ", then have others join it (docs/operations.md, \"When most voters are lost\")\n";
  co_return Result<>{};
}

}  // namespace sluice::broker
