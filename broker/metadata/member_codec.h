#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "broker/metadata/membership.h"
#include "proto/native/protocol.pb.h"

namespace sluice::broker {

void encode_member(const ClusterMember& member, native::ClusterMember& to);
/// invalid_argument when it cannot be a broker.
Result<ClusterMember> decode_member(const native::ClusterMember& member);
Result<std::vector<ClusterMember>> decode_members(
    const google::protobuf::RepeatedPtrField<native::ClusterMember>& members);

/// In a hello, of either side.
template <class Hello>
void encode_lineage(const Lineage& lineage, Hello& to) {
  to.set_recoveries(lineage.recoveries);
  to.set_recovery_id(std::string(as_text(lineage.id.bytes())));
}
/// Nothing: who speaks has no metadata, or is of a version that does not say.
template <class Hello>
std::optional<Lineage> decode_lineage(const Hello& from) {
  if (!from.has_recoveries() || from.recovery_id().size() != Uuid::kSize) return std::nullopt;
  return Lineage{from.recoveries(), Uuid::from_bytes(as_bytes(from.recovery_id()))};
}

}  // namespace sluice::broker
