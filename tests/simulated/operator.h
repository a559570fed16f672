#pragma once

#include <string>
#include <vector>

#include "tests/simulated/clients.h"
#include "tests/simulated/fleet.h"

namespace sluice::sim {

/// An operator who changes his mind: moves replicas and cancels that, drains brokers and undoes
/// it, creates, alters and deletes topics, and lets a broker leave when there is one to spare. In
/// the end nothing of it is under way.
class OperatorMachine final : public ClientMachine {
 public:
  /// Fleet and plans outlive it. `spare`: so many members must stay.
  OperatorMachine(const World& world, Fleet& fleet, const std::vector<TopicPlan>& plans,
                  size_t least);

 protected:
  io::Task<void> work() override;

 private:
  struct SideTopic {
    std::string name;
    uint32_t partitions = 1;
  };
  io::Task<void> change_something();
  io::Task<void> move_one();
  io::Task<void> cancel_one();
  io::Task<void> create_side_topic();
  io::Task<void> change_side_topic();
  io::Task<void> drain_one();
  io::Task<void> let_one_leave();
  io::Task<bool> drain_until_empty(NodeId id);
  io::Task<void> leave(NodeId id);
  io::Task<void> undo_drains();
  client::Partition draw_partition();
  NodeId draw_member();
  void tell(const std::string& what, const Result<>& outcome);

  Fleet& fleet_;
  const std::vector<TopicPlan>& plans_;
  const size_t least_;
  client::AdminCore admin_;
  std::vector<SideTopic> side_topics_;
  std::vector<NodeId> drained_;
  uint32_t created_ = 0;
};

}  // namespace sluice::sim
