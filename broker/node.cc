#include "broker/node.h"

#include <algorithm>
#include <array>
#include <map>
#include <utility>

#include "base/check.h"
#include "base/mutation.h"
#include "broker/metadata/elections.h"
#include "broker/readiness.h"
#include "broker/version.h"
#include "io/memory_plan.h"
#include "storage/meta_properties.h"

namespace sluice::broker {
namespace {

/// After the requests under way had their time: for flushes in flight and connections to end.
constexpr Duration kStopGrace = std::chrono::seconds(1);
/// At what still catches up.
constexpr Duration kLookAgain = std::chrono::seconds(1);

Result<io::Endpoint> endpoint_of(const std::string& key, const std::string& text) {
  auto parsed = io::Endpoint::parse(text);
  if (!parsed) return fail(std::move(parsed).error().with_context(key));
  return parsed;
}

io::Endpoint checked(const std::string& text) {
  auto parsed = io::Endpoint::parse(text);
  CHECK(parsed.has_value(), "addresses were checked with the options");
  return *parsed;
}

BrokerOptions with_agreed_defaults(BrokerOptions options) {
  options.topics = agreed(std::move(options.topics));
  return options;
}

}  // namespace

/// The services, in the order of what they stand on.
struct Node::Verbs {
  explicit Verbs(Node& node)
      : ids(node.store_, node.options_.node_id),
        topics_ports{node.store_, *node.partitions_, node.table_, node.options_.topics,
                     node.ports_.runtime.random},
        produce(node.table_, &node.control_.lease()),
        fetch(node.table_),
        list_offsets(node.table_, &node.control_.lease()),
        delete_records(node.table_, *node.logs_),
        init_producer(ids),
        metadata(node.store_, node.options_.topics, node.options_.node_id),
        topics(topics_ports) {}

  Services services() {
    return {produce, fetch, list_offsets, delete_records, init_producer, metadata, topics};
  }

  ProducerIds ids;
  TopicsPorts topics_ports;
  Produce produce;
  Fetch fetch;
  ListOffsets list_offsets;
  DeleteRecords delete_records;
  InitProducer init_producer;
  Metadata metadata;
  Topics topics;
};

Node::Node(NodePorts ports, BrokerOptions options)
    : ports_(std::move(ports)),
      options_(with_agreed_defaults(std::move(options))),
      metrics_(ports_.runtime.executor.loops()),
      memory_("broker", options_.memory_bytes),
      unreserved_memory_(memory_.child(
          "unreserved", options_.memory_bytes - io::memory_reserve(options_.memory_bytes))),
      storage_memory_(unreserved_memory_.child("storage", options_.memory_bytes)),
      session_memory_(unreserved_memory_.child("fetch_sessions", options_.memory_bytes / 4)),
      replica_session_memory_(memory_.child("replica_sessions", options_.memory_bytes / 4)),
      fetcher_memory_(memory_.child("replica_fetchers", options_.memory_bytes / 4)),
      leak_warnings_(metrics_.counter("memory_leak_warnings_total",
                                      "Warnings of memory that grows while its load does not.")),
      admin_(
          ports_.runtime,
          {checked(options_.admin_listen), options_.admin_max_connections, options_.admin_timeout},
          ports_.log),
      store_(ports_.runtime.random),
      control_({ports_.runtime, ports_.log, store_, memory_, metrics_, ports_.on_fatal,
                [this](PartitionName name) { return warm_up(name); },
                [this] {
                  if (partitions_ != nullptr) partitions_->give_up_waiting();
                },
                [this] { return *problems_.lock(); }},
               options_) {
  store_.on_image([this](const auto&) { published_.notify_all(); });
  add_pages();
  add_gauges();
  add_cluster_metrics();
}

Node::~Node() = default;

Services Node::services() { return verbs_->services(); }

void Node::set_state(std::string state) {
  auto readiness = readiness_.lock();
  readiness->ready = state == "ready";
  readiness->state = std::move(state);
  readiness->reasons.clear();
  ready_.notify_all();
}

io::Task<Result<>> Node::start() {
  starting_ = true;
  auto outcome = co_await start_all();
  starting_ = false;
  started_.notify_all();
  co_return outcome;
}

io::Task<Result<>> Node::start_all() {
  // First of all, so that probes see the recovery.
  CO_RETURN_IF_ERROR(co_await admin_.start());
  CO_RETURN_IF_ERROR(co_await control_.open());
  // Others have to reach this broker before there is anything to serve.
  CO_RETURN_IF_ERROR(co_await start_server());
  memory_at_start_ = unattributed(co_await look_at_memory()).value_or(0);
  set_state("joining");
  CO_RETURN_IF_ERROR(co_await control_.join(co_await new_cluster_id()));
  if (stopping_) co_return fail(Errc::shutting_down);
  CO_RETURN_IF_ERROR(co_await open_logs(store_.image()->cluster_id));
  set_state("registering");
  CO_RETURN_IF_ERROR(co_await register_broker());
  CO_RETURN_IF_ERROR(co_await import_logs());
  CO_RETURN_IF_ERROR(co_await serve());
  logs_->start();
  following_.start(watch_for_leaks());
  if (is_behind()) {
    ports_.log.info("catching up", {{"cause", readiness_.lock()->reasons.front()}});
    following_.start(watch_catching_up());
  } else {
    set_state("ready");
  }
  co_return Result<>{};
}

/// Says which replicas are not where they should be.
bool Node::is_behind() {
  const auto behind = catching_up(*store_.image(), table_, options_.node_id);
  if (behind.empty()) return false;
  auto readiness = readiness_.lock();
  readiness->state = "catching up";
  readiness->reasons = {"not in sync yet with their leaders: " + listed(behind, "partition")};
  return true;
}

io::Task<void> Node::watch_catching_up() {
  for (;;) {
    const uint64_t ticket = published_.ticket();
    if (unfollowed_ || stopping_) co_return;
    if (!is_behind()) break;
    // Also a log that turned out to be damaged ends the wait, which no image says.
    co_await published_.wait(ticket, io::Loop::current()->now() + kLookAgain);
  }
  set_state("ready");
}

io::Task<Result<>> Node::caught_up() {
  for (;;) {
    const uint64_t ticket = ready_.ticket();
    if (stopping_) co_return fail(Errc::shutting_down);
    if (readiness_.lock()->ready) co_return Result<>{};
    co_await ready_.wait(ticket);
  }
}

io::Task<Result<>> Node::start_server() {
  native_ = std::make_unique<NativeFrontEnd>(
      SessionMemory{session_memory_, replica_session_memory_},
      NativeIdentity{{}, options_.node_id, kVersion}, control_.cluster());
  CO_ASSIGN_OR_RETURN(options_.server.listen, endpoint_of("listen", options_.listen));
  server_ = std::make_unique<Server>(
      ServerPorts{ports_.runtime, memory_, unreserved_memory_, metrics_, ports_.log,
                  [this](const storage::FileSlice& slice, const Error& cause) {
                    ports_.log.error("a log ended early while it was sent",
                                     {{"file", slice.file ? slice.file->path() : ""},
                                      {"cause", cause.message()}});
                    logs_->check(slice.segment->path());
                  },
                  [this] {
                    if (logs_ != nullptr) logs_->give_up_idle_files();
                  }},
      options_.server, std::vector<FrontEnd*>{native_.get()});
  CO_RETURN_IF_ERROR(co_await server_->start());
  serving_ = true;
  const std::string& named = options_.advertised.empty() ? options_.listen : options_.advertised;
  CO_ASSIGN_OR_RETURN(advertised_, endpoint_of("advertised", named));
  if (advertised_.port == 0) advertised_.port = server_->local().port;
  control_.membership().listens_at(advertised_);
  co_return Result<>{};
}

/// Directories that another broker made, or Kafka, keep their cluster.
io::Task<std::string> Node::new_cluster_id() {
  for (const std::string& directory : options_.data_directories) {
    auto properties = co_await storage::read_meta_properties(ports_.runtime.disk, directory);
    // Unreadable ones are the log set's to judge.
    if (properties && *properties && !(*properties)->cluster_id.empty()) {
      co_return (*properties)->cluster_id;
    }
  }
  co_return Uuid::random(ports_.runtime.random).text();
}

io::Task<std::string> Node::boot_id() {
  auto file =
      co_await ports_.runtime.disk.open("/proc/sys/kernel/random/boot_id", io::OpenMode::read);
  if (!file) co_return std::string();
  std::array<std::byte, 36> text;
  const auto count = co_await (*file)->read_at(0, text, io::Lane::hot);
  co_return count ? std::string(as_text(ByteView(text).first(*count))) : std::string();
}

io::Task<Result<>> Node::open_logs(std::string cluster_id) {
  set_state("recovering");
  storage::LogSetOptions options = std::move(options_.storage);
  options.directories = options_.data_directories;
  options.boot_id = co_await boot_id();
  options.stop_must_be_known = true;
  const auto image = store_.image();
  const auto options_of = [this, image](const storage::TopicPartition& partition, const Uuid& id) {
    const auto topic = image->topic(id);
    auto of_topic = topic_options(options_.topics.options, topic ? topic->configs : ConfigMap{});
    (void)partition;
    return of_topic ? of_topic->log : options_.topics.options.log;
  };
  const auto id_of = [image](const storage::TopicPartition& name) -> std::optional<Uuid> {
    const auto topic = image->topic(std::string_view(name.topic));
    return topic == nullptr ? std::nullopt : std::optional(topic->id);
  };
  CO_ASSIGN_OR_RETURN(logs_, co_await storage::LogSet::open(
                                 {ports_.runtime, storage_memory_, metrics_, ports_.log,
                                  [this](const std::string& directory, const Error& cause) {
                                    directory_offline(directory, cause);
                                  },
                                  [this](const storage::Log& log) {
                                    if (partitions_ != nullptr) partitions_->log_start_moved(log);
                                  },
                                  [this](const storage::TopicPartition& partition) {
                                    if (damage_ != nullptr) damage_->look_at(partition);
                                  },
                                  id_of},
                                 std::move(options), {std::move(cluster_id), options_.node_id},
                                 options_of, [this](const storage::RecoveryProgress& progress) {
                                   readiness_.lock()->recovery = progress;
                                 }));
  for (const auto& directory : logs_->directories()) {
    if (!directory.offline_because) continue;
    note_problem("data directory " + directory.path +
                 " is left out: " + *directory.offline_because);
  }
  make_replication();
  co_return Result<>{};
}

void Node::make_replication() {
  const auto self = [this] { return ReplicaIdentity{options_.node_id, control_.broker_epoch()}; };
  links_ = std::make_unique<PeerLinks>(
      PeerLinksPorts{ports_.runtime, control_.membership(), fetcher_memory_, ports_.log});
  throttle_ = std::make_unique<MoveThrottle>(options_.move_bytes_per_second);
  fetchers_ = std::make_unique<ReplicaFetchers>(
      ReplicaFetchersPorts{ports_.runtime.executor, *links_, self, ports_.log, throttle_.get()});
  in_sync_ = std::make_unique<InSyncKeeper>(
      InSyncKeeperPorts{ports_.runtime.executor.control(), table_, control_,
                        [this] { return store_.image(); }, ports_.log});
  partitions_ = std::make_unique<PartitionSet>(
      PartitionSetPorts{ports_.runtime.executor.control(), *logs_, table_, options_.topics,
                        options_.node_id, ports_.log, fetchers_.get(), in_sync_.get(),
                        [this](const PartitionKey& key) { damage_->look_at(key); },
                        options_.replica_lag_max, &control_.lease()});
  damage_ = std::make_unique<DamageKeeper>(
      DamageKeeperPorts{ports_.runtime.executor, table_, *logs_, *partitions_, control_, *links_,
                        options_.node_id, [this] { return store_.image(); }, metrics_, ports_.log});
}

namespace {

/// The replicas that are damaged, or not there. Of an image of some time before the stop some are
/// not meant to be here any more: the cluster's, which decides, knows that.
std::map<Uuid, std::vector<int32_t>> lacking(const storage::LogSet& logs,
                                             const MetadataImage& image, NodeId self) {
  std::map<Uuid, std::vector<int32_t>> lacking;
  for (const auto& topic : image.topics_by_name()) {
    for (size_t i = 0; i < topic->partitions.size(); ++i) {
      if (!has(topic->partitions[i].replicas, self)) continue;
      const auto id = static_cast<int32_t>(i);
      const auto log = logs.find({topic->name, PartitionId{id}});
      const bool whole = log != nullptr && log->topic_id() == topic->id && !log->is_damaged();
      if (!whole) lacking[topic->id].push_back(id);
    }
  }
  return lacking;
}

}  // namespace

/// A killed process left the page cache as it was: then its replicas may still count as in sync,
/// but nothing vouches for what a broker alone had acknowledged to itself.
io::Task<Result<>> Node::register_broker() {
  ControlPlane::AtStart at_start;
  // One that came again without its metadata may have kept its logs.
  const bool new_here = control_.fresh() && logs_->all().empty();
  if (!new_here) {
    for (const auto& directory : logs_->directories()) {
      at_start.unclean |= mutated(Mutation::stay_in_sync_unclean) ? false
                          : control_.alone()                      ? !directory.stopped_cleanly
                                                                  : directory.power_lost;
    }
    // Before the controller counts on what a replica here has lost: it might lead at once.
    at_start.lacking = lacking(*logs_, *store_.image(), options_.node_id);
  }
  CO_RETURN_IF_ERROR(co_await control_.register_broker(advertised_, std::move(at_start)));
  // A process that ends before this leaves it to the next one to say that power was lost.
  co_await logs_->stop_is_known();
  co_return Result<>{};
}

/// Directories that Kafka left have logs and no metadata of ours: their topics are taken over.
io::Task<Result<>> Node::import_logs() {
  if (!control_.fresh() || !control_.alone()) co_return Result<>{};
  std::map<std::string, cluster::TopicCreated> topics;
  for (const auto& log : logs_->all()) {
    if (log->topic_id().is_zero()) continue;
    auto& topic = topics[log->partition().topic];
    topic.set_name(log->partition().topic);
    topic.set_id(std::string(as_text(log->topic_id().bytes())));
    while (topic.partitions_size() <= log->partition().partition.value()) {
      auto& partition = *topic.add_partitions();
      partition.add_replicas(options_.node_id.value());
      partition.add_in_sync(options_.node_id.value());
      partition.set_leader(options_.node_id.value());
    }
    auto& partition = *topic.mutable_partitions(log->partition().partition.value());
    const int32_t epoch = log->latest_epoch().value() + 1;
    partition.set_leader_epoch(std::max(0, epoch));
  }
  for (auto& [name, topic] : topics) {
    std::vector<cluster::MetadataRecord> records(1);
    *records.front().mutable_topic_created() = std::move(topic);
    CO_RETURN_IF_ERROR(co_await store_.commit(std::move(records)));
    ports_.log.info("topic taken over", {{"topic", name}});
  }
  co_return Result<>{};
}

/// Goes along with the metadata until the broker stops.
io::Task<void> Node::follow_metadata() {
  co_await ports_.runtime.executor.control().enter();
  while (!unfollowed_) {
    const uint64_t ticket = published_.ticket();
    partitions_->go_by(store_.image());
    co_await published_.wait(ticket);
  }
}

io::Task<Result<>> Node::serve() {
  in_sync_->start();
  damage_->start();
  replicates_ = true;
  co_await partitions_->follow(store_.image());
  if (const auto strays = partitions_->strays(); !strays.empty()) {
    note_problem("logs of topics or replicas that the metadata does not know are left alone, " +
                 listed(strays, "folder") + "; move away those that are not needed");
  }
  verbs_ = std::make_unique<Verbs>(*this);
  native_->serve(verbs_->services());
  following_.start(follow_metadata());
  co_return co_await control_.wait_unfenced();
}

/// What cannot be read in will be read later, or fail then.
io::Task<void> Node::warm_up(PartitionName name) {
  const auto partition = table_.find({name.topic_id, name.partition});
  if (partition == nullptr) co_return;
  static_cast<void>(co_await partition->log().warm_up(options_.warm_up_bytes));
}
void Node::note_problem(std::string text) { problems_.lock()->push_back(std::move(text)); }

void Node::directory_offline(const std::string& directory, const Error& cause) {
  note_problem("data directory " + directory + " is offline: " + std::string(cause.message()));
  if (partitions_ != nullptr) partitions_->directory_offline(directory, cause);
  const bool holds_metadata = control_.directory().starts_with(directory + "/");
  const auto known =
      logs_ == nullptr ? std::vector<storage::LogSet::Directory>{} : logs_->directories();
  const bool any_left = std::ranges::any_of(known, [&](const storage::LogSet::Directory& other) {
    return other.path != directory && !other.offline_because;
  });
  if (holds_metadata || (logs_ != nullptr && !any_left)) ports_.on_fatal(cause);
}

io::Task<void> Node::stop_server(TimePoint deadline) {
  co_await server_->stop(deadline);
  server_stopped_.notify_all();
}

io::Task<void> Node::stop_replication() {
  unfollowed_ = true;
  published_.notify_all();
  co_await following_.join();
  if (replicates_) co_await damage_->stop();
  if (replicates_) co_await in_sync_->stop();
  if (partitions_ != nullptr) co_await partitions_->rest();
  if (fetchers_ != nullptr) co_await fetchers_->stop();
  if (links_ != nullptr) co_await links_->stop();
}

io::Task<Result<>> Node::stop() {
  set_state("stopping");
  const TimePoint deadline =
      io::Loop::current()->now() + Duration(options_.shutdown_timeout) - kStopGrace;
  stopping_ = true;
  // A start that waits for other brokers ends with it.
  if (starting_) control_.interrupt();
  while (starting_) co_await started_.wait(started_.ticket());
  // What it leads goes to others while it still answers.
  co_await control_.hand_over(deadline);
  io::Scope stopping;
  if (serving_) {
    const uint64_t ticket = server_stopped_.ticket();
    stopping.start(stop_server(deadline));
    if (stopping.running() > 0) co_await server_stopped_.wait(ticket, deadline);
  }
  co_await stop_replication();
  // Who still waits for an acknowledgement now gets an error, and its connection can end.
  if (partitions_ != nullptr) co_await partitions_->stop(Error(Errc::shutting_down));
  co_await stopping.join();
  Result<> closed;
  if (logs_ != nullptr) closed = co_await logs_->close();
  co_await control_.stop();
  co_await admin_.stop();
  co_return closed;
}

}  // namespace sluice::broker
