#include "client/cluster.h"

#include <algorithm>
#include <utility>

namespace sluice::client {

Cluster::Cluster(io::Runtime& runtime, io::Loop& loop, ClientOptions options)
    : runtime_(runtime), loop_(loop), options_(std::move(options)) {}

Cluster::~Cluster() { CHECK(connections_.empty(), "a cluster is shut down before it dies"); }

io::Task<Result<std::shared_ptr<Connection>>> Cluster::open(io::Endpoint endpoint) {
  return Connection::open(runtime_, std::move(endpoint),
                          {.client_id = options_.client_id,
                           .connect_timeout = options_.connect_timeout,
                           .request_timeout = options_.request_timeout});
}

io::Task<void> Cluster::drop_closed() {
  std::vector<std::shared_ptr<Connection>> closed;
  absl::erase_if(connections_, [&](const auto& entry) {
    if (!entry.second->closed()) return false;
    closed.push_back(entry.second);
    return true;
  });
  for (auto& connection : closed) co_await connection->shut_down();
}

io::Task<Result<std::shared_ptr<Connection>>> Cluster::shared_to(io::Endpoint endpoint) {
  const std::string key = endpoint.to_string();
  if (const auto found = connections_.find(key);
      found != connections_.end() && !found->second->closed()) {
    co_return found->second;
  }
  const auto lock = co_await connecting_.lock();
  co_await drop_closed();
  if (const auto found = connections_.find(key); found != connections_.end()) {
    co_return found->second;
  }
  auto connection = co_await open(std::move(endpoint));
  if (connection) connections_[key] = *connection;
  co_return connection;
}

io::Task<Result<std::shared_ptr<Connection>>> Cluster::any() {
  for (const auto& [key, connection] : connections_) {
    if (!connection->closed()) co_return connection;
  }
  std::vector<io::Endpoint> candidates;
  for (const auto& text : options_.brokers) {
    CO_ASSIGN_OR_RETURN(io::Endpoint endpoint, io::Endpoint::parse(text));
    candidates.push_back(std::move(endpoint));
  }
  for (const auto& [node, endpoint] : brokers_) {
    if (std::ranges::find(candidates, endpoint) == candidates.end()) candidates.push_back(endpoint);
  }
  std::string tried;
  Errc last = Errc::connection_failed;
  for (auto& endpoint : candidates) {
    auto connection = co_await shared_to(std::move(endpoint));
    if (connection) co_return connection;
    last = connection.error().code();
    if (!tried.empty()) tried += "; ";
    tried += connection.error().message();
  }
  co_return fail(last, std::move(tried));
}

Result<io::Endpoint> Cluster::endpoint_of(NodeId node) const {
  const auto found = brokers_.find(node.value());
  if (found == brokers_.end()) {
    return fail(Errc::not_leader, "broker " + std::to_string(node.value()) + " is not known");
  }
  return found->second;
}

io::Task<Result<std::shared_ptr<Connection>>> Cluster::to(NodeId node) {
  auto endpoint = endpoint_of(node);
  if (!endpoint) co_return fail(std::move(endpoint).error());
  co_return co_await shared_to(std::move(*endpoint));
}

io::Task<Result<std::shared_ptr<Connection>>> Cluster::dedicated(NodeId node) {
  auto endpoint = endpoint_of(node);
  if (!endpoint) co_return fail(std::move(endpoint).error());
  co_return co_await open(std::move(*endpoint));
}

io::Task<Result<native::ResponseHeader>> Cluster::ask(native::RequestHeader request) {
  auto connection = co_await any();
  if (!connection) co_return fail(std::move(connection).error());
  auto answer = co_await (*connection)->call(request);
  if (!answer) co_return fail(std::move(answer).error());
  co_return std::move(answer->header);
}

io::Task<Result<native::MetadataResponse>> Cluster::metadata(native::MetadataRequest request) {
  native::RequestHeader header;
  *header.mutable_metadata() = std::move(request);
  auto answer = co_await ask(std::move(header));
  if (!answer) co_return fail(std::move(answer).error());
  if (!answer->has_metadata()) {
    co_return fail(Errc::malformed_frame, "the broker did not answer metadata with metadata");
  }
  auto& metadata = *answer->mutable_metadata();
  brokers_.clear();
  for (const auto& broker : metadata.brokers()) {
    brokers_[broker.node_id()] = {broker.host(), static_cast<uint16_t>(broker.port())};
  }
  co_return std::move(metadata);
}

io::Task<Result<std::shared_ptr<const TopicMetadata>>> Cluster::topic(std::string name,
                                                                      bool fresh) {
  if (const auto found = topics_.find(name);
      !fresh && found != topics_.end() &&
      loop_.now() - found->second->fetched_at < options_.metadata_max_age) {
    co_return found->second;
  }
  native::MetadataRequest request;
  request.add_topics()->set_name(name);
  auto answer = co_await metadata(std::move(request));
  if (!answer) co_return fail(std::move(answer).error());
  if (answer->topics_size() != 1) {
    co_return fail(Errc::malformed_frame, "the broker did not answer for one topic with one");
  }
  const auto& said = answer->topics(0);
  if (said.error().code() != 0) {
    topics_.erase(name);
    co_return fail(errc_from_wire(said.error().code()),
                   "topic " + name + ": " + said.error().message());
  }
  auto topic = std::make_shared<TopicMetadata>();
  topic->name = name;
  topic->id = said.id();
  topic->max_message_bytes = said.max_message_bytes();
  topic->fetched_at = loop_.now();
  topic->leaders.resize(static_cast<size_t>(said.partitions_size()));
  for (const auto& partition : said.partitions()) {
    const auto at = static_cast<size_t>(partition.id());
    if (at >= topic->leaders.size()) {
      co_return fail(Errc::malformed_frame, "topic " + name + " has gaps in its partitions");
    }
    topic->leaders[at] = {NodeId(partition.leader()), LeaderEpoch(partition.leader_epoch())};
  }
  topics_[name] = topic;
  co_return std::shared_ptr<const TopicMetadata>(std::move(topic));
}

Duration Cluster::backoff(uint32_t attempt) {
  const Duration first = options_.retry_backoff;
  const Duration longest = options_.retry_backoff_longest;
  const Duration full = std::min(longest, first * (int64_t{1} << std::min(attempt - 1, 20u)));
  // A fifth of jitter either way keeps clients that failed together from coming back together.
  const auto jitter =
      static_cast<int64_t>(runtime_.random.below(static_cast<uint64_t>(full.count()) * 2 / 5 + 1));
  return full * 4 / 5 + Duration(jitter);
}

io::Task<void> Cluster::shut_down() {
  auto connections = std::exchange(connections_, {});
  for (auto& [key, connection] : connections) co_await connection->shut_down();
}

}  // namespace sluice::client
