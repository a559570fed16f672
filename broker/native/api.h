#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "proto/native/protocol.pb.h"

namespace sluice::broker {

/// In the order of the requests in the RequestHeader's oneof: those of clients, those between
/// brokers, and "other".
inline constexpr std::array<std::string_view, 24> kNativeApis = {
    "hello",          "metadata",       "create_topic",     "delete_topic",   "describe_topic",
    "alter_topic",    "add_partitions", "produce",          "fetch",          "list_offsets",
    "delete_records", "init_producer",  "describe_cluster", "move_partition", "drain_broker",
    "leave_cluster",  "discover",       "join_cluster",     "raft",           "propose",
    "heartbeat",      "alter_in_sync",  "report_damage",    "other"};
inline constexpr int kFirstApi = native::RequestHeader::kHello;
inline constexpr int kLastClientApi = native::RequestHeader::kLeaveCluster;
inline constexpr int kFirstBrokerApi = native::RequestHeader::kDiscover;
inline constexpr uint8_t kOtherApi = kNativeApis.size() - 1;

constexpr uint8_t api_index(native::RequestHeader::RequestCase request) {
  int index = static_cast<int>(request) - kFirstApi;
  if (request >= kFirstBrokerApi) {
    index = kLastClientApi - kFirstApi + 1 + static_cast<int>(request) - kFirstBrokerApi;
  } else if (request > kLastClientApi) {
    return kOtherApi;
  }
  return static_cast<uint8_t>(index >= 0 && index < kOtherApi ? index : kOtherApi);
}

}  // namespace sluice::broker
