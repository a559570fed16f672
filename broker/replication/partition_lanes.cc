// The turns of the partitions of a PartitionSet: each goes by itself to what the latest image says.

#include <algorithm>
#include <string_view>
#include <utility>

#include "base/check.h"
#include "broker/replication/partition_set.h"

namespace sluice::broker {
namespace {

/// Logs of a directory changed at once, or of a topic made: most of the time goes into waiting for
/// the device.
constexpr size_t kAtOnce = 16;

}  // namespace

bool PartitionSet::is_here(const PartitionImage& partition) const {
  return std::ranges::find(partition.replicas, ports_.self) != partition.replicas.end();
}

/// Null: this broker has no replica of it.
const PartitionImage* PartitionSet::find_here(const Topic& topic, PartitionId id) const {
  const auto place = static_cast<size_t>(id.value());
  if (topic == nullptr || place >= topic->partitions.size()) return nullptr;
  return is_here(topic->partitions[place]) ? &topic->partitions[place] : nullptr;
}

void PartitionSet::go_by(std::shared_ptr<const MetadataImage> image) {
  if (stopping_ || (followed_ != nullptr && image->version <= followed_->version)) return;
  const auto before = std::exchange(followed_, std::move(image));
  ++turn_;
  std::set<Name> changed = changed_since(before.get());
  if (before == nullptr) {
    for (const Name& name : changed) lanes_[name].from_start = true;
    // Also logs that nobody wants here any more.
    for (const auto& log : ports_.logs.all()) changed.insert(log->partition());
  }
  for (const Name& name : changed) {
    Lane& lane = lanes_[name];
    lane.wanted = turn_;
    ask(name, lane);
  }
}

std::set<PartitionSet::Name> PartitionSet::changed_since(const MetadataImage* before) const {
  static const MetadataImage kNothing;
  std::set<Name> changed;
  const auto note = [&](const Topic& topic, const Topic& other) {
    for (size_t i = 0; topic != nullptr && i < topic->partitions.size(); ++i) {
      const bool unchanged = other != nullptr && other->configs == topic->configs &&
                             i < other->partitions.size() &&
                             other->partitions[i] == topic->partitions[i];
      if (unchanged || !is_here(topic->partitions[i])) continue;
      const PartitionId id{static_cast<int32_t>(i)};
      changed.insert({topic->name, id});
      // None is followed any more before the first log goes: that takes its time, and meanwhile
      // the leaders go, too.
      if (other == nullptr && topic != followed_->topic(topic->id) && ports_.fetchers != nullptr) {
        ports_.fetchers->forget({topic->id, id});
      }
    }
  };
  const auto& topics = (before == nullptr ? kNothing : *before).topics;
  topics.for_each_change(followed_->topics, [&](const Topic* from, const Topic* to) {
    const Topic earlier = from == nullptr ? nullptr : *from;
    const Topic later = to == nullptr ? nullptr : *to;
    note(earlier, later);
    note(later, earlier);
  });
  return changed;
}

void PartitionSet::ask(const Name& name, Lane& lane) {
  if (std::exchange(lane.running, true)) {
    lane.asked.notify_all();
  } else {
    working_.start(work(name));
  }
}

io::Semaphore& PartitionSet::permits_of(const Name& name) {
  if (const auto log = ports_.logs.find(name)) {
    return changing_.try_emplace(log->directory(), kAtOnce).first->second;
  }
  return making_.try_emplace(name.topic, kAtOnce).first->second;
}

io::Task<void> PartitionSet::work(Name name) {
  Lane& lane = lanes_.at(name);
  while (!stopping_) {
    const uint64_t ticket = lane.asked.ticket();
    if (lane.reached >= lane.wanted && lane.reopening == nullptr) {
      if (!lane.again) break;
      // What the world refused may go well by then: no image comes because a disk has room again.
      if (ports_.control.now() < *lane.again) {
        co_await lane.asked.wait(ticket, lane.again);
        continue;
      }
    }
    io::Semaphore& permits = permits_of(name);
    co_await permits.acquire();
    if (!stopping_) co_await take_turn(name, lane);
    permits.release();
    reached_.notify_all();
  }
  lane.running = false;
  if (lane.reopening != nullptr) {
    std::exchange(lane.reopening, nullptr)->done.set(fail(Errc::shutting_down));
  }
  if (lane.topic_id) co_return;
  lanes_.erase(name);
  const auto next = lanes_.lower_bound({name.topic, PartitionId{0}});
  if (next == lanes_.end() || next->first.topic != name.topic) making_.erase(name.topic);
}

io::Task<void> PartitionSet::take_turn(const Name& name, Lane& lane) {
  Reopening* const asked = std::exchange(lane.reopening, nullptr);
  Result<> changed;
  if (asked != nullptr) changed = co_await change_log(name, *asked);
  const uint64_t turn = turn_;
  lane.again.reset();
  co_await bring(name, lane, followed_);
  lane.reached = turn;
  if (asked != nullptr) asked->done.set(std::move(changed));
}

io::Task<void> PartitionSet::bring(const Name& name, Lane& lane,
                                   std::shared_ptr<const MetadataImage> image) {
  const Topic topic = image->topic(std::string_view(name.topic));
  if (lane.topic_id) co_await withdraw_lane(name, lane, topic);
  if (find_here(topic, name.partition) == nullptr) co_return co_await remove_stray(name, *image);
  lane.topic_id = topic->id;
  co_await serve(topic, name.partition, *image, lane);
}

/// Unless the topic of that name has it here still.
io::Task<void> PartitionSet::withdraw_lane(const Name& name, Lane& lane, const Topic& topic) {
  const bool is_gone = topic == nullptr || topic->id != *lane.topic_id;
  if (!is_gone && find_here(topic, name.partition) != nullptr) co_return;
  Error why = is_gone ? Error(Errc::unknown_topic_id,
                              "topic " + name.topic + " was deleted; create it or ask for another")
                      : Error(Errc::not_leader, "the partition was moved to other brokers");
  co_await withdraw({*lane.topic_id, name.partition}, name, std::move(why));
  lane.topic_id.reset();
  lane.from_start = false;
  lane.failures = 0;
}

io::Task<void> PartitionSet::follow(std::shared_ptr<const MetadataImage> image, std::string topic) {
  io::Loop& home = *io::Loop::current();
  co_await ports_.control.enter();
  go_by(std::move(image));
  const uint64_t turn = turn_;
  const auto behind = [&](const Lane& lane) { return lane.reached < std::min(lane.wanted, turn); };
  // One after the other: who has reached it stays beyond it.
  auto lane = topic.empty() ? lanes_.begin() : lanes_.lower_bound({topic, PartitionId{0}});
  while (!stopping_ && lane != lanes_.end() && (topic.empty() || lane->first.topic == topic)) {
    const Name name = lane->first;
    uint64_t ticket = reached_.ticket();
    while (!stopping_ && lane != lanes_.end() && behind(lane->second)) {
      co_await reached_.wait(ticket);
      ticket = reached_.ticket();
      lane = lanes_.find(name);
    }
    lane = lanes_.upper_bound(name);
  }
  co_await home.enter();
}

io::Task<Result<>> PartitionSet::reopen(PartitionKey key,
                                        std::function<io::Task<Result<>>()> change) {
  io::Loop& home = *io::Loop::current();
  co_await ports_.control.enter();
  Result<> done;
  if (auto partition = ports_.table.find(key); stopping_ || partition == nullptr) {
    done = fail(stopping_ ? Errc::shutting_down : Errc::not_found);
  } else {
    const Name name = partition->log().partition();
    partition.reset();
    Reopening reopening{.key = key, .change = std::move(change), .done = {}};
    Lane& lane = lanes_[name];
    CHECK(lane.reopening == nullptr, "one change of a log at a time");
    lane.reopening = &reopening;
    ask(name, lane);
    done = co_await reopening.done;
  }
  co_await home.enter();
  co_return done;
}

io::Task<Result<>> PartitionSet::change_log(const Name& name, const Reopening& asked) {
  auto partition = ports_.table.find(asked.key);
  if (partition == nullptr) {
    co_return fail(Errc::not_found, "the partition is not served here any more");
  }
  // One that leads though it is damaged takes nothing, so that nothing goes by it.
  if (partition->leadership().leader == ports_.self && !partition->log().is_damaged()) {
    co_return fail(Errc::invalid_request, name.folder() + " is led by this broker");
  }
  if (ports_.fetchers != nullptr) ports_.fetchers->forget(asked.key);
  ports_.table.take(asked.key);
  partition->stop(Error(Errc::not_leader, name.folder() + " is being repaired here"));
  co_await partition->close();
  partition.reset();
  auto changed = co_await asked.change();
  if (find_here(followed_->topic(asked.key.topic_id), asked.key.partition) == nullptr) {
    // It went meanwhile: what is not served is not withdrawn.
    static_cast<void>(co_await ports_.logs.remove(name));
  }
  co_return changed;
}

io::Task<void> PartitionSet::rest() {
  io::Loop& home = *io::Loop::current();
  co_await ports_.control.enter();
  stopping_ = true;
  for (auto& [name, lane] : lanes_) lane.asked.notify_all();
  reached_.notify_all();
  co_await working_.join();
  co_await home.enter();
}

}  // namespace sluice::broker
