#pragma once

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

}  // namespace sluice::broker
