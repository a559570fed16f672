#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "broker/metadata/image.h"

namespace sluice::broker {

std::vector<std::byte> encode_snapshot(const MetadataImage& image);
/// corrupt_file when the bytes make no image.
Result<MetadataImage> decode_snapshot(ByteView bytes, uint64_t version);

}  // namespace sluice::broker
