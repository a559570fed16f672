#include <algorithm>
#include <memory>
#include <vector>

#include "client/cli/commands.h"
#include "client/cli/partition_moves.h"
#include "client/cli/watch.h"
#include "io/console.h"
#include "io/process.h"

namespace sluice::cli {
namespace {

struct Flags {
  std::string topic;
  int32_t partition = 0;
  std::vector<int32_t> replicas;
  bool cancel = false;
  bool wait = false;
};

constexpr Duration kLookAgainAfter = 500ms;

/// Whoever is asked first may not have heard of the move yet.
constexpr int kLooksForIt = 10;

bool is_there(const client::TopicInfo& topic, PartitionId id, const std::vector<NodeId>& wanted) {
  const auto at = static_cast<size_t>(id.value());
  if (at >= topic.partitions.size()) return false;
  const client::PartitionInfo& partition = topic.partitions[at];
  return partition.replicas == wanted && partition.adding.empty() && partition.removing.empty();
}

/// Until the move is over; what is left to copy is told on a terminal meanwhile. `cancelled` when
/// the partition did not get the replicas.
Result<> wait_for_end(const Shell& shell, client::Admin& admin, const client::Partition& partition,
                      const std::vector<NodeId>& wanted) {
  const bool tells = io::is_terminal(io::StandardStream::err);
  bool seen = false;
  for (int looks = 1; !io::interrupted(); ++looks) {
    ASSIGN_OR_RETURN(const auto moves, admin.list_moves());
    const auto move = std::ranges::find_if(moves, [&](const client::MoveInfo& one) {
      return one.topic == partition.topic && one.partition == partition.id;
    });
    if (move != moves.end()) {
      seen = true;
      if (tells) shell.note("left to copy: " + left_of(*move));
    } else {
      ASSIGN_OR_RETURN(const auto topic, admin.describe_topic(partition.topic));
      if (is_there(topic, partition.id, wanted)) return {};
      if (seen || looks == kLooksForIt) {
        return fail(Errc::cancelled, "the move was cancelled, or replaced by another one");
      }
    }
    pause(shell.clock(), kLookAgainAfter);
  }
  return fail(Errc::cancelled, "the move goes on without being watched");
}

Result<> move(const Shell& shell, const Flags& flags) {
  if (flags.cancel != flags.replicas.empty()) {
    return fail(Errc::invalid_argument,
                "say where to with --replicas 1,2,3, or --cancel the move under way");
  }
  ASSIGN_OR_RETURN(const auto client, shell.connect());
  const auto admin = client->admin();
  const client::Partition partition{flags.topic, PartitionId(flags.partition)};
  const std::string name = flags.topic + "-" + std::to_string(flags.partition);
  std::vector<NodeId> replicas;
  std::string to;
  for (const int32_t id : flags.replicas) {
    replicas.emplace_back(id);
    to += (to.empty() ? "" : ",") + std::to_string(id);
  }
  Json document = {{"topic", flags.topic},
                   {"partition", flags.partition},
                   {"replicas", flags.replicas},
                   {"cancelled", flags.cancel}};
  if (shell.flags().dry_run) {
    return shell.say(
        flags.cancel ? "would cancel the move of " + name : "would move " + name + " to " + to,
        std::move(document), name);
  }
  if (flags.cancel) {
    RETURN_IF_ERROR(admin->cancel_move(partition));
    return shell.say("cancelled the move of " + name, std::move(document), name);
  }
  RETURN_IF_ERROR(admin->move_partition(partition, replicas));
  if (flags.wait) {
    RETURN_IF_ERROR(wait_for_end(shell, *admin, partition, replicas));
    return shell.say("moved " + name + " to " + to, std::move(document), name);
  }
  return shell.say("moving " + name + " to " + to + "; see sluice partition moves",
                   std::move(document), name);
}

}  // namespace

void add_partition_move(CLI::App& parent, Shell& shell) {
  CLI::App& command = *parent.add_subcommand("move", "Gives a partition other replicas");
  const auto flags = std::make_shared<Flags>();
  command.add_option("topic", flags->topic, "The topic")->required();
  command.add_option("partition", flags->partition, "The partition")
      ->required()
      ->check(CLI::NonNegativeNumber);
  command
      .add_option("--replicas", flags->replicas,
                  "Node ids of the brokers that shall have it, the preferred leader first")
      ->delimiter(',')
      ->allow_extra_args(false);
  command.add_flag("--cancel", flags->cancel, "Back to what it was before the move under way");
  command.add_flag("--wait", flags->wait, "Ends when the move has");
  command.footer(
      "Examples:\n"
      "  sluice partition move orders 0 --replicas 1,2,3\n"
      "  sluice partition move orders 0 --replicas 1,2,3 --wait\n"
      "  sluice partition move orders 0 --cancel");
  command.callback([&shell, flags] {
    shell.choose("partition move " + flags->topic + " " + std::to_string(flags->partition),
                 [&shell, flags] { return move(shell, *flags); });
  });
}

}  // namespace sluice::cli
