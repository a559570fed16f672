#include "broker/metadata/fold.h"

#include <algorithm>

#include "base/version.h"
#include "broker/metadata/fold_draft.h"

namespace sluice::broker {
namespace {

bool contains(const IdList& list, const Uuid& id) {
  return list != nullptr && std::ranges::find(*list, id) != list->end();
}

Result<> fold_record(FoldDraft& draft, const cluster::ClusterCreated& record) {
  if (!draft.image().cluster_id.empty()) return fail(Errc::already_exists);
  draft.image().cluster_id = record.cluster_id();
  return {};
}

Result<> fold_record(FoldDraft& draft, const cluster::ProducerIdBlock& record) {
  if (record.first() != draft.image().next_producer_id || record.count() <= 0) {
    return fail(Errc::outcome_unknown, "the producer id block is another broker's");
  }
  draft.image().next_producer_id += record.count();
  return {};
}

Result<> apply(FoldDraft& draft, const cluster::MetadataRecord& record) {
  switch (record.record_case()) {
    case cluster::MetadataRecord::kClusterCreated:
      return fold_record(draft, record.cluster_created());
    case cluster::MetadataRecord::kBrokerRegistered:
      return fold_record(draft, record.broker_registered());
    case cluster::MetadataRecord::kTopicCreated:
      return fold_record(draft, record.topic_created());
    case cluster::MetadataRecord::kTopicDeleted:
      return fold_record(draft, record.topic_deleted());
    case cluster::MetadataRecord::kPartitionsAdded:
      return fold_record(draft, record.partitions_added());
    case cluster::MetadataRecord::kTopicConfigSet:
      return fold_record(draft, record.topic_config_set());
    case cluster::MetadataRecord::kProducerIdBlock:
      return fold_record(draft, record.producer_id_block());
    case cluster::MetadataRecord::kBrokerFenced:
      return fold_record(draft, record.broker_fenced());
    case cluster::MetadataRecord::kBrokerUnfenced:
      return fold_record(draft, record.broker_unfenced());
    case cluster::MetadataRecord::kBrokerDraining:
      return fold_record(draft, record.broker_draining());
    case cluster::MetadataRecord::kBrokerRemoved:
      return fold_record(draft, record.broker_removed());
    case cluster::MetadataRecord::kPartitionChanged:
      return fold_record(draft, record.partition_changed());
    case cluster::MetadataRecord::RECORD_NOT_SET:
      break;
  }
  return fail(Errc::unsupported,
              "the metadata has a record that this version of the broker, " +
                  std::string(kVersion) +
                  ", does not know: another broker is of a newer version; start that version here");
}

}  // namespace

Result<MetadataImage> fold(const MetadataImage& before, const cluster::MetadataCommand& command,
                           uint64_t version) {
  ASSIGN_OR_RETURN(const Uuid id, id_from(command.id()));
  if (contains(before.recent_commands, id)) return fail(Errc::already_exists);
  FoldDraft draft(before, version);
  for (const auto& record : command.records()) RETURN_IF_ERROR(apply(draft, record));
  draft.image().recent_commands = appended(before.recent_commands, id, kRecentCommands);
  return draft.take();
}

}  // namespace sluice::broker
