#include "broker/metadata/introductions.h"

#include <string>
#include <utility>

#include "broker/metadata/member_codec.h"

namespace sluice::broker {

io::Task<Result<native::ResponseHeader>> Introductions::exchange(io::Endpoint at,
                                                                 native::RequestHeader request,
                                                                 Duration timeout) {
  const ClusterMember self = membership_.self();
  auto connection = co_await PeerConnection::open(
      runtime_, std::move(at),
      {.self = self.node_id, .cluster_id = self.cluster_id, .expected = {}}, memory_, options_);
  if (!connection) {
    // Whoever took over an address has no word in our cluster.
    if (connection.error() != Errc::wrong_cluster) co_return fail(std::move(connection).error());
    co_return fail(Errc::connection_failed, std::string(connection.error().message()));
  }
  auto answer =
      co_await (*connection)->call(std::move(request), {}, io::Loop::current()->now() + timeout);
  co_await (*connection)->shut_down();
  if (!answer) co_return fail(std::move(answer).error());
  co_return std::move(answer->header);
}

io::Task<Result<DiscoverAnswer>> Introductions::discover(io::Endpoint at) {
  native::RequestHeader request;
  encode_member(membership_.self(), *request.mutable_discover()->mutable_self());
  CO_ASSIGN_OR_RETURN(const auto answer, co_await exchange(std::move(at), std::move(request),
                                                           options_.connect_timeout));
  const auto& said = answer.discover();
  DiscoverAnswer decoded;
  CO_ASSIGN_OR_RETURN(decoded.self, decode_member(said.self()));
  CO_ASSIGN_OR_RETURN(decoded.known, decode_members(said.known()));
  CO_ASSIGN_OR_RETURN(decoded.founders, decode_members(said.founders()));
  co_return decoded;
}

io::Task<Result<native::JoinClusterResponse>> Introductions::join(io::Endpoint at, bool returning,
                                                                  Duration timeout) {
  native::RequestHeader request;
  auto& join = *request.mutable_join_cluster();
  encode_member(membership_.self(), *join.mutable_self());
  join.set_returning(returning);
  const std::string where = "join at " + at.to_string();
  auto answer = co_await exchange(std::move(at), std::move(request), timeout);
  if (!answer) co_return fail(std::move(answer).error().with_context(where));
  co_return std::move(*answer->mutable_join_cluster());
}

}  // namespace sluice::broker
