#include "broker/metadata/quorum_recovery.h"

#include <algorithm>
#include <utility>

#include "broker/metadata/elections.h"
#include "broker/metadata/founding_file.h"
#include "broker/metadata/raft_core.h"
#include "broker/metadata/snapshot_codec.h"
#include "broker/metadata/store.h"

namespace sluice::broker {
namespace {

/// More than the lost voters can have given out behind what this log holds: indexes, which are
/// broker epochs too, epochs of partitions and their leaders, and ids of producers.
constexpr uint64_t kIndexesSkipped = 1'000'000;
constexpr int32_t kEpochsSkipped = 100'000;
constexpr int64_t kProducerIdsSkipped = 1'000'000'000;

LogStart start_of(const Wal::Content& content) {
  if (content.snapshot) {
    return {content.snapshot->index, content.snapshot->term, content.snapshot->configuration};
  }
  return content.start.value_or(LogStart{});
}

PartitionImage recovered(PartitionImage partition) {
  partition.leader_epoch = LeaderEpoch{partition.leader_epoch.value() + kEpochsSkipped};
  partition.partition_epoch += kEpochsSkipped;
  return partition;
}

}  // namespace

MetadataImage recovered_image(const MetadataImage& image, NodeId survivor, const Uuid& recovery) {
  MetadataImage next = image;
  next.lineage = {image.lineage.recoveries + 1, recovery};
  next.next_producer_id += kProducerIdsSkipped;
  for (BrokerImage& broker : next.brokers) {
    if (broker.id == survivor) continue;
    broker.fenced = true;
    // Its metadata is void: with an empty metadata directory it comes in again under its id.
    broker.directory_id = {};
  }
  image.topics.for_each([&](const Uuid& id, const MetadataImage::TopicPointer& topic) {
    auto changed = std::make_shared<TopicImage>(*topic);
    for (PartitionImage& partition : changed->partitions) {
      partition = recovered(std::move(partition));
    }
    next.topics.set(id, std::move(changed));
  });
  return next;
}

QuorumRecovery::QuorumRecovery(io::Disk& disk, std::string directory, NodeId self, Random& random)
    : disk_(disk), directory_(std::move(directory)), self_(self), random_(random) {}

io::Task<Result<std::unique_ptr<QuorumRecovery>>> QuorumRecovery::open(io::Disk& disk,
                                                                       std::string directory,
                                                                       NodeId self,
                                                                       Random& random) {
  std::unique_ptr<QuorumRecovery> recovery(
      new QuorumRecovery(disk, std::move(directory), self, random));
  CO_RETURN_IF_ERROR(co_await recovery->lock());
  CO_ASSIGN_OR_RETURN(auto opened, co_await Wal::open(disk, recovery->directory_, {}));
  CO_RETURN_IF_ERROR(recovery->replay(opened.content));
  recovery->wal_ = std::move(opened.wal);
  co_return recovery;
}

io::Task<Result<>> QuorumRecovery::lock() {
  CO_ASSIGN_OR_RETURN(const bool exists, co_await disk_.exists(directory_));
  std::vector<io::DirectoryEntry> entries;
  if (exists) {
    CO_ASSIGN_OR_RETURN(entries, co_await disk_.list(directory_));
  }
  const bool has_log = std::ranges::any_of(entries, [](const io::DirectoryEntry& entry) {
    return entry.name.starts_with("wal-") || entry.name.starts_with("snapshot-");
  });
  if (!has_log) {
    co_return fail(Errc::not_found, directory_ +
                                        " holds no metadata log; name the data directory of the "
                                        "broker that is to go on");
  }
  auto lock = co_await disk_.lock(directory_ + "/.lock");
  if (!lock && lock.error() == Errc::locked) {
    co_return fail(std::move(lock).error().with_context(
        "a broker runs on " + directory_ + "; stop it first, or ask it, if it has a controller"));
  }
  if (!lock) co_return fail(std::move(lock).error());
  lock_ = std::move(*lock);
  co_return Result<>{};
}

/// With nobody left to ask, all that the log holds counts as agreed: what the lost voters agreed on
/// may be among the last entries, and whoever proposed the others never heard that they were not.
Result<> QuorumRecovery::replay(const Wal::Content& content) {
  MetadataStore store(random_);
  const MetadataSubscriber subscriber = store.subscriber();
  if (content.snapshot) {
    RETURN_IF_ERROR(subscriber.restore(content.snapshot->index, content.snapshot->data));
  }
  RaftState state{content.hard_state, start_of(content), content.entries};
  const WalEntry* last = content.entries.empty() ? nullptr : &content.entries.back();
  plan_.last_index = last == nullptr ? state.start.index : last->index;
  plan_.last_term = last == nullptr ? state.start.term : last->term;
  plan_.committed = std::clamp(content.hard_state.commit, state.start.index, plan_.last_index);
  state.hard_state.commit = plan_.last_index;
  ASSIGN_OR_RETURN(auto core, RaftCore::make({.self = self_}, state));
  for (;;) {
    ASSIGN_OR_RETURN(const auto ready, core.ready());
    if (!ready) break;
    for (const WalEntry& entry : ready->committed) {
      if (entry.configuration) {
        RETURN_IF_ERROR(core.apply_change(entry));
      } else if (!entry.data.empty()) {
        const auto applied = subscriber.apply(entry.index, entry.data);
        if (!applied && applied.error() == Errc::unsupported) return applied;
      }
      RETURN_IF_ERROR(core.applied(entry.index));
    }
    RETURN_IF_ERROR(core.persisted(ready->number));
  }
  ASSIGN_OR_RETURN(const auto status, core.status());
  plan_.group = status.configuration;
  hard_state_ = content.hard_state;
  image_ = store.image();
  plan_.cluster_id = image_->cluster_id;
  plan_.self = self_;
  plan_.recoveries = image_->lineage.recoveries;
  plan_.brokers = image_->brokers.size();
  plan_.topics = image_->topics.size();
  plan_.partitions = image_->partitions;
  const std::string number = std::to_string(self_.value());
  if (!has(plan_.group.voters, self_) && !has(plan_.group.learners, self_)) {
    return fail(Errc::wrong_cluster,
                directory_ + ": this metadata log is not of node " + number + "; set node.id");
  }
  if (plan_.group.voters == std::vector<NodeId>{self_}) {
    return fail(Errc::invalid_request,
                "broker " + number + " is the only voter already; just start it");
  }
  return {};
}

io::Task<Result<>> QuorumRecovery::run() {
  const MetadataImage image = recovered_image(*image_, self_, Uuid::random(random_));
  const uint64_t term = std::max(hard_state_.term, plan_.last_term) + 1;
  WalBatch batch;
  batch.hard_state = HardState{term, 0, plan_.committed};
  CO_RETURN_IF_ERROR(co_await wal_->append(std::move(batch)));
  CO_RETURN_IF_ERROR(co_await wal_->install_snapshot(
      {plan_.last_index + kIndexesSkipped, term, encode_snapshot(image), {{self_}, {}}}));
  // Nobody is to find itself counted on by it any more.
  co_return co_await write_founding(
      disk_, directory_, {.cluster_id = image.cluster_id, .founders = {}, .members = {}});
}

}  // namespace sluice::broker
