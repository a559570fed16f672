#include "broker/metadata/wal_codec.h"

#include <algorithm>
#include <iterator>
#include <string_view>

#include "base/crc32c.h"
#include "proto/cluster/metadata.pb.h"

namespace sluice::broker::wal {
namespace {

/// The first one has no configuration, and its CRC begins at the index.
constexpr std::string_view kSnapshotMagic1 = "SLUSNP01";
constexpr std::string_view kSnapshotMagic = "SLUSNP02";
constexpr size_t kSnapshotCrcAt = 8;
constexpr size_t kSnapshotConfigurationAt = 12;
constexpr size_t kSnapshotIndexAt = 16;
constexpr size_t kSnapshotTermAt = 24;
constexpr size_t kSnapshotSizeAt = 32;
constexpr size_t kSnapshotHeaderSize = 40;

std::vector<std::byte> copy_of(ByteView bytes) { return {bytes.begin(), bytes.end()}; }

void encode(const GroupConfiguration& configuration, cluster::GroupConfiguration& to) {
  for (const NodeId id : configuration.voters) to.add_voters(id.value());
  for (const NodeId id : configuration.learners) to.add_learners(id.value());
}

GroupConfiguration decoded(const cluster::GroupConfiguration& message) {
  GroupConfiguration configuration;
  for (const int32_t id : message.voters()) configuration.voters.emplace_back(id);
  for (const int32_t id : message.learners()) configuration.learners.emplace_back(id);
  return configuration;
}

}  // namespace

std::vector<std::byte> encode_batch(const WalBatch& batch) {
  cluster::WalBatch message;
  if (batch.truncate_from) message.set_truncate_from(*batch.truncate_from);
  for (const WalEntry& entry : batch.entries) {
    auto& to = *message.add_entries();
    to.set_index(entry.index);
    to.set_term(entry.term);
    to.set_data(entry.data.data(), entry.data.size());
    to.set_configuration(entry.configuration);
  }
  if (batch.start) {
    auto& to = *message.mutable_start();
    to.set_index(batch.start->index);
    to.set_term(batch.start->term);
    encode(batch.start->configuration, *to.mutable_configuration());
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
    batch.entries.push_back(
        {entry.index(), entry.term(), copy_of(as_bytes(entry.data())), entry.configuration()});
  }
  if (message.has_start()) {
    const auto& start = message.start();
    batch.start = LogStart{start.index(), start.term(), decoded(start.configuration())};
  }
  if (message.has_hard_state()) {
    const auto& state = message.hard_state();
    batch.hard_state = HardState{state.term(), state.vote(), state.commit()};
  }
  return batch;
}

std::vector<std::byte> encode_snapshot(const WalSnapshot& snapshot) {
  cluster::GroupConfiguration message;
  encode(snapshot.configuration, message);
  const std::string configuration = message.SerializeAsString();
  std::vector<std::byte> file(kSnapshotHeaderSize);
  file.reserve(file.size() + configuration.size() + snapshot.data.size());
  std::ranges::copy(as_bytes(kSnapshotMagic), file.begin());
  store_be<uint32_t>(file.data() + kSnapshotConfigurationAt,
                     static_cast<uint32_t>(configuration.size()));
  store_be<uint64_t>(file.data() + kSnapshotIndexAt, snapshot.index);
  store_be<uint64_t>(file.data() + kSnapshotTermAt, snapshot.term);
  store_be<uint64_t>(file.data() + kSnapshotSizeAt, snapshot.data.size());
  std::ranges::copy(as_bytes(configuration), std::back_inserter(file));
  std::ranges::copy(snapshot.data, std::back_inserter(file));
  store_be<uint32_t>(file.data() + kSnapshotCrcAt,
                     crc32c(ByteView(file).subspan(kSnapshotConfigurationAt)));
  return file;
}

Result<WalSnapshot> decode_snapshot(ByteView file) {
  const std::string_view magic = as_text(file.first(std::min(file.size(), kSnapshotMagic.size())));
  if (file.size() < kSnapshotHeaderSize || (magic != kSnapshotMagic && magic != kSnapshotMagic1)) {
    return fail(Errc::corrupt_file, "it does not begin as a snapshot does");
  }
  const bool configured = magic == kSnapshotMagic;
  const size_t covered_from = configured ? kSnapshotConfigurationAt : kSnapshotIndexAt;
  const size_t configuration_size =
      configured ? load_be<uint32_t>(file.data() + kSnapshotConfigurationAt) : 0;
  const ByteView rest = file.subspan(kSnapshotHeaderSize);
  if (load_be<uint32_t>(file.data() + kSnapshotCrcAt) != crc32c(file.subspan(covered_from)) ||
      configuration_size > rest.size() ||
      load_be<uint64_t>(file.data() + kSnapshotSizeAt) != rest.size() - configuration_size) {
    return fail(Errc::corrupt_file, "the checksum does not match");
  }
  cluster::GroupConfiguration configuration;
  if (!configuration.ParseFromArray(rest.data(), static_cast<int>(configuration_size))) {
    return fail(Errc::corrupt_file, "its configuration does not decode");
  }
  return WalSnapshot{load_be<uint64_t>(file.data() + kSnapshotIndexAt),
                     load_be<uint64_t>(file.data() + kSnapshotTermAt),
                     copy_of(rest.subspan(configuration_size)), decoded(configuration)};
}

}  // namespace sluice::broker::wal
