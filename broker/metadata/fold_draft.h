#pragma once

#include <memory>

#include <absl/container/btree_map.h>

#include "base/result.h"
#include "broker/metadata/image.h"
#include "proto/cluster/metadata.pb.h"

namespace sluice::broker {

/// The image that a command is making. A topic is copied once however many of its partitions the
/// command changes: a thousand elections would copy a thousand partitions a thousand times.
class FoldDraft {
 public:
  FoldDraft(const MetadataImage& before, uint64_t version) : image_(before), version_(version) {}

  /// Everything but the partitions and configs of topics.
  MetadataImage& image() { return image_; }
  /// The index of the entry.
  uint64_t version() const { return version_; }

  /// With what the command changed so far; null when there is none.
  std::shared_ptr<const TopicImage> topic(const Uuid& id) const;
  /// A topic that exists, to be changed in place.
  TopicImage& edit(const Uuid& id);
  void add(TopicImage topic);
  void remove(const Uuid& id);
  /// The image with all changes.
  MetadataImage take();

 private:
  MetadataImage image_;
  const uint64_t version_;
  absl::btree_map<Uuid, std::shared_ptr<TopicImage>> changed_;
};

// One record each; an error leaves the whole command without effect.

/// wrong_cluster when another directory has the node id.
Result<> fold_record(FoldDraft& draft, const cluster::BrokerRegistered& record);
/// not_found; unknown_session when the broker has another epoch by now.
Result<> fold_record(FoldDraft& draft, const cluster::BrokerFenced& record);
Result<> fold_record(FoldDraft& draft, const cluster::BrokerUnfenced& record);
Result<> fold_record(FoldDraft& draft, const cluster::BrokerDraining& record);
/// not_found; invalid_request while it has replicas.
Result<> fold_record(FoldDraft& draft, const cluster::BrokerRemoved& record);

Result<> fold_record(FoldDraft& draft, const cluster::TopicCreated& record);
Result<> fold_record(FoldDraft& draft, const cluster::TopicDeleted& record);
Result<> fold_record(FoldDraft& draft, const cluster::PartitionsAdded& record);
Result<> fold_record(FoldDraft& draft, const cluster::TopicConfigSet& record);
/// unknown_topic_id, unknown_topic_or_partition; fenced_leader_epoch when it changed meanwhile;
/// invalid_argument when no partition can be so.
Result<> fold_record(FoldDraft& draft, const cluster::PartitionChanged& record);

/// invalid_argument unless it has the 16 bytes of an id.
Result<Uuid> id_from(const std::string& bytes);
std::string bytes_of(const Uuid& id);

/// How many commands back a repeat is recognised, and how many deleted topics are remembered.
inline constexpr size_t kRecentCommands = 256;
inline constexpr size_t kDeletedTopics = 1000;
using IdList = std::shared_ptr<const std::vector<Uuid>>;
/// The list with an id more, and without its oldest when it is full.
IdList appended(const IdList& list, const Uuid& id, size_t limit);

}  // namespace sluice::broker
