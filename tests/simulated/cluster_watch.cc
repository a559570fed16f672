#include "tests/simulated/cluster_watch.h"

#include <algorithm>

#include "broker/metadata/elections.h"
#include "broker/metadata/snapshot_codec.h"
#include "broker/metadata/topic_config.h"
#include "broker/replication/partition_table.h"
#include "tests/sim/hash.h"

namespace sluice::sim {
namespace {

/// New partitions are looked for, and quiet ones looked at in full, each so many steps of a broker.
constexpr uint64_t kFullLookEvery = 16;

std::string name_of(NodeId id) { return "broker" + std::to_string(id.value()); }
std::string text_of(Offset offset) { return std::to_string(offset.value()); }

size_t min_in_sync(const broker::TopicImage& topic) {
  const auto set = topic.configs.find("min.insync.replicas");
  return set == topic.configs.end() ? 1 : std::stoul(set->second);
}

}  // namespace

ClusterWatch::ClusterWatch(Simulator& simulator, History& history, const Fleet& fleet)
    : simulator_(simulator), history_(history) {
  for (const auto& machine : fleet.machines()) brokers_[fleet.id_of(*machine)] = machine.get();
  simulator_.after_step([this](uint64_t node) { look(node); });
  history_.on_read([this](const std::string& reader, const Place& place, Offset offset) {
    check_read(reader, place, offset);
  });
}

ClusterWatch::~ClusterWatch() {
  simulator_.after_step({});
  history_.on_read({});
}

void ClusterWatch::may_delete(const Place& place, Offset before) {
  Offset& known = deletable_[place];
  known = std::max(known, before);
}

/// The same thing is found at every step from then on.
void ClusterWatch::broken(const std::string& what) {
  if (said_.size() < 20 && said_.insert(what).second) history_.violated(what);
}

ClusterWatch::Life* ClusterWatch::life_of(uint64_t node) {
  const auto found = lives_.find(node);
  if (found != lives_.end()) return found->second.machine == nullptr ? nullptr : &found->second;
  Life& life = lives_[node];
  for (const auto& [id, machine] : brokers_) {
    if (!machine->on() || machine->node().id() != node) continue;
    life.id = id;
    life.machine = machine;
    return &life;
  }
  return nullptr;
}

void ClusterWatch::look(uint64_t node) {
  Life* life = life_of(node);
  if (life == nullptr || !life->machine->on()) return;
  SimNode& host = life->machine->node();
  if (host.id() != node || !host.alive()) return;
  look_at_image(*life);
  const bool full = life->steps++ % kFullLookEvery == 0;
  if (full) find_partitions(*life);
  for (View& view : life->views) {
    const auto partition = view.partition.lock();
    if (partition == nullptr || partition->stopped()) continue;
    const bool same = partition->high_watermark() == view.high_watermark &&
                      partition->leadership() == view.leadership &&
                      partition->log().ends().end == view.log_end;
    if (full || !same) look_at(*life, view, *partition);
  }
}

void ClusterWatch::look_at_image(Life& life) {
  const Image image = life.machine->image();
  if (image.get() == life.image || image->version == 0) return;
  life.image = image.get();
  const uint64_t digest = mix(0, broker::encode_snapshot(*image));
  const auto [known, first] = images_.try_emplace(image->version, digest, life.id);
  if (known->second.first != digest) {
    broken("the metadata of " + name_of(life.id) + " at index " + std::to_string(image->version) +
           " is not that of " + name_of(known->second.second));
  }
  if (newest_ != nullptr && image->version <= newest_->version) return;
  newest_ = image;
  for (const auto& [key, truth] : truths_) {
    const auto topic = image->topic(key.topic_id);
    if (topic != nullptr) check_members(key, {topic->name, key.partition}, truth);
  }
}

void ClusterWatch::find_partitions(Life& life) {
  // A replica that was removed lives on while somebody waits for it, beside one that came back.
  std::erase_if(life.views, [](const View& view) {
    const auto partition = view.partition.lock();
    return partition == nullptr || partition->stopped();
  });
  for (const auto& partition : life.machine->partitions().all()) {
    const Key& key = partition->key();
    if (std::ranges::find(life.views, key, &View::key) != life.views.end()) continue;
    const auto& name = partition->log().partition();
    if (!history_.knows(name.topic)) continue;
    life.views.push_back({.key = key,
                          .place = {name.topic, name.partition},
                          .partition = partition,
                          .leadership = {},
                          .log = LogReader(partition->log().directory() + "/" + name.folder())});
  }
}

ClusterWatch::Truth& ClusterWatch::truth_of(const Key& key, const Place& place) {
  Truth& truth = truths_[key];
  const uint32_t era = history_.era(place.topic);
  if (truth.era != era) truth = {.era = era};
  return truth;
}

const broker::PartitionImage* ClusterWatch::newest(const Key& key) const {
  if (newest_ == nullptr) return nullptr;
  const auto topic = newest_->topic(key.topic_id);
  const auto index = static_cast<size_t>(key.partition.value());
  if (topic == nullptr || index >= topic->partitions.size()) return nullptr;
  return &topic->partitions[index];
}

void ClusterWatch::look_at(Life& life, View& view, broker::Partition& partition) {
  view.leadership = partition.leadership();
  view.high_watermark = partition.high_watermark();
  const storage::LogEnds ends = partition.log().ends();
  Truth& truth = truth_of(view.key, view.place);
  const auto [known, is_first] = truth.ends.try_emplace(life.id, ends.end);
  known->second = is_in_sync(view.key, life.id) ? ends.end : std::max(known->second, ends.end);
  if (is_first && truth.era > 0) truth.inherited = std::max(truth.inherited, ends.end);
  view.log_end = ends.end;
  Offset& synced = truth.synced[life.id];
  synced = std::min(std::max(synced, ends.synced_end), ends.end);
  if (view.leadership.leader == life.id) {
    const auto epoch = view.leadership.epoch;
    const auto [first, is_new] = leaders_.try_emplace({view.key, epoch}, life.id);
    if (is_new) {
      history_.note(name_of(life.id) + " leads " + view.place.to_string() + " in epoch " +
                    std::to_string(epoch.value()) + ", its log ends at " + text_of(ends.end) +
                    ", committed are " + text_of(view.high_watermark));
    } else if (first->second != life.id) {
      broken(name_of(first->second) + " and " + name_of(life.id) + " lead " +
             view.place.to_string() + " in epoch " + std::to_string(epoch.value()));
    }
  }
  if (history_.promise(view.place.topic) == Promise::cached) {
    Offset& readable = readable_[view.place];
    readable = std::max(readable, view.high_watermark);
    return;
  }
  if (view.high_watermark > ends.end) {
    broken("the high watermark of " + view.place.to_string() + " on " + name_of(life.id) + " is " +
           text_of(view.high_watermark) + ", beyond its log, which ends at " + text_of(ends.end));
  }
  if (view.leadership.leader == life.id) look_at_leader(life, view, partition, ends, truth);
  if (view.log.next() > ends.end) view.log.rewind();
  // What went bad, and nobody has read yet, is no other history.
  const bool may_be_bad = life.machine->may_have_rot() || partition.log().is_damaged();
  if (!may_be_bad && is_of_era(life, view, partition, truth)) {
    check_batches(life, view, std::min(view.high_watermark, truth.committed), truth);
  }
  if (ends.end < truth.committed) check_members(view.key, view.place, truth);
}

/// After all lost their power a follower may still have what its leader lost, until it has heard
/// that their logs agree: before, it serves no readers.
bool ClusterWatch::is_of_era(const Life& life, const View& view, const broker::Partition& partition,
                             const Truth& truth) {
  if (truth.era == 0 || view.leadership.leader == life.id) return true;
  return partition.check_reader({.offset = partition.log().ends().start, .from_follower = true})
      .has_value();
}

void ClusterWatch::look_at_leader(const Life& life, const View& view, broker::Partition& partition,
                                  const storage::LogEnds& ends, Truth& truth) {
  const auto say = [&](const std::string& what, Offset before, Offset now) {
    broken("the " + what + " of " + view.place.to_string() + " went from " + text_of(before) +
           " to " + text_of(now) + " with " + name_of(life.id) + ", its leader in epoch " +
           std::to_string(view.leadership.epoch.value()));
  };
  const auto deletable = deletable_.find(view.place);
  const Offset most = deletable == deletable_.end() ? Offset(0) : deletable->second;
  if (ends.start > most) {
    broken("the log of " + view.place.to_string() + " on " + name_of(life.id) + " begins at " +
           text_of(ends.start) + "; nobody deleted what is behind " + text_of(most));
  }
  if (view.leadership.epoch >= truth.served_epoch && partition.check_readable(std::nullopt)) {
    if (view.high_watermark < truth.served)
      say("high watermark", truth.served, view.high_watermark);
    if (ends.start < truth.log_start) say("log start", truth.log_start, ends.start);
    truth.served_epoch = view.leadership.epoch;
    truth.served = view.high_watermark;
    truth.log_start = ends.start;
  }
  Offset& readable = readable_[view.place];
  readable = std::max(readable, view.high_watermark);
  if (view.high_watermark <= std::max(truth.committed, truth.inherited)) return;
  truth.committed = view.high_watermark;
  history_.note(view.place.to_string() + " is committed up to " + text_of(truth.committed));
  check_members(view.key, view.place, truth);
  check_copies(view.key, view.place, truth);
}

void ClusterWatch::check_members(const Key& key, const Place& place, const Truth& truth) {
  const broker::PartitionImage* partition = newest(key);
  if (partition == nullptr || history_.promise(place.topic) == Promise::cached) return;
  if (truth.era != history_.era(place.topic)) return;
  for (const NodeId id : partition->in_sync) {
    const auto broker = brokers_.find(id);
    if (broker == brokers_.end() || !broker->second->alive()) continue;
    // It may not have opened the log yet, or have closed it already.
    const Offset end = end_of(id, key, truth);
    if (end >= truth.committed) continue;
    broken(name_of(id) + " is in sync for " + place.to_string() + ", its log ends at " +
           text_of(end) + ", committed are " + text_of(truth.committed));
  }
}

bool ClusterWatch::is_in_sync(const Key& key, NodeId id) const {
  const broker::PartitionImage* partition = newest(key);
  return partition != nullptr && broker::has(partition->in_sync, id);
}

/// Of a replica that is away, or not served, what it had; before it was ever seen, nothing. One
/// that lost its power counts as it was until it is in sync again: its leader, which may not have
/// heard of the loss, has seen it so.
Offset ClusterWatch::end_of(NodeId id, const Key& key, const Truth& truth) const {
  const auto known = truth.ends.find(id);
  const Offset had = known == truth.ends.end() ? Offset(0) : known->second;
  const auto broker = brokers_.find(id);
  if (broker == brokers_.end() || !broker->second->on()) return had;
  const auto replica = broker->second->partitions().find(key);
  if (replica == nullptr) return had;
  const Offset end = replica->log().ends().end;
  return broker->second->alive() && is_in_sync(key, id) ? end : std::max(had, end);
}

/// Of a replica that runs what it says, or said before it started again.
Offset ClusterWatch::synced_of(NodeId id, const Key& key, const Truth& truth) const {
  const auto known = truth.synced.find(id);
  const Offset had = known == truth.synced.end() ? Offset(0) : known->second;
  const auto broker = brokers_.find(id);
  if (broker == brokers_.end() || !broker->second->on()) return had;
  const auto replica = broker->second->partitions().find(key);
  if (replica == nullptr) return had;
  const storage::LogEnds ends = replica->log().ends();
  return std::min(std::max(had, ends.synced_end), ends.end);
}

void ClusterWatch::check_copies(const Key& key, const Place& place, const Truth& truth) {
  const broker::PartitionImage* partition = newest(key);
  if (partition == nullptr) return;
  const size_t least =
      std::min(min_in_sync(*newest_->topic(key.topic_id)), partition->replicas.size());
  const bool on_device = history_.is_synced(place.topic);
  const auto kept_of = [&](NodeId id) {
    return on_device ? synced_of(id, key, truth) : end_of(id, key, truth);
  };
  const auto copies = std::ranges::count_if(
      partition->replicas, [&](NodeId id) { return kept_of(id) >= truth.committed; });
  if (static_cast<size_t>(copies) >= least) return;
  std::string ends;
  for (const NodeId id : partition->replicas) {
    ends += " " + name_of(id) + ":" + text_of(kept_of(id)) +
            (broker::has(partition->in_sync, id) ? " (in sync)" : "");
  }
  broken("committed are " + text_of(truth.committed) + " records of " + place.to_string() +
         ", which " + std::to_string(copies) + " replicas have" +
         (on_device ? " on their devices; " : "; ") + std::to_string(least) + " must; they have" +
         ends);
}

void ClusterWatch::check_batches(const Life& life, View& view, Offset end, Truth& truth) {
  if (view.log.next() >= end) return;
  view.log.visit(life.machine->node().disk().image(), end, [&](const record::BatchHeader& batch) {
    const Batch seen{batch.next_offset(), batch.leader_epoch, batch.crc};
    const auto [known, first] = truth.batches.try_emplace(batch.base_offset, seen);
    if (known->second == seen) return;
    broken("below its high watermark the log of " + view.place.to_string() + " on " +
           name_of(life.id) + " has another batch at " + text_of(batch.base_offset) +
           ", of epoch " + std::to_string(batch.leader_epoch.value()) + ", than one of epoch " +
           std::to_string(known->second.epoch.value()) + " that was committed");
  });
}

void ClusterWatch::check_read(const std::string& reader, const Place& place, Offset offset) {
  const auto known = readable_.find(place);
  const Offset end = known == readable_.end() ? Offset(0) : known->second;
  if (offset < end) return;
  broken(reader + " read " + place.to_string() + "@" + text_of(offset) + ", committed are " +
         text_of(end));
}

}  // namespace sluice::sim
