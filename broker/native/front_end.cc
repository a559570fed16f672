#include "broker/native/front_end.h"

#include "broker/native/api.h"
#include "broker/native/connection.h"
#include "proto/native/framing.h"

namespace sluice::broker {

bool NativeFrontEnd::recognises(std::span<const std::byte, kOpeningBytes> opening) const {
  return as_text(opening) == native::kMagic;
}

std::unique_ptr<Protocol> NativeFrontEnd::open(ProtocolPorts ports) {
  return std::make_unique<NativeConnection>(*this, ports);
}

std::span<const std::string_view> NativeFrontEnd::apis() const { return kNativeApis; }

}  // namespace sluice::broker
