#include "broker/metadata/member_codec.h"

#include <limits>
#include <string>

namespace sluice::broker {
namespace {

/// Of a cluster's name, its id and a host.
constexpr size_t kMostText = 255;

}  // namespace

void encode_member(const ClusterMember& member, native::ClusterMember& to) {
  to.set_cluster_name(member.cluster_name);
  to.set_node_id(member.node_id.value());
  to.set_directory_id(std::string(as_text(member.directory_id.bytes())));
  to.set_host(member.address.host);
  to.set_port(member.address.port);
  to.set_cluster_id(member.cluster_id);
}

Result<ClusterMember> decode_member(const native::ClusterMember& member) {
  const bool fits = member.cluster_name().size() <= kMostText &&
                    member.cluster_id().size() <= kMostText && member.host().size() <= kMostText;
  if (member.node_id() < 0 || member.directory_id().size() != Uuid::kSize || !fits ||
      member.port() > std::numeric_limits<uint16_t>::max()) {
    return fail(Errc::invalid_argument,
                "a broker presents itself with a node id, the 16 bytes of its directory's id and "
                "an address; node id " +
                    std::to_string(member.node_id()) + " does not");
  }
  return ClusterMember{.cluster_name = member.cluster_name(),
                       .node_id = NodeId{member.node_id()},
                       .directory_id = Uuid::from_bytes(as_bytes(member.directory_id())),
                       .address = {member.host(), static_cast<uint16_t>(member.port())},
                       .cluster_id = member.cluster_id()};
}

Result<std::vector<ClusterMember>> decode_members(
    const google::protobuf::RepeatedPtrField<native::ClusterMember>& members) {
  std::vector<ClusterMember> decoded;
  decoded.reserve(static_cast<size_t>(members.size()));
  for (const auto& member : members) {
    ASSIGN_OR_RETURN(auto one, decode_member(member));
    decoded.push_back(std::move(one));
  }
  return decoded;
}

}  // namespace sluice::broker
