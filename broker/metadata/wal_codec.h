#pragma once

#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "broker/metadata/wal.h"

namespace sluice::broker::wal {

/// The payload of a frame.
std::vector<std::byte> encode_batch(const WalBatch& batch);
/// corrupt_file when it does not decode.
Result<WalBatch> decode_batch(ByteView payload);

/// The content of a snapshot's file.
std::vector<std::byte> encode_snapshot(const WalSnapshot& snapshot);
/// corrupt_file when the CRC or the size is wrong.
Result<WalSnapshot> decode_snapshot(ByteView file);

}  // namespace sluice::broker::wal
