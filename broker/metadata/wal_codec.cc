#include "broker/metadata/wal_codec.h"

#include <algorithm>
#include <string_view>

#include "base/crc32c.h"
#include "proto/cluster/metadata.pb.h"

namespace sluice::broker::wal {
namespace {

constexpr std::string_view kSnapshotMagic = "SLUSNP01";
constexpr size_t kSnapshotCrcAt = 8;
constexpr size_t kSnapshotIndexAt = 16;
constexpr size_t kSnapshotTermAt = 24;
constexpr size_t kSnapshotSizeAt = 32;
constexpr size_t kSnapshotHeaderSize = 40;

std::vector<std::byte> copy_of(ByteView bytes) { return {bytes.begin(), bytes.end()}; }

}  // namespace

std::vector<std::byte> encode_batch(const WalBatch& batch) {
  cluster::WalBatch message;
  if (batch.truncate_from) message.set_truncate_from(*batch.truncate_from);
  for (const WalEntry& entry : batch.entries) {
    auto& to = *message.add_entries();
    to.set_index(entry.index);
    to.set_term(entry.term);
    to.set_data(entry.data.data(), entry.data.size());
  }
  if (batch.hard_state) {
    auto& to = *message.mutable_hard_state();
    to.set_term(batch.hard_state->term);
    to.set_vote(batch.hard_state->vote);
    to.set_commit(batch.hard_state->commit);
  }
  return copy_of(as_bytes(message.SerializeAsString()));
}

Result<WalBatch> decode_batch(ByteView payload) {
  cluster::WalBatch message;
  if (!message.ParseFromArray(payload.data(), static_cast<int>(payload.size()))) {
    return fail(Errc::corrupt_file, "a frame's payload does not decode");
  }
  WalBatch batch;
  if (message.has_truncate_from()) batch.truncate_from = message.truncate_from();
  for (const auto& entry : message.entries()) {
    batch.entries.push_back({entry.index(), entry.term(), copy_of(as_bytes(entry.data()))});
  }
  if (message.has_hard_state()) {
    const auto& state = message.hard_state();
    batch.hard_state = HardState{state.term(), state.vote(), state.commit()};
  }
  return batch;
}

std::vector<std::byte> encode_snapshot(const WalSnapshot& snapshot) {
  std::vector<std::byte> file(kSnapshotHeaderSize + snapshot.data.size());
  std::ranges::copy(as_bytes(kSnapshotMagic), file.begin());
  store_be<uint64_t>(file.data() + kSnapshotIndexAt, snapshot.index);
  store_be<uint64_t>(file.data() + kSnapshotTermAt, snapshot.term);
  store_be<uint64_t>(file.data() + kSnapshotSizeAt, snapshot.data.size());
  std::ranges::copy(snapshot.data, file.begin() + kSnapshotHeaderSize);
  store_be<uint32_t>(file.data() + kSnapshotCrcAt,
                     crc32c(ByteView(file).subspan(kSnapshotIndexAt)));
  return file;
}

Result<WalSnapshot> decode_snapshot(ByteView file) {
  if (file.size() < kSnapshotHeaderSize ||
      as_text(file.first(kSnapshotMagic.size())) != kSnapshotMagic) {
    return fail(Errc::corrupt_file, "it does not begin as a snapshot does");
  }
  if (load_be<uint32_t>(file.data() + kSnapshotCrcAt) != crc32c(file.subspan(kSnapshotIndexAt)) ||
      load_be<uint64_t>(file.data() + kSnapshotSizeAt) != file.size() - kSnapshotHeaderSize) {
    return fail(Errc::corrupt_file, "the checksum does not match");
  }
  return WalSnapshot{load_be<uint64_t>(file.data() + kSnapshotIndexAt),
                     load_be<uint64_t>(file.data() + kSnapshotTermAt),
                     copy_of(file.subspan(kSnapshotHeaderSize))};
}

}  // namespace sluice::broker::wal
