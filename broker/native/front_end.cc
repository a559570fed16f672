#include "broker/native/front_end.h"

#include "broker/native/api.h"
#include "broker/native/connection.h"
#include "proto/native/framing.h"
#include "proto/native/protocol.pb.h"

namespace sluice::broker {
namespace {

/// No broker's hello is longer.
constexpr size_t kMostToTell = 1024;

}  // namespace

bool NativeFrontEnd::recognises(std::span<const std::byte, kOpeningBytes> opening) const {
  return as_text(opening) == native::kMagic;
}

/// Told by the hello of another broker of our cluster.
std::optional<Caller> NativeFrontEnd::who_calls(ByteView begin) const {
  if (begin.size() < kOpeningBytes) return std::nullopt;
  if (!recognises(begin.first<kOpeningBytes>())) return Caller::client;
  begin = begin.subspan(kOpeningBytes);
  if (begin.size() < native::kPrefixSize) return std::nullopt;
  const auto prefix = native::decode_prefix(begin, kMostToTell);
  if (!prefix) return Caller::client;
  begin = begin.subspan(native::kPrefixSize);
  if (begin.size() < prefix->header_size) return std::nullopt;
  native::RequestHeader request;
  const bool parsed = request.ParseFromArray(begin.data(), static_cast<int>(prefix->header_size));
  if (!parsed || !request.hello().has_broker_id()) return Caller::client;
  const std::string ours = cluster_id();
  // While there is none any broker may found one with us.
  if (!ours.empty() && request.hello().cluster_id() != ours) return Caller::client;
  return request.hello().urgent() ? Caller::urgent : Caller::broker;
}

std::unique_ptr<Protocol> NativeFrontEnd::open(ProtocolPorts ports) {
  return std::make_unique<NativeConnection>(*this, ports);
}

std::span<const std::string_view> NativeFrontEnd::apis() const { return kNativeApis; }

}  // namespace sluice::broker
