#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "client/connection.h"
#include "client/include/sluice/types.h"
#include "io/runtime.h"

namespace sluice::client {

/// What a broker said of a topic; immutable once fetched.
struct TopicMetadata {
  struct Leader {
    NodeId node{-1};
    LeaderEpoch epoch{-1};
  };
  std::string name;
  /// The 16 bytes.
  std::string id;
  size_t max_message_bytes = 0;
  /// By partition id; node -1 where there is no leader now.
  std::vector<Leader> leaders;
  /// By partition id: replicas in sync on brokers that are there.
  std::vector<std::vector<NodeId>> in_sync;
  TimePoint fetched_at{};
};

/// Whether a broker that was asked as the leader says that it is not, or not in that epoch.
bool leader_moved(Errc code);

/// The cluster as a client sees it: brokers, the topics it asked for, and one shared connection a
/// broker. On its loop only.
class Cluster {
 public:
  /// Connects when first asked.
  Cluster(io::Runtime& runtime, io::Loop& loop, ClientOptions options);
  ~Cluster();
  Cluster(const Cluster&) = delete;
  Cluster& operator=(const Cluster&) = delete;

  io::Loop& loop() { return loop_; }
  io::Runtime& runtime() { return runtime_; }
  const ClientOptions& options() const { return options_; }

  /// As the last metadata had it; empty when it has none, or is not known.
  const std::string& rack_of(NodeId node) const;

  /// A connection to any broker: an open one, else the first that answers; connection_failed names
  /// all that were tried.
  io::Task<Result<std::shared_ptr<Connection>>> any();
  io::Task<Result<std::shared_ptr<Connection>>> to(NodeId node);
  /// For a while it is asked about others only when nobody else is left: it may be cut off from
  /// them.
  void distrust(NodeId node);
  /// What the last broker that was asked about others said is no longer so: others are asked first
  /// for a while.
  void distrust_last();
  /// A connection of one's own, for requests that wait at the broker (fetches); the caller shuts it
  /// down.
  io::Task<Result<std::shared_ptr<Connection>>> dedicated(NodeId node);

  /// From the cache while younger than metadata_max_age; with `fresh` nothing that was asked for
  /// before this call. Who asks at the same time shares one request. unknown_topic_or_partition
  /// when the cluster has no such topic.
  io::Task<Result<std::shared_ptr<const TopicMetadata>>> topic(std::string name, bool fresh);
  /// The raw answer, for admin; also updates what is known of the brokers.
  io::Task<Result<native::MetadataResponse>> metadata(native::MetadataRequest request);
  /// Sends a request to any broker and returns the answer's header. One that does not serve yet,
  /// and, where asking twice does no harm, one that is not reached or too late, hands it to the
  /// next.
  io::Task<Result<native::ResponseHeader>> ask(native::RequestHeader request);

  /// How long to wait before try number `attempt` (from 1), with jitter.
  Duration backoff(uint32_t attempt);
  /// The same before looking for a partition's leader, which moved or went away: none before the
  /// first look, and short ones, as another leads within milliseconds of a planned change and a
  /// second of a crash. Looks of many partitions of a topic share one request.
  Duration pause_before_looking(uint32_t attempt);

  /// Closes all connections; nothing may be under way.
  io::Task<void> shut_down();

 private:
  /// What many may ask for at once and one does for all: who comes while it is done waits for the
  /// next round, and all of those share that one.
  struct Shared {
    io::AsyncMutex turn;
    /// When the last round began, and how it failed.
    std::optional<TimePoint> began;
    std::optional<Error> failure;
  };
  struct Peer : Shared {
    std::shared_ptr<Connection> connection;
    /// It was too late or did not serve: others are asked first until then.
    TimePoint avoid_until{};
  };
  struct Topic : Shared {
    std::shared_ptr<const TopicMetadata> metadata;
  };
  using TopicResult = Result<std::shared_ptr<const TopicMetadata>>;

  io::Task<Result<std::shared_ptr<Connection>>> shared_to(io::Endpoint endpoint);
  io::Task<Result<std::shared_ptr<Connection>>> open(io::Endpoint endpoint);
  io::Task<Result<std::shared_ptr<Connection>>> any_but(std::set<std::string> avoid);
  std::vector<io::Endpoint> candidates(const std::vector<io::Endpoint>& named) const;
  Result<io::Endpoint> endpoint_of(NodeId node) const;
  io::Task<TopicResult> ask_for_topic(std::string name);

  io::Runtime& runtime_;
  io::Loop& loop_;
  const ClientOptions options_;
  // Ordered, so that a simulated run does not depend on addresses.
  struct Broker {
    io::Endpoint endpoint;
    std::string rack;
  };
  std::map<NodeId, Broker> brokers_;
  std::map<std::string, Peer> peers_;
  /// The endpoint that ask() asked last.
  std::string last_asked_;
  std::map<std::string, Topic, std::less<>> topics_;
};

}  // namespace sluice::client
