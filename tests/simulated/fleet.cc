#include "tests/simulated/fleet.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "base/check.h"

namespace sluice::sim {
namespace {

std::string name_of(uint32_t id) { return "broker" + std::to_string(id); }

/// Up to 2 % off, in microseconds a second: a hundred times what a bad clock is.
int64_t draw_drift(Random& random) { return static_cast<int64_t>(random.below(40'001)) - 20'000; }

bool is_settled(const broker::PartitionImage& partition) {
  return partition.adding.empty() && partition.removing.empty() && partition.damaged.empty() &&
         partition.in_sync.size() == partition.replicas.size();
}

std::string list(const std::vector<NodeId>& nodes) {
  std::string text;
  for (const NodeId node : nodes) text += " " + std::to_string(node.value());
  return text.empty() ? " none" : text;
}

}  // namespace

Fleet::Fleet(Simulator& simulator, History& history, uint32_t brokers, bool newcomer) {
  if (brokers == 1) {
    machines_.push_back(std::make_unique<BrokerMachine>(simulator, history));
    members_.push_back(machines_.back().get());
    return;
  }
  std::vector<std::string> seeds;
  for (uint32_t id = 1; id <= brokers; ++id) seeds.push_back(name_of(id) + ":9092");
  for (uint32_t id = 1; id <= brokers + (newcomer ? 1 : 0); ++id) {
    const auto adjust = [id, seeds](broker::BrokerOptions& options) {
      options.node_id = NodeId(static_cast<int32_t>(id));
      options.seeds = seeds;
    };
    machines_.push_back(std::make_unique<BrokerMachine>(simulator, history, name_of(id), adjust));
    machines_.back()->set_drift(draw_drift(simulator.random()));
    if (id <= brokers) {
      members_.push_back(machines_.back().get());
    } else {
      newcomer_ = machines_.back().get();
    }
  }
}

BrokerMachine& Fleet::take_in() {
  members_.push_back(std::exchange(newcomer_, nullptr));
  return *members_.back();
}

NodeId Fleet::id_of(const BrokerMachine& machine) const {
  const auto at = std::ranges::find(machines_, &machine, &std::unique_ptr<BrokerMachine>::get);
  return NodeId(static_cast<int32_t>(at - machines_.begin()) + 1);
}

std::vector<NodeId> Fleet::ids() const {
  std::vector<NodeId> ids;
  for (const BrokerMachine* member : members_) ids.push_back(id_of(*member));
  return ids;
}

void Fleet::has_left(NodeId id) {
  const auto at = std::ranges::find_if(
      members_, [&](const BrokerMachine* member) { return id_of(*member) == id; });
  CHECK(at != members_.end(), "who leaves was a member");
  left_.push_back(*at);
  members_.erase(at);
  stays();
}

void Fleet::remove_left() {
  for (BrokerMachine* machine : std::exchange(left_, {})) {
    if (machine->on()) machine->kill();
  }
}

std::shared_ptr<const broker::MetadataImage> Fleet::newest_image() const {
  std::shared_ptr<const broker::MetadataImage> newest;
  for (BrokerMachine* member : members_) {
    if (!member->ready()) return nullptr;
    auto image = member->image();
    if (newest == nullptr || image->version > newest->version) newest = std::move(image);
  }
  return newest;
}

bool Fleet::all_in_sync() const {
  const auto image = newest_image();
  if (image == nullptr) return false;
  if (std::ranges::any_of(image->brokers, &broker::BrokerImage::draining)) return false;
  return std::ranges::all_of(image->topics_by_name(), [](const auto& topic) {
    return std::ranges::all_of(topic->partitions, is_settled);
  });
}

std::string Fleet::out_of_sync() const {
  const auto image = newest_image();
  if (image == nullptr) return "a broker is not up";
  std::string out;
  for (const auto& topic : image->topics_by_name()) {
    for (size_t i = 0; i < topic->partitions.size(); ++i) {
      const broker::PartitionImage& partition = topic->partitions[i];
      if (is_settled(partition)) continue;
      out += topic->name + "-" + std::to_string(i) + " of" + list(partition.replicas) +
             ", led by " + std::to_string(partition.leader.value()) + ", in sync" +
             list(partition.in_sync) + ", coming" + list(partition.adding) + ", going" +
             list(partition.removing) + ", damaged" + list(partition.damaged) + "; ";
    }
  }
  return out + "being drained " +
         std::to_string(std::ranges::count_if(image->brokers, &broker::BrokerImage::draining));
}

bool Fleet::has_replica(const BrokerMachine& machine, const storage::TopicPartition& of) const {
  const auto image = newest_image();
  if (image == nullptr) return true;
  const auto topic = image->topic(of.topic);
  const auto place = static_cast<size_t>(of.partition.value());
  return topic != nullptr && place < topic->partitions.size() &&
         std::ranges::count(topic->partitions[place].replicas, id_of(machine)) > 0;
}

bool Fleet::all_started() const {
  return std::ranges::all_of(members_, [](const auto* member) { return member->started(); });
}

void Fleet::launch_all() {
  for (BrokerMachine* member : members_) {
    if (!member->on()) member->launch();
  }
}

}  // namespace sluice::sim
