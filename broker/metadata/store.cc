#include "broker/metadata/store.h"

#include <string>
#include <utility>

#include "base/check.h"
#include "base/uuid.h"
#include "broker/metadata/fold.h"
#include "broker/metadata/snapshot_codec.h"

namespace sluice::broker {

MetadataStore::MetadataStore(Random& random)
    : random_(random), image_(std::make_shared<const MetadataImage>()) {}

MetadataSubscriber MetadataStore::subscriber() {
  return {.apply = [this](uint64_t index, ByteView command) { return apply(index, command); },
          .restore = [this](uint64_t index, ByteView snapshot) -> Result<> {
            ASSIGN_OR_RETURN(auto restored, decode_snapshot(snapshot, index));
            publish(std::move(restored));
            return {};
          },
          .snapshot = [this] { return [shown = image()] { return encode_snapshot(*shown); }; },
          .check = check};
}

void MetadataStore::publish(MetadataImage image) {
  auto next = std::make_shared<const MetadataImage>(std::move(image));
  const auto shown = next;
  // The old image dies outside of the lock.
  std::swap(*image_.lock(), next);
  for (const auto& callback : callbacks_) callback(shown);
}

Result<> MetadataStore::check(ByteView bytes) {
  cluster::MetadataCommand command;
  if (!command.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    return fail(Errc::invalid_request, "a metadata command does not decode");
  }
  for (const cluster::MetadataRecord& record : command.records()) {
    if (record.record_case() != cluster::MetadataRecord::RECORD_NOT_SET) continue;
    return fail(Errc::unsupported,
                "a metadata command has a record that this broker's version does not know; update "
                "all brokers before what is new is used");
  }
  return {};
}

Result<> MetadataStore::apply(uint64_t index, ByteView bytes) {
  cluster::MetadataCommand command;
  if (!command.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    return fail(
        Errc::unsupported,
        "a metadata command does not decode: the metadata log was written by a newer version or is "
        "damaged; start that version, or restore the directory from a backup");
  }
  ASSIGN_OR_RETURN(auto next, fold(*image(), command, index));
  publish(std::move(next));
  return {};
}

io::Task<Result<>> MetadataStore::commit(std::vector<cluster::MetadataRecord> records,
                                         std::optional<uint64_t> term) {
  CHECK(log_ != nullptr, "metadata is committed through a log");
  cluster::MetadataCommand command;
  command.set_id(std::string(as_text(Uuid::random(random_).bytes())));
  for (auto& record : records) *command.add_records() = std::move(record);
  const std::string text = command.SerializeAsString();
  const ByteView bytes = as_bytes(text);
  co_return co_await log_->propose({bytes.begin(), bytes.end()}, term);
}

std::optional<NodeId> MetadataStore::controller() const {
  return log_ == nullptr ? std::nullopt : log_->leader();
}

}  // namespace sluice::broker
