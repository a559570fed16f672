#include "broker/node.h"

#include <algorithm>
#include <array>
#include <map>
#include <utility>

#include "base/check.h"
#include "broker/version.h"
#include "storage/meta_properties.h"

namespace sluice::broker {
namespace {

/// After the requests under way had their time: for flushes in flight and connections to end.
constexpr Duration kStopGrace = std::chrono::seconds(1);

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

}  // namespace

/// The services, in the order of what they stand on.
struct Node::Verbs {
  Verbs(MetadataStore& store, PartitionSet& partitions, const PartitionTable& table,
        storage::LogSet& logs, const BrokerOptions& options, Random& random)
      : ids(store, options.node_id),
        topics_ports{store, partitions, table, options.topics, random},
        produce(table),
        fetch(table),
        list_offsets(table),
        delete_records(table, logs),
        init_producer(ids),
        metadata(store, options.topics, options.node_id),
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
      options_(std::move(options)),
      metrics_(ports_.runtime.executor.loops()),
      memory_("broker", options_.memory_bytes),
      storage_memory_(memory_.child("storage", options_.memory_bytes)),
      session_memory_(memory_.child("fetch_sessions", options_.memory_bytes / 4)),
      admin_(
          ports_.runtime,
          {checked(options_.admin_listen), options_.admin_max_connections, options_.admin_timeout},
          ports_.log),
      store_(ports_.runtime.random) {
  add_pages();
  add_gauges();
}

Node::~Node() = default;

Services Node::services() { return verbs_->services(); }

std::string Node::metadata_directory() const {
  if (!options_.metadata_directory.empty()) return options_.metadata_directory;
  return options_.data_directories.front() + "/metadata";
}

void Node::set_state(std::string state) {
  auto readiness = readiness_.lock();
  readiness->ready = state == "ready";
  readiness->state = std::move(state);
}

io::Task<Result<>> Node::start() {
  // First of all, so that probes see the recovery.
  CO_RETURN_IF_ERROR(co_await admin_.start());
  CO_RETURN_IF_ERROR(co_await open_metadata());
  CO_RETURN_IF_ERROR(co_await name_cluster());
  CO_RETURN_IF_ERROR(co_await open_logs());
  CO_RETURN_IF_ERROR(co_await import_logs());
  CO_RETURN_IF_ERROR(co_await serve());
  logs_->start();
  set_state("ready");
  co_return Result<>{};
}

io::Task<Result<>> Node::open_metadata() {
  const std::string directory = metadata_directory();
  io::LaneOptions lanes;
  lanes.timeout = options_.storage.lanes.timeout;
  lanes.on_offline = [this](const Error& cause) { ports_.on_fatal(cause); };
  metadata_disk_ = std::make_unique<io::LaneDisk>(ports_.runtime.disk, ports_.runtime.clock,
                                                  directory, std::move(lanes));
  CO_RETURN_IF_ERROR(co_await metadata_disk_->create_directories(directory));
  auto lock = co_await metadata_disk_->lock(directory + "/.lock");
  if (!lock) {
    if (lock.error() != Errc::locked) co_return fail(std::move(lock).error());
    // Its own words name the process.
    co_return fail(std::move(lock).error().with_context("directory " + directory +
                                                        " is in use by another broker"));
  }
  metadata_lock_ = std::move(*lock);
  CO_ASSIGN_OR_RETURN(
      metadata_log_,
      co_await RaftLog::open(
          {.disk = *metadata_disk_,
           .control = ports_.runtime.executor.control(),
           .random = ports_.runtime.random,
           .log = ports_.log,
           .subscriber = store_.subscriber(),
           .on_failed = [this](const Error& cause) { ports_.on_fatal(cause); }},
          directory,
          {.self = options_.node_id, .bootstrap = RaftLog::Bootstrap{{options_.node_id}}}));
  store_.use(*metadata_log_);
  co_return Result<>{};
}

io::Task<Result<>> Node::name_cluster() {
  fresh_metadata_ = store_.image()->cluster_id.empty();
  if (!fresh_metadata_) co_return Result<>{};
  // Directories that another broker made, or Kafka, keep their cluster.
  std::string cluster_id;
  for (const std::string& directory : options_.data_directories) {
    auto properties = co_await storage::read_meta_properties(ports_.runtime.disk, directory);
    // Unreadable ones are the log set's to judge.
    if (properties && *properties && cluster_id.empty()) cluster_id = (*properties)->cluster_id;
  }
  if (cluster_id.empty()) cluster_id = Uuid::random(ports_.runtime.random).text();
  // In one step with the registration: each is a wait for the device.
  CO_ASSIGN_OR_RETURN(auto registration, registration_of(0, false));
  std::vector<cluster::MetadataRecord> records(1);
  records.front().mutable_cluster_created()->set_cluster_id(cluster_id);
  records.push_back(std::move(registration));
  co_return co_await store_.commit(std::move(records));
}

io::Task<bool> Node::was_stopped_cleanly() {
  for (const std::string& directory : options_.data_directories) {
    auto marked =
        co_await ports_.runtime.disk.exists(directory + "/" + storage::kCleanShutdownFile);
    if (!marked || !*marked) co_return false;
  }
  co_return true;
}

io::Task<std::string> Node::boot_id() {
  auto file =
      co_await ports_.runtime.disk.open("/proc/sys/kernel/random/boot_id", io::OpenMode::read);
  if (!file) co_return std::string();
  std::array<std::byte, 36> text;
  const auto count = co_await (*file)->read_at(0, text, io::Lane::hot);
  co_return count ? std::string(as_text(ByteView(text).first(*count))) : std::string();
}

io::Task<Result<>> Node::open_logs() {
  set_state("recovering");
  unclean_ = !co_await was_stopped_cleanly();
  storage::LogSetOptions options = std::move(options_.storage);
  options.directories = options_.data_directories;
  options.boot_id = co_await boot_id();
  const auto image = store_.image();
  const auto options_of = [this, image](const storage::TopicPartition& partition, const Uuid& id) {
    const auto topic = image->topic(id);
    auto of_topic = topic_options(options_.topics.options, topic ? topic->configs : ConfigMap{});
    (void)partition;
    return of_topic ? of_topic->log : options_.topics.options.log;
  };
  CO_ASSIGN_OR_RETURN(logs_, co_await storage::LogSet::open(
                                 {ports_.runtime, storage_memory_, metrics_, ports_.log,
                                  [this](const std::string& directory, const Error& cause) {
                                    directory_offline(directory, cause);
                                  }},
                                 std::move(options), {image->cluster_id, options_.node_id},
                                 options_of, [this](const storage::RecoveryProgress& progress) {
                                   readiness_.lock()->recovery = progress;
                                 }));
  partitions_ = std::make_unique<PartitionSet>(PartitionSetPorts{ports_.runtime.executor.control(),
                                                                 *logs_, table_, options_.topics,
                                                                 options_.node_id, ports_.log});
  co_return Result<>{};
}

/// Directories that Kafka left have logs and no metadata of ours: their topics are taken over.
io::Task<Result<>> Node::import_logs() {
  if (!fresh_metadata_) co_return Result<>{};
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
    const int32_t epoch = log->latest_epoch().value() + (unclean_ ? 1 : 0);
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

Result<cluster::MetadataRecord> Node::registration_of(uint16_t port, bool unclean) const {
  const std::string& named = options_.advertised.empty() ? options_.listen : options_.advertised;
  ASSIGN_OR_RETURN(io::Endpoint advertised, endpoint_of("advertised", named));
  if (advertised.port == 0) advertised.port = port;
  cluster::MetadataRecord record;
  auto& broker = *record.mutable_broker_registered();
  broker.set_node_id(options_.node_id.value());
  broker.set_host(advertised.host);
  broker.set_port(advertised.port);
  broker.set_rack(options_.rack);
  broker.set_unclean(unclean);
  return record;
}

io::Task<Result<>> Node::register_broker(uint16_t port, bool unclean) {
  CO_ASSIGN_OR_RETURN(auto record, registration_of(port, unclean));
  const auto& wanted = record.broker_registered();
  const auto image = store_.image();
  const BrokerImage* known = image->broker(options_.node_id);
  const bool same = known != nullptr && known->host == wanted.host() &&
                    known->port == wanted.port() && known->rack == wanted.rack();
  // After an unclean stop there is something to say all the same, if anything was led.
  if (same && (!unclean || image->topics.size() == 0)) co_return Result<>{};
  std::vector<cluster::MetadataRecord> records;
  records.push_back(std::move(record));
  co_return co_await store_.commit(std::move(records));
}

io::Task<Result<>> Node::serve() {
  // Before anybody can append: what was led before the stop is led in a new epoch.
  CO_RETURN_IF_ERROR(co_await register_broker(0, unclean_ && !fresh_metadata_));
  co_await partitions_->follow(store_.image());

  verbs_ = std::make_unique<Verbs>(store_, *partitions_, table_, *logs_, options_,
                                   ports_.runtime.random);
  native_ = std::make_unique<NativeFrontEnd>(
      verbs_->services(), session_memory_,
      NativeIdentity{store_.image()->cluster_id, options_.node_id, kVersion});
  CO_ASSIGN_OR_RETURN(options_.server.listen, endpoint_of("listen", options_.listen));
  server_ = std::make_unique<Server>(
      ServerPorts{ports_.runtime, memory_, metrics_, ports_.log,
                  [this](const storage::FileSlice& slice, const Error& cause) {
                    ports_.log.error("a log ended early while it was sent",
                                     {{"file", slice.file ? slice.file->path() : ""},
                                      {"cause", cause.message()}});
                    logs_->check(slice.segment->path());
                  }},
      options_.server, std::vector<FrontEnd*>{native_.get()});
  CO_RETURN_IF_ERROR(co_await server_->start());
  serving_ = true;
  co_return co_await register_broker(server_->local().port, false);
}

void Node::directory_offline(const std::string& directory, const Error& cause) {
  if (partitions_ != nullptr) partitions_->directory_offline(directory, cause);
  const bool holds_metadata = metadata_directory().starts_with(directory + "/");
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

io::Task<Result<>> Node::stop() {
  set_state("stopping");
  io::Scope stopping;
  if (serving_) {
    const TimePoint deadline =
        io::Loop::current()->now() + Duration(options_.shutdown_timeout) - kStopGrace;
    const uint64_t ticket = server_stopped_.ticket();
    stopping.start(stop_server(deadline));
    if (stopping.running() > 0) co_await server_stopped_.wait(ticket, deadline);
  }
  // Who still waits for an acknowledgement now gets an error, and its connection can end.
  if (partitions_ != nullptr) co_await partitions_->stop(Error(Errc::shutting_down));
  co_await stopping.join();
  Result<> closed;
  if (logs_ != nullptr) closed = co_await logs_->close();
  if (metadata_log_ != nullptr) co_await metadata_log_->close();
  co_await admin_.stop();
  co_return closed;
}

}  // namespace sluice::broker
