#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/guarded.h"
#include "base/log.h"
#include "base/memory_budget.h"
#include "base/metrics.h"
#include "broker/admin/admin_server.h"
#include "broker/admin/memory_page.h"
#include "broker/admin/pages.h"
#include "broker/control_plane.h"
#include "broker/leak_watch.h"
#include "broker/metadata/producer_ids.h"
#include "broker/metadata/store.h"
#include "broker/native/front_end.h"
#include "broker/options.h"
#include "broker/replication/damage_keeper.h"
#include "broker/replication/in_sync_keeper.h"
#include "broker/replication/partition_set.h"
#include "broker/replication/partition_table.h"
#include "broker/replication/peer_links.h"
#include "broker/replication/replica_fetchers.h"
#include "broker/server/server.h"
#include "broker/service/services.h"
#include "broker/service/topics_ports.h"
#include "io/runtime.h"
#include "storage/log_set.h"

namespace sluice::broker {

/// What a node takes from and tells its process; the runtime outlives the node.
struct NodePorts {
  io::Runtime& runtime;
  Logger log;
  /// The node cannot go on (the metadata's or the last data directory failed): the process must end
  /// without writing another byte. At least once, from any loop.
  std::function<void(const Error&)> on_fatal;
};

/// A broker: the only place where its parts are put together. start() and stop() on the control
/// loop, once each; nothing else is called before start() is done.
class Node {
 public:
  /// `options` passed check_options.
  Node(NodePorts ports, BrokerOptions options);
  ~Node();
  Node(const Node&) = delete;
  Node& operator=(const Node&) = delete;

  /// The admin port is open at once, the clients' port when everything is recovered. Errors say
  /// which address, directory or setting, and what to do; stop() must follow them too.
  io::Task<Result<>> start();
  /// Stops accepting, lets requests under way finish within shutdown.timeout.ms, flushes, writes
  /// checkpoints and the clean-shutdown markers. The first error of what was written.
  io::Task<Result<>> stop();
  /// After start(): until its replicas have joined the in-sync sets that they can, which others
  /// wait for before they stop the next broker. shutting_down after stop().
  io::Task<Result<>> caught_up();

  /// Where clients and scrapers connect, with the ports that the system chose.
  const io::Endpoint& local() const { return server_->local(); }
  const io::Endpoint& admin_local() const { return admin_.local(); }
  /// For who embeds a broker, in place of a front end.
  Services services();
  const MetadataStore& metadata() const { return store_; }
  /// After start(): another voter leads the metadata soon, where this one does.
  void hand_over_metadata() { control_.hand_over_metadata(); }
  const PartitionTable& partitions() const { return table_; }
  MetricsRegistry& metrics() { return metrics_; }

 private:
  struct Verbs;

  void add_pages();
  void add_gauges();
  void add_cluster_metrics();
  io::Task<MemorySight> look_at_memory();
  io::Task<MemorySight> look_at_memory_and_owners();
  std::vector<MemorySight::Partition> partitions_by_memory() const;
  size_t producers() const;
  io::Task<void> watch_for_leaks();
  void warn_of(const Leak& leak);
  Health health() const;
  Readiness readiness() const;
  void note_problem(std::string text);
  io::Task<Result<>> start_all();
  io::Task<Result<>> start_server();
  io::Task<std::string> new_cluster_id();
  io::Task<Result<>> open_logs(std::string cluster_id);
  void make_replication();
  io::Task<Result<>> register_broker();
  io::Task<Result<>> import_logs();
  io::Task<void> follow_metadata();
  io::Task<Result<>> serve();
  io::Task<std::string> boot_id();
  io::Task<void> watch_catching_up();
  bool is_behind();
  io::Task<void> stop_server(TimePoint deadline);
  io::Task<void> stop_replication();
  io::Task<void> warm_up(PartitionName name);
  void directory_offline(const std::string& directory, const Error& cause);
  void set_state(std::string state);

  NodePorts ports_;
  BrokerOptions options_;
  MetricsRegistry metrics_;
  MemoryBudget memory_;
  /// For clients and for work in the background, which leave the reserve alone.
  MemoryBudget& unreserved_memory_;
  MemoryBudget& storage_memory_;
  MemoryBudget& session_memory_;
  MemoryBudget& replica_session_memory_;
  MemoryBudget& fetcher_memory_;
  Guarded<Readiness> readiness_;
  /// What the controller is told is not well here.
  Guarded<std::vector<std::string>> problems_;
  /// As of the last scrape.
  Guarded<ControlSight> sight_;
  Guarded<MemorySight> memory_sight_;
  size_t memory_at_start_ = 0;
  Counter& leak_warnings_;
  /// As of the last look.
  Guarded<std::vector<Leak>> leaks_;
  AdminServer admin_;

  MetadataStore store_;
  ControlPlane control_;
  std::unique_ptr<storage::LogSet> logs_;
  PartitionTable table_;
  std::unique_ptr<PeerLinks> links_;
  std::unique_ptr<MoveThrottle> throttle_;
  std::unique_ptr<ReplicaFetchers> fetchers_;
  std::unique_ptr<InSyncKeeper> in_sync_;
  std::unique_ptr<PartitionSet> partitions_;
  std::unique_ptr<DamageKeeper> damage_;
  /// Follows what the metadata says from serve() on.
  io::Signal published_;
  io::Scope following_;
  bool replicates_ = false;
  bool unfollowed_ = false;
  bool starting_ = false;
  bool stopping_ = false;
  io::Signal started_;
  /// After each change of the state.
  io::Signal ready_;
  std::unique_ptr<Verbs> verbs_;
  std::unique_ptr<NativeFrontEnd> native_;
  std::unique_ptr<Server> server_;
  io::Signal server_stopped_;
  bool serving_ = false;
  io::Endpoint advertised_;
};

}  // namespace sluice::broker
