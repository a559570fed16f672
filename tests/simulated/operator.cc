#include "tests/simulated/operator.h"

#include <algorithm>
#include <map>
#include <utility>

namespace sluice::sim {
namespace {

/// A drain that takes longer is given up.
constexpr Duration kLongestDrain = std::chrono::seconds(40);

Result<> without_value(const Result<uint32_t>& outcome) {
  if (!outcome) return fail(Error(outcome.error()));
  return {};
}

}  // namespace

OperatorMachine::OperatorMachine(const World& world, Fleet& fleet,
                                 const std::vector<TopicPlan>& plans, size_t least)
    : ClientMachine(world, "operator"),
      fleet_(fleet),
      plans_(plans),
      least_(least),
      admin_(cluster_) {}

io::Task<void> OperatorMachine::work() {
  while (!stopping_) {
    co_await pause(2s);
    if (!stopping_) co_await change_something();
  }
  co_await undo_drains();
}

io::Task<void> OperatorMachine::change_something() {
  switch (random().below(10)) {
    case 0:
    case 1:
    case 2:
    case 3:
      return move_one();
    case 4:
      return cancel_one();
    case 5:
      return create_side_topic();
    case 6:
    case 7:
      return change_side_topic();
    case 8:
      return drain_one();
    default:
      return let_one_leave();
  }
}

void OperatorMachine::tell(const std::string& what, const Result<>& outcome) {
  history_.note("operator: " + what +
                (outcome ? ": done" : ": " + std::string(outcome.error().message())));
}

client::Partition OperatorMachine::draw_partition() {
  const TopicPlan& plan = plans_[random().below(plans_.size())];
  return {plan.name, PartitionId(static_cast<int32_t>(random().below(plan.partitions)))};
}

NodeId OperatorMachine::draw_member() {
  const auto ids = fleet_.ids();
  return ids[random().below(ids.size())];
}

/// To as many replicas as it has, on other brokers or in another order.
io::Task<void> OperatorMachine::move_one() {
  const client::Partition partition = draw_partition();
  const auto plan = std::ranges::find(plans_, partition.topic, &TopicPlan::name);
  std::vector<NodeId> ids = fleet_.ids();
  std::string text = "move " + partition.topic + "-" + std::to_string(partition.id.value()) + " to";
  for (size_t i = 0; i < plan->replication_factor && i < ids.size(); ++i) {
    std::swap(ids[i], ids[i + random().below(ids.size() - i)]);
    text += " " + std::to_string(ids[i].value());
  }
  ids.resize(std::min<size_t>(ids.size(), plan->replication_factor));
  tell(text, co_await admin_.move_partition(partition, std::move(ids)));
}

io::Task<void> OperatorMachine::cancel_one() {
  const client::Partition partition = draw_partition();
  tell("cancel the move of " + partition.topic + "-" + std::to_string(partition.id.value()),
       co_await admin_.move_partition(partition, {}));
}

io::Task<void> OperatorMachine::create_side_topic() {
  SideTopic topic{"side-" + std::to_string(created_++), 1 + (created_ & 1)};
  auto created = co_await admin_.create_topic(
      {.name = topic.name, .partitions = topic.partitions, .replication_factor = 3});
  history_.note("operator: create " + topic.name +
                (created ? ": done" : ": " + std::string(created.error().message())));
  // Without an answer it may be there.
  side_topics_.push_back(std::move(topic));
}

io::Task<void> OperatorMachine::change_side_topic() {
  if (side_topics_.empty()) co_return;
  const size_t index = random().below(side_topics_.size());
  SideTopic& topic = side_topics_[index];
  const uint64_t choice = random().below(4);
  if (choice == 0) {
    topic.partitions += 1;
    tell("more partitions of " + topic.name,
         co_await admin_.add_partitions(topic.name, topic.partitions, false));
  } else if (choice == 1) {
    std::map<std::string, std::string> set;
    set["min.insync.replicas"] = std::to_string(1 + random().below(3));
    tell("alter " + topic.name, co_await admin_.alter_topic(topic.name, std::move(set), {}, false));
  } else {
    const std::string name = topic.name;
    side_topics_.erase(side_topics_.begin() + static_cast<ptrdiff_t>(index));
    tell("delete " + name, co_await admin_.delete_topic(name));
  }
}

io::Task<void> OperatorMachine::drain_one() {
  const NodeId id = draw_member();
  drained_.push_back(id);
  tell("drain " + std::to_string(id.value()),
       without_value(co_await admin_.drain_broker(id, false)));
  co_await pause(4s);
  co_await undo_drains();
}

io::Task<void> OperatorMachine::let_one_leave() {
  if (fleet_.members().size() <= least_) co_return;
  const NodeId id = draw_member();
  drained_.push_back(id);
  if (co_await drain_until_empty(id)) co_await leave(id);
  co_await undo_drains();
}

io::Task<bool> OperatorMachine::drain_until_empty(NodeId id) {
  const TimePoint deadline = cluster_.loop().now() + kLongestDrain;
  while (!stopping_ && cluster_.loop().now() < deadline) {
    const auto left = co_await admin_.drain_broker(id, false);
    tell("drain " + std::to_string(id.value()) +
             (left ? ", " + std::to_string(*left) + " are left" : std::string()),
         without_value(left));
    if (left && *left == 0) co_return true;
    co_await pause(2s);
  }
  co_return false;
}

/// Until it is known what became of it.
io::Task<void> OperatorMachine::leave(NodeId id) {
  fleet_.is_leaving(id);
  for (;;) {
    auto left = co_await admin_.leave_cluster(id);
    tell("broker " + std::to_string(id.value()) + " leaves", left);
    if (left || left.error() == Errc::not_found) {
      std::erase(drained_, id);
      fleet_.has_left(id);
      co_return;
    }
    if (left.error() == Errc::invalid_request) break;
    co_await pause(500ms);
  }
  fleet_.stays();
}

io::Task<void> OperatorMachine::undo_drains() {
  while (!drained_.empty()) {
    const NodeId id = drained_.back();
    const auto undone = co_await admin_.drain_broker(id, true);
    tell("undo the drain of " + std::to_string(id.value()), without_value(undone));
    if (undone || undone.error() == Errc::not_found) {
      drained_.pop_back();
    } else {
      co_await pause(500ms);
    }
  }
}

}  // namespace sluice::sim
