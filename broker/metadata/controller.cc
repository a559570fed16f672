#include "broker/metadata/controller.h"

#include <algorithm>
#include <string>
#include <utility>

#include "broker/metadata/balance.h"
#include "broker/metadata/elections.h"
#include "broker/metadata/in_sync_check.h"
#include "broker/metadata/moves.h"
#include "broker/metadata/partition_codec.h"

namespace sluice::broker {
namespace {

/// Ticks come far more often; a longer pause was the controller's own.
constexpr Duration kLongestTick = std::chrono::milliseconds(300);
/// Until leaders are looked at again that wait for their partitions to be read in.
constexpr Duration kWarmUpEvery = std::chrono::milliseconds(200);
/// Between two lots of replicas that leave a broker.
constexpr Duration kDrainEvery = std::chrono::milliseconds(500);

Result<> check_epoch(const MetadataImage& image, NodeId id, uint64_t epoch) {
  const BrokerImage* broker = image.broker(id);
  const std::string name = "broker " + std::to_string(id.value());
  if (broker == nullptr) {
    return fail(Errc::not_found, name + " is not registered; start it again");
  }
  if (broker->epoch == epoch) return {};
  return fail(Errc::unknown_session,
              name + " is registered with epoch " + std::to_string(broker->epoch) + ", not " +
                  std::to_string(epoch) + "; another process with this node.id may have started");
}

/// The leader may not have heard yet that somebody who is to join has started again.
Result<> check_joining(const MetadataImage& image, const PartitionImage& before,
                       const InSyncChange& change) {
  const size_t told = std::min(change.in_sync.size(), change.broker_epochs.size());
  for (size_t i = 0; i < told; ++i) {
    const NodeId id = change.in_sync[i];
    const uint64_t heard = change.broker_epochs[i];
    const BrokerImage* broker = image.broker(id);
    if (has(before.in_sync, id) || heard == 0 || broker == nullptr) continue;
    if (broker->epoch == heard) continue;
    return fail(Errc::not_enough_replicas,
                "broker " + std::to_string(id.value()) + " has started again since its epoch " +
                    std::to_string(heard) + "; ask again when it has shown what it has");
  }
  return {};
}

struct Found {
  MetadataImage::TopicPointer topic;
  const PartitionImage* partition = nullptr;
};

Result<Found> find_partition(const MetadataImage& image, const Uuid& id, PartitionId partition) {
  auto topic = image.topic(id);
  if (topic == nullptr) {
    return fail(Errc::unknown_topic_id, "there is no topic with the id " + id.text());
  }
  const auto index = static_cast<size_t>(partition.value());
  if (partition.value() < 0 || index >= topic->partitions.size()) {
    return fail(Errc::unknown_topic_or_partition,
                topic->name + " has no partition " + std::to_string(partition.value()));
  }
  const PartitionImage* found = &topic->partitions[index];
  return Found{std::move(topic), found};
}

}  // namespace

Controller::Controller(ControllerOptions options, const TopicOptions& defaults,
                       const MetadataImage& image, TimePoint now)
    : options_(options),
      defaults_(defaults),
      sessions_(options.self, options.session),
      warm_ups_(options.warm_up_max),
      last_tick_(now),
      next_balance_(now + options.balance_every) {
  sessions_.follow(image, now - (options_.session - options_.first_session));
}

Result<HeartbeatReply> Controller::heartbeat(const MetadataImage& image, const Heartbeat& beat,
                                             TimePoint now) {
  RETURN_IF_ERROR(check_epoch(image, beat.node, beat.broker_epoch));
  sessions_.heard(beat, now);
  warm_ups_.done(beat.node, beat.warmed_up);
  const BrokerImage& broker = *image.broker(beat.node);
  HeartbeatReply reply{.fenced = broker.fenced};
  reply.warm_up = warm_ups_.asked_of(beat.node, now);
  // Fenced, the others take over without waiting for its session to end; alone there is no other.
  if (beat.wants_to_stop) reply.may_stop = broker.fenced || image.brokers.size() == 1;
  return reply;
}

BrokerStates Controller::states_of(const MetadataImage& image) const {
  BrokerStates states(image);
  for (const BrokerImage& broker : image.brokers) {
    if (sessions_.wants_to_stop(broker.id)) states.set_stopping(broker.id);
  }
  return states;
}

void Controller::follow_time(const MetadataImage& image, TimePoint now) {
  const Duration since = now - last_tick_;
  if (since > kLongestTick) sessions_.extend(since - kLongestTick);
  last_tick_ = now;
  sessions_.follow(image, now);
  warm_ups_.forget_old(now);
}

/// Whether another could lead nothing of what it leads.
bool Controller::has_handed_over(const MetadataImage& image, NodeId id,
                                 const BrokerStates& states) const {
  bool done = true;
  image.topics.for_each([&](const Uuid&, const MetadataImage::TopicPointer& topic) {
    if (!done) return;
    done = std::ranges::none_of(topic->partitions, [&](const PartitionImage& partition) {
      return partition.leader == id && std::ranges::any_of(partition.in_sync, [&](NodeId other) {
               return states.may_lead(other);
             });
    });
  });
  return done;
}

MetadataRecords Controller::change_sessions(const MetadataImage& image, BrokerStates& states,
                                            TimePoint now) const {
  MetadataRecords records;
  if (image.brokers.size() == 1 && !image.brokers.front().fenced) return records;
  for (const BrokerImage& broker : image.brokers) {
    const bool stops = sessions_.wants_to_stop(broker.id);
    const bool expired = sessions_.expired(broker.id, now);
    if (!broker.fenced &&
        (expired || (stops && has_handed_over(image, broker.id, states_of(image))))) {
      auto& fenced = *records.emplace_back().mutable_broker_fenced();
      fenced.set_node_id(broker.id.value());
      fenced.set_epoch(broker.epoch);
      states.set_fenced(broker.id, true);
    } else if (broker.fenced && !stops && !expired &&
               sessions_.caught_up(broker.id, broker.epoch)) {
      auto& unfenced = *records.emplace_back().mutable_broker_unfenced();
      unfenced.set_node_id(broker.id.value());
      unfenced.set_epoch(broker.epoch);
      states.set_fenced(broker.id, false);
    }
  }
  return records;
}

/// Whether the leader goes on for a moment, because it can and the next one is not ready.
bool Controller::is_held_back(const PartitionName& name, const PartitionImage& before,
                              const PartitionImage& after, const BrokerStates& states,
                              TimePoint now) {
  const bool planned =
      after.leader != before.leader && after.leader != kNoLeader &&
      has(before.in_sync, before.leader) &&
      std::ranges::all_of(before.in_sync, [&](NodeId id) { return states.serves(id); });
  return planned && !warm_ups_.is_ready(after.leader, name, now);
}

/// False when the command is full.
bool Controller::settle_topic(const TopicImage& topic, const BrokerStates& states, TimePoint now,
                              MetadataRecords& records) {
  const ElectionRules rules = election_rules(defaults_, topic.configs);
  for (size_t i = 0; i < topic.partitions.size(); ++i) {
    const PartitionImage& before = topic.partitions[i];
    const PartitionImage after = settled(before, rules, states);
    if (after.partition_epoch == before.partition_epoch) continue;
    const PartitionName name{topic.id, PartitionId{static_cast<int32_t>(i)}};
    if (is_held_back(name, before, after, states, now)) {
      holds_back_ = true;
      continue;
    }
    if (settled_bytes_ >= options_.command_bytes) return false;
    records.push_back(partition_changed(topic.id, i, before, after));
    settled_bytes_ += records.back().ByteSizeLong();
  }
  return true;
}

/// All partitions when brokers changed, else those of the topics that did.
void Controller::settle_partitions(const Image& image, const BrokerStates& states, TimePoint now,
                                   MetadataRecords& records) {
  settled_bytes_ = 0;
  holds_back_ = false;
  bool complete = true;
  if (scan_all_ || settled_image_ == nullptr || !(states == settled_states_)) {
    image->topics.for_each([&](const Uuid&, const MetadataImage::TopicPointer& topic) {
      complete = complete && settle_topic(*topic, states, now, records);
    });
  } else if (settled_image_ != image) {
    using Pointer = MetadataImage::TopicPointer;
    settled_image_->topics.for_each_change(
        image->topics, [&](const Pointer*, const Pointer* topic) {
          if (topic == nullptr) return;
          complete = complete && settle_topic(**topic, states, now, records);
        });
  }
  scan_all_ = !complete || holds_back_;
  settled_image_ = image;
  settled_states_ = states;
}

MetadataRecords Controller::spread(const MetadataImage& image, const BrokerStates& states,
                                   TimePoint now) {
  if (now < next_balance_ || image.brokers.size() < 2) return {};
  next_balance_ = now + options_.balance_every;
  auto records = drain_brokers(image, states, defaults_, options_.moves_at_once);
  if (!records.empty()) {
    next_balance_ = now + std::min(kDrainEvery, options_.balance_every);
    return records;
  }
  bool waits = false;
  const auto is_ready = [&](const PartitionName& name, NodeId leader) {
    const bool ready = warm_ups_.is_ready(leader, name, now);
    waits |= !ready;
    return ready;
  };
  records =
      balance_leaders(image, states, options_.imbalance_percent, options_.command_bytes, is_ready);
  if (!waits) return records;
  // All at once: moved one by one, the last ones would no longer be worth it.
  next_balance_ = now + std::min(kWarmUpEvery, options_.balance_every);
  return {};
}

MetadataRecords Controller::tick(const Image& image, TimePoint now) {
  follow_time(*image, now);
  BrokerStates states = states_of(*image);
  MetadataRecords records = change_sessions(*image, states, now);
  settle_partitions(image, states, now, records);
  if (!records.empty()) return records;
  return spread(*image, states, now);
}

Result<Controller::Altered> Controller::alter_in_sync(
    const MetadataImage& image, NodeId from, uint64_t broker_epoch,
    const std::vector<InSyncChange>& changes) const {
  RETURN_IF_ERROR(check_epoch(image, from, broker_epoch));
  const BrokerStates states = states_of(image);
  Altered altered;
  std::vector<const PartitionImage*> changed;
  for (const InSyncChange& change : changes) {
    auto found = find_partition(image, change.topic_id, change.partition);
    if (!found) {
      altered.epochs.push_back(fail(std::move(found).error()));
      continue;
    }
    const PartitionImage& before = *found->partition;
    auto after = with_in_sync(before, change, from,
                              election_rules(defaults_, found->topic->configs), states);
    if (auto joins = check_joining(image, before, change); after && !joins) {
      after = fail(std::move(joins).error());
    }
    if (!after) {
      altered.epochs.push_back(fail(std::move(after).error().with_context(
          found->topic->name + "-" + std::to_string(change.partition.value()))));
      continue;
    }
    altered.epochs.push_back(after->partition_epoch);
    // The second of two changes of one partition is told by the first one's epoch.
    const bool again = std::ranges::find(changed, &before) != changed.end();
    if (again) altered.epochs.back() = fail(Errc::invalid_request, "a partition is named twice");
    if (again || *after == before) continue;
    changed.push_back(&before);
    altered.records.push_back(partition_changed(
        change.topic_id, static_cast<size_t>(change.partition.value()), before, *after));
  }
  return altered;
}

Result<MetadataRecords> Controller::report_damage(const MetadataImage& image, NodeId from,
                                                  uint64_t broker_epoch,
                                                  const std::vector<DamageReport>& reports) const {
  RETURN_IF_ERROR(check_epoch(image, from, broker_epoch));
  const BrokerStates states = states_of(image);
  MetadataRecords records;
  std::vector<const PartitionImage*> changed;
  for (const DamageReport& report : reports) {
    const auto found = find_partition(image, report.topic_id, report.partition);
    // Deleted meanwhile.
    if (!found) continue;
    const PartitionImage& before = *found->partition;
    if (std::ranges::find(changed, &before) != changed.end()) continue;
    changed.push_back(&before);
    const PartitionImage after = with_damage(
        before, from, report.damaged, election_rules(defaults_, found->topic->configs), states);
    if (after == before) continue;
    records.push_back(partition_changed(
        report.topic_id, static_cast<size_t>(report.partition.value()), before, after));
  }
  return records;
}

Result<MetadataRecords> Controller::move(const MetadataImage& image, const MovePartition& request,
                                         TimePoint now) {
  ASSIGN_OR_RETURN(const Found found, find_partition(image, request.topic_id, request.partition));
  const ElectionRules rules = election_rules(defaults_, found.topic->configs);
  const BrokerStates states = states_of(image);
  const PartitionImage& before = *found.partition;
  auto after = request.cancel ? move_cancelled(before, rules, states)
                              : moved(before, request.replicas, rules, states);
  if (!after) {
    return fail(std::move(after).error().with_context(found.topic->name + "-" +
                                                      std::to_string(request.partition.value())));
  }
  const PartitionName name{request.topic_id, request.partition};
  if (!request.cancel && is_held_back(name, before, *after, states, now)) {
    after = move_begun(before, request.replicas);
  }
  MetadataRecords records;
  if (*after != before) {
    records.push_back(partition_changed(
        request.topic_id, static_cast<size_t>(request.partition.value()), before, *after));
  }
  return records;
}

MetadataRecords Controller::end_drain(const MetadataImage& image, NodeId node) const {
  MetadataRecords records = cancel_moves_from(image, node, states_of(image), defaults_);
  auto& draining = *records.emplace_back().mutable_broker_draining();
  draining.set_node_id(node.value());
  draining.set_draining(false);
  return records;
}

}  // namespace sluice::broker
