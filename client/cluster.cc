#include "client/cluster.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace sluice::client {
namespace {

/// How long one broker is waited for when any could answer, and then not asked first.
constexpr Duration kAskWithin = 3s;
constexpr Duration kAvoidFor = 5s;

/// Asking twice changes nothing.
bool may_be_repeated(native::RequestHeader::RequestCase request) {
  using Request = native::RequestHeader;
  return request == Request::kMetadata || request == Request::kDescribeTopic ||
         request == Request::kDescribeCluster || request == Request::kInitProducer;
}

bool is_unanswered(Errc code) {
  return code == Errc::connection_closed || code == Errc::connection_failed ||
         code == Errc::timed_out;
}

/// A broker that lags behind names a leader of the past, who would refuse.
void keep_newer_leaders(const TopicMetadata& known, TopicMetadata& said) {
  if (known.id != said.id) return;
  for (size_t i = 0; i < std::min(known.leaders.size(), said.leaders.size()); ++i) {
    if (known.leaders[i].epoch <= said.leaders[i].epoch) continue;
    said.leaders[i] = known.leaders[i];
    said.in_sync[i] = known.in_sync[i];
  }
}

}  // namespace

bool leader_moved(Errc code) {
  return code == Errc::not_leader || code == Errc::fenced_leader_epoch ||
         code == Errc::unknown_leader_epoch || code == Errc::unknown_topic_id ||
         code == Errc::unknown_topic_or_partition;
}

Cluster::Cluster(io::Runtime& runtime, io::Loop& loop, ClientOptions options)
    : runtime_(runtime), loop_(loop), options_(std::move(options)) {}

Cluster::~Cluster() {
  for (const auto& [endpoint, peer] : peers_) {
    CHECK(peer.connection == nullptr, "a cluster is shut down before it dies");
  }
}

io::Task<Result<std::shared_ptr<Connection>>> Cluster::open(io::Endpoint endpoint) {
  return Connection::open(runtime_, std::move(endpoint),
                          {.client_id = options_.client_id,
                           .connect_timeout = options_.connect_timeout,
                           .request_timeout = options_.request_timeout});
}

io::Task<Result<std::shared_ptr<Connection>>> Cluster::shared_to(io::Endpoint endpoint) {
  Peer& peer = peers_[endpoint.to_string()];
  if (peer.connection && !peer.connection->closed()) co_return peer.connection;
  const TimePoint asked = loop_.now();
  const auto lock = co_await peer.turn.lock();
  if (peer.connection && !peer.connection->closed()) co_return peer.connection;
  if (peer.began >= asked && peer.failure) co_return fail(*peer.failure);
  peer.began = loop_.now();
  if (auto closed = std::exchange(peer.connection, nullptr)) co_await closed->shut_down();
  auto connection = co_await open(std::move(endpoint));
  peer.failure.reset();
  if (connection) {
    peer.connection = *connection;
  } else {
    peer.failure = connection.error();
  }
  co_return connection;
}

io::Task<Result<std::shared_ptr<Connection>>> Cluster::any() { return any_but({}); }

/// Those that were too late come last.
std::vector<io::Endpoint> Cluster::candidates(const std::vector<io::Endpoint>& named) const {
  std::vector<io::Endpoint> all = named;
  for (const auto& [node, broker] : brokers_) {
    if (std::ranges::find(all, broker.endpoint) == all.end()) all.push_back(broker.endpoint);
  }
  const auto is_late = [this](const io::Endpoint& endpoint) {
    const auto peer = peers_.find(endpoint.to_string());
    return peer != peers_.end() && peer->second.avoid_until > loop_.now();
  };
  std::vector<io::Endpoint> ordered;
  for (const bool late : {false, true}) {
    for (const io::Endpoint& endpoint : all) {
      if (is_late(endpoint) == late) ordered.push_back(endpoint);
    }
  }
  return ordered;
}

io::Task<Result<std::shared_ptr<Connection>>> Cluster::any_but(std::set<std::string> avoid) {
  for (const auto& [endpoint, peer] : peers_) {
    const bool open = peer.connection && !peer.connection->closed();
    if (open && peer.avoid_until <= loop_.now() && !avoid.contains(endpoint)) {
      co_return peer.connection;
    }
  }
  std::vector<io::Endpoint> named;
  for (const auto& text : options_.brokers) {
    CO_ASSIGN_OR_RETURN(io::Endpoint endpoint, io::Endpoint::parse(text));
    named.push_back(std::move(endpoint));
  }
  std::string tried;
  Errc last = Errc::connection_failed;
  for (auto& endpoint : candidates(named)) {
    if (avoid.contains(endpoint.to_string())) continue;
    auto connection = co_await shared_to(std::move(endpoint));
    if (connection) co_return connection;
    // Nobody who could be late was reached.
    last =
        connection.error() == Errc::timed_out ? Errc::connection_failed : connection.error().code();
    if (!tried.empty()) tried += "; ";
    tried += connection.error().message();
  }
  co_return fail(last, std::move(tried));
}

Result<io::Endpoint> Cluster::endpoint_of(NodeId node) const {
  const auto found = brokers_.find(node);
  if (found == brokers_.end()) {
    return fail(Errc::not_leader, "broker " + std::to_string(node.value()) + " is not known");
  }
  return found->second.endpoint;
}

const std::string& Cluster::rack_of(NodeId node) const {
  static const std::string kNone;
  const auto found = brokers_.find(node);
  return found == brokers_.end() ? kNone : found->second.rack;
}

io::Task<Result<std::shared_ptr<Connection>>> Cluster::to(NodeId node) {
  auto endpoint = endpoint_of(node);
  if (!endpoint) co_return fail(std::move(endpoint).error());
  co_return co_await shared_to(std::move(*endpoint));
}

void Cluster::distrust(NodeId node) {
  const auto endpoint = endpoint_of(node);
  if (endpoint) peers_[endpoint->to_string()].avoid_until = loop_.now() + kAvoidFor;
}

void Cluster::distrust_last() { peers_[last_asked_].avoid_until = loop_.now() + kAvoidFor; }

io::Task<Result<std::shared_ptr<Connection>>> Cluster::dedicated(NodeId node) {
  auto endpoint = endpoint_of(node);
  if (!endpoint) co_return fail(std::move(endpoint).error());
  co_return co_await open(std::move(*endpoint));
}

io::Task<Result<native::ResponseHeader>> Cluster::ask(native::RequestHeader request) {
  std::set<std::string> tried;
  std::optional<Error> last;
  const bool repeatable = may_be_repeated(request.request_case());
  while (true) {
    auto connection = co_await any_but(tried);
    // What the last one said tells more than that nobody is left.
    if (!connection && last) co_return fail(std::move(*last));
    if (!connection) co_return fail(std::move(connection).error());
    const std::string endpoint = (*connection)->peer().to_string();
    last_asked_ = endpoint;
    // Somebody else may know the same sooner.
    const Duration limit = std::min<Duration>(options_.request_timeout, kAskWithin);
    auto answer =
        co_await (*connection)->call(request, {}, repeatable ? std::optional(limit) : std::nullopt);
    if (answer) co_return std::move(answer->header);
    const Errc code = answer.error().code();
    const bool elsewhere = code == Errc::recovering || code == Errc::shutting_down;
    if (!elsewhere && !(repeatable && is_unanswered(code))) {
      co_return fail(std::move(answer).error());
    }
    if (elsewhere || code == Errc::timed_out) {
      peers_[endpoint].avoid_until = loop_.now() + kAvoidFor;
    }
    tried.insert(endpoint);
    last = std::move(answer).error();
  }
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
    brokers_[NodeId(broker.node_id())] = {
        .endpoint = {broker.host(), static_cast<uint16_t>(broker.port())}, .rack = broker.rack()};
  }
  co_return std::move(metadata);
}

io::Task<Result<std::shared_ptr<const TopicMetadata>>> Cluster::topic(std::string name,
                                                                      bool fresh) {
  Topic& topic = topics_[name];
  const TimePoint asked = loop_.now();
  const auto known = [&] {
    return !fresh && topic.metadata &&
           loop_.now() - topic.metadata->fetched_at < options_.metadata_max_age;
  };
  if (known()) co_return topic.metadata;
  const auto lock = co_await topic.turn.lock();
  if (known()) co_return topic.metadata;
  if (topic.began >= asked) {
    if (topic.failure) co_return fail(*topic.failure);
    co_return topic.metadata;
  }
  topic.began = loop_.now();
  auto answer = co_await ask_for_topic(std::move(name));
  topic.failure.reset();
  if (answer) {
    topic.metadata = *answer;
  } else {
    topic.failure = answer.error();
    if (answer.error() == Errc::unknown_topic_or_partition) topic.metadata = nullptr;
  }
  co_return answer;
}

io::Task<Cluster::TopicResult> Cluster::ask_for_topic(std::string name) {
  const TimePoint asked = loop_.now();
  native::MetadataRequest request;
  request.add_topics()->set_name(name);
  auto answer = co_await metadata(std::move(request));
  if (!answer) co_return fail(std::move(answer).error());
  if (answer->topics_size() != 1) {
    co_return fail(Errc::malformed_frame, "the broker did not answer for one topic with one");
  }
  const auto& said = answer->topics(0);
  if (said.error().code() != 0) {
    co_return fail(errc_from_wire(said.error().code()),
                   "topic " + name + ": " + said.error().message());
  }
  auto topic = std::make_shared<TopicMetadata>();
  topic->name = name;
  topic->id = said.id();
  topic->max_message_bytes = said.max_message_bytes();
  topic->fetched_at = asked;
  topic->leaders.resize(static_cast<size_t>(said.partitions_size()));
  topic->in_sync.resize(topic->leaders.size());
  for (const auto& partition : said.partitions()) {
    const auto at = static_cast<size_t>(partition.id());
    if (at >= topic->leaders.size()) {
      co_return fail(Errc::malformed_frame, "topic " + name + " has gaps in its partitions");
    }
    topic->leaders[at] = {NodeId(partition.leader()), LeaderEpoch(partition.leader_epoch())};
    for (const int32_t node : partition.in_sync()) {
      if (std::ranges::find(partition.offline(), node) != partition.offline().end()) continue;
      topic->in_sync[at].emplace_back(node);
    }
  }
  if (const auto known = topics_.find(name); known != topics_.end() && known->second.metadata) {
    keep_newer_leaders(*known->second.metadata, *topic);
  }
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

Duration Cluster::pause_before_looking(uint32_t attempt) {
  // With the default back-off two seconds of frequent looks: by then a crashed leader is replaced.
  constexpr uint32_t kFrequent = 12;
  if (attempt <= 1) return {};
  if (attempt <= 3) return backoff(1) / (attempt == 2 ? 4 : 2);
  return backoff(attempt <= kFrequent ? std::min(attempt - 3, 2u) : attempt - kFrequent + 2);
}

io::Task<void> Cluster::shut_down() {
  for (auto& [endpoint, peer] : peers_) {
    if (auto connection = std::exchange(peer.connection, nullptr)) co_await connection->shut_down();
  }
}

}  // namespace sluice::client
