#include <utility>

#include "base/uuid.h"
#include "client/admin/core.h"

namespace sluice::client {
namespace {

/// The controller may be about to change.
constexpr uint32_t kTries = 6;

ClusterStatus::Broker broker_of(const native::DescribeClusterResponse::Broker& said) {
  ClusterStatus::Broker broker;
  broker.id = NodeId(said.node_id());
  broker.host = said.host();
  broker.port = static_cast<uint16_t>(said.port());
  broker.rack = said.rack();
  broker.epoch = said.epoch();
  broker.fenced = said.fenced();
  broker.draining = said.draining();
  broker.voter = said.voter();
  broker.leaders = said.leaders();
  broker.replicas = said.replicas();
  broker.behind = said.behind();
  if (said.has_silent_ms()) {
    broker.silent = std::chrono::milliseconds(static_cast<int64_t>(said.silent_ms()));
  }
  broker.problems = {said.problems().begin(), said.problems().end()};
  return broker;
}

ClusterStatus status_of(const native::DescribeClusterResponse& said) {
  ClusterStatus status;
  status.cluster_id = said.cluster_id();
  status.cluster_name = said.cluster_name();
  status.controller = NodeId(said.controller());
  status.term = said.term();
  status.metadata_version = said.metadata_version();
  for (const auto& broker : said.brokers()) status.brokers.push_back(broker_of(broker));
  status.partitions = said.partitions();
  status.under_replicated = said.under_replicated();
  status.under_min_in_sync = said.under_min_in_sync();
  status.offline = said.offline();
  status.moving = said.moving();
  status.damaged = said.damaged();
  const auto names = [](const auto& from) {
    return std::vector<std::string>(from.begin(), from.end());
  };
  status.under_replicated_names = names(said.under_replicated_names());
  status.under_min_in_sync_names = names(said.under_min_in_sync_names());
  status.offline_names = names(said.offline_names());
  status.moving_names = names(said.moving_names());
  status.damaged_names = names(said.damaged_names());
  if (said.has_answered_by()) status.answered_by = NodeId(said.answered_by());
  status.fenced_because = said.fenced_because();
  for (const auto& voter : said.voters()) {
    status.voters.push_back({NodeId(voter.node_id()), voter.reached()});
  }
  return status;
}

/// Whether another try, or another controller, may do what this one did not begin.
bool may_ask_again(const Error& why) {
  return why == Errc::not_controller || why == Errc::recovering ||
         why == Errc::connection_refused || why == Errc::unresolved_host;
}

}  // namespace

io::Task<Result<native::ResponseHeader>> AdminCore::ask_controller(native::RequestHeader request) {
  for (uint32_t attempt = 1;; ++attempt) {
    Result<native::ResponseHeader> answer =
        fail(Errc::not_controller, "the cluster has no controller now; see sluice cluster status");
    auto metadata = co_await cluster_.metadata({});
    if (!metadata) co_return fail(std::move(metadata).error());
    if (metadata->controller() >= 0) {
      answer = co_await ask_at(NodeId(metadata->controller()), request);
    }
    if (answer || !may_ask_again(answer.error()) || attempt == kTries) co_return answer;
    // A broker that left the cluster, or is cut off, names the same one for ever.
    cluster_.distrust_last();
    co_await io::sleep_for(cluster_.backoff(attempt));
  }
}

/// The controller knows more than others; without it any broker's word has to do.
io::Task<Result<ClusterStatus>> AdminCore::cluster_status() {
  native::RequestHeader request;
  request.mutable_describe_cluster();
  auto answer = co_await cluster_.ask(request);
  if (!answer) co_return fail(std::move(answer).error());
  const auto& first = answer->describe_cluster();
  const NodeId controller(first.controller());
  if (controller.value() >= 0 && first.has_answered_by() &&
      first.answered_by() != controller.value()) {
    auto better = co_await ask_at(controller, std::move(request));
    if (better && better->has_describe_cluster()) answer = std::move(better);
  }
  co_return status_of(answer->describe_cluster());
}

io::Task<Result<>> AdminCore::move_partition(Partition partition, std::vector<NodeId> replicas) {
  native::RequestHeader request;
  auto& move = *request.mutable_move_partition();
  move.mutable_topic()->set_name(partition.topic);
  move.set_partition(partition.id.value());
  for (const NodeId replica : replicas) move.add_replicas(replica.value());
  move.set_cancel(replicas.empty());
  auto answer = co_await ask_controller(std::move(request));
  if (!answer) co_return fail(std::move(answer).error());
  co_return Result<>{};
}

io::Task<Result<uint32_t>> AdminCore::drain_broker(NodeId broker, bool undo) {
  native::RequestHeader request;
  request.mutable_drain_broker()->set_node_id(broker.value());
  request.mutable_drain_broker()->set_undo(undo);
  auto answer = co_await ask_controller(std::move(request));
  if (!answer) co_return fail(std::move(answer).error());
  co_return answer->drain_broker().left();
}

io::Task<Result<BrokerIdentity>> AdminCore::identify() {
  native::RequestHeader request;
  request.mutable_discover();
  auto answer = co_await cluster_.ask(std::move(request));
  if (!answer) co_return fail(std::move(answer).error());
  const auto& self = answer->discover().self();
  if (self.directory_id().size() != Uuid::kSize) {
    co_return fail(Errc::malformed_frame, "the broker did not say who it is");
  }
  co_return BrokerIdentity{.id = NodeId(self.node_id()),
                           .host = self.host(),
                           .port = static_cast<uint16_t>(self.port()),
                           .cluster_name = self.cluster_name(),
                           .directory_id = Uuid::from_bytes(as_bytes(self.directory_id())).text(),
                           .cluster_id = self.cluster_id()};
}

io::Task<Result<>> AdminCore::join_cluster(BrokerIdentity broker) {
  const auto directory = Uuid::parse(broker.directory_id);
  if (!directory) {
    co_return fail(Errc::invalid_argument,
                   "'" + broker.directory_id + "' is no directory id; take it from identify()");
  }
  native::RequestHeader request;
  auto& self = *request.mutable_join_cluster()->mutable_self();
  self.set_cluster_name(broker.cluster_name);
  self.set_node_id(broker.id.value());
  self.set_directory_id(std::string(as_text(directory->bytes())));
  self.set_host(broker.host);
  self.set_port(broker.port);
  auto answer = co_await ask_controller(std::move(request));
  if (!answer) co_return fail(std::move(answer).error());
  co_return Result<>{};
}

io::Task<Result<>> AdminCore::leave_cluster(NodeId broker) {
  native::RequestHeader request;
  request.mutable_leave_cluster()->set_node_id(broker.value());
  auto answer = co_await ask_controller(std::move(request));
  if (!answer) co_return fail(std::move(answer).error());
  co_return Result<>{};
}

}  // namespace sluice::client
