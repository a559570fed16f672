#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "proto/native/protocol.pb.h"

namespace sluice::broker {

/// By the number of the request in the RequestHeader's oneof, less kFirstApi; "other" last.
inline constexpr std::array<std::string_view, 13> kNativeApis = {
    "hello",          "metadata",       "create_topic", "delete_topic", "describe_topic",
    "alter_topic",    "add_partitions", "produce",      "fetch",        "list_offsets",
    "delete_records", "init_producer",  "other"};
inline constexpr int kFirstApi = native::RequestHeader::kHello;
inline constexpr uint8_t kOtherApi = kNativeApis.size() - 1;

constexpr uint8_t api_index(native::RequestHeader::RequestCase request) {
  const int index = static_cast<int>(request) - kFirstApi;
  return static_cast<uint8_t>(index >= 0 && index < kOtherApi ? index : kOtherApi);
}

}  // namespace sluice::broker
