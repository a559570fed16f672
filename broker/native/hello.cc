#include <algorithm>
#include <string>

#include "broker/metadata/member_codec.h"
#include "broker/native/connection.h"
#include "broker/native/wire.h"

namespace sluice::broker {
namespace {

constexpr size_t kMaxClientName = 256;

Result<uint32_t> choose_version(const native::HelloRequest& hello) {
  const uint32_t version = std::min(hello.max_version(), native::kMaxVersion);
  if (version >= std::max(hello.min_version(), native::kMinVersion)) return version;
  return fail(Errc::unsupported_version,
              "the client speaks versions " + std::to_string(hello.min_version()) + " to " +
                  std::to_string(hello.max_version()) + ", this broker " +
                  std::to_string(native::kMinVersion) + " to " +
                  std::to_string(native::kMaxVersion) + "; use a matching client");
}

/// Brokers of different clusters have nothing to say to each other.
Result<> agree(NativeCall& call) {
  const auto& hello = call.request.hello();
  if (!hello.has_broker_id()) {
    call.connection.agree();
    return {};
  }
  const std::string ours = call.connection.front_end().cluster_id();
  // Who names no cluster may join ours; until then it is a client.
  const bool of_ours = ours.empty() || ours == hello.cluster_id();
  if (!of_ours && !hello.cluster_id().empty()) {
    call.exchange.response.close_after = true;
    return fail(Errc::wrong_cluster, "broker " + std::to_string(hello.broker_id()) +
                                         " belongs to cluster " + hello.cluster_id() +
                                         ", this one to " + ours +
                                         "; check the addresses and seeds of both");
  }
  call.connection.agree_with(
      {NodeId{hello.broker_id()}, hello.cluster_id(), of_ours, decode_lineage(hello)});
  return {};
}

}  // namespace

io::Task<Result<>> answer_hello(NativeCall& call) {
  auto& connection = call.connection;
  const auto& hello = call.request.hello();
  auto version = choose_version(hello);
  if (!version) {
    call.exchange.response.close_after = true;
    co_return fail(std::move(version).error());
  }
  if (hello.client_name().size() + hello.client_version().size() + hello.cluster_id().size() >
      kMaxClientName) {
    call.exchange.response.close_after = true;
    co_return fail(Errc::invalid_argument,
                   "the client's name, version and cluster have more than " +
                       std::to_string(kMaxClientName) + " bytes");
  }
  CO_RETURN_IF_ERROR(agree(call));
  connection.worker().context().log.debug("client connected",
                                          {{"peer", connection.peer().to_string()},
                                           {"client", hello.client_name()},
                                           {"version", hello.client_version()}});
  const auto& identity = connection.front_end().identity();
  const auto& options = connection.worker().options();
  auto& answer = *call.response.mutable_hello();
  answer.set_version(*version);
  answer.set_cluster_id(connection.front_end().cluster_id());
  answer.set_node_id(identity.node_id.value());
  // Who is behind is told here, and refused when it asks for something.
  const auto* cluster = connection.front_end().cluster();
  const auto lineage = cluster == nullptr ? std::nullopt : cluster->membership.lineage();
  if (hello.has_broker_id() && lineage) encode_lineage(*lineage, answer);
  answer.set_broker_version(identity.broker_version);
  answer.set_max_frame_bytes(static_cast<uint32_t>(options.max_frame_bytes));
  answer.set_max_in_flight(static_cast<uint32_t>(options.max_in_flight));
  co_return Result<>{};
}

}  // namespace sluice::broker
