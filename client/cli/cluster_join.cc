#include <memory>

#include "client/cli/commands.h"

namespace sluice::cli {
namespace {

Result<> join(const Shell& shell, const std::string& address) {
  client::ClientOptions there;
  there.brokers = {address};
  ASSIGN_OR_RETURN(const auto newcomer, client::Client::open(there));
  ASSIGN_OR_RETURN(const auto broker, newcomer->admin()->identify());
  ASSIGN_OR_RETURN(const auto client, shell.connect());
  const auto admin = client->admin();
  ASSIGN_OR_RETURN(const auto cluster, admin->cluster());
  const std::string name = "broker " + std::to_string(broker.id.value()) + " at " + address;
  const Json document = {{"id", broker.id.value()}, {"cluster_id", cluster.cluster_id}};
  if (broker.cluster_id == cluster.cluster_id) {
    return shell.say(name + " is in the cluster already", document,
                     std::to_string(broker.id.value()));
  }
  if (!broker.cluster_id.empty()) {
    return fail(Errc::wrong_cluster, name + " belongs to cluster " + broker.cluster_id +
                                         ", not to " + cluster.cluster_id +
                                         "; start it on an empty directory to let it join");
  }
  if (shell.flags().dry_run) {
    return shell.say("would take in " + name, document, std::to_string(broker.id.value()));
  }
  RETURN_IF_ERROR(admin->join_cluster(broker));
  return shell.say(name + " may join; it does once its seeds name a broker of the cluster",
                   document, std::to_string(broker.id.value()));
}

}  // namespace

void add_cluster_join(CLI::App& parent, Shell& shell) {
  CLI::App& command = *parent.add_subcommand(
      "join",
      "Takes in a broker that waits for a cluster; one with seeds in the cluster joins by itself");
  const auto address = std::make_shared<std::string>();
  command.add_option("address", *address, "HOST:PORT of the broker")->required();
  command.footer(
      "Examples:\n"
      "  sluice cluster join broker-4:9092\n"
      "  sluice cluster join broker-4:9092 --dry-run");
  command.callback([&shell, address] {
    shell.choose("cluster join " + *address, [&shell, address] { return join(shell, *address); });
  });
}

}  // namespace sluice::cli
