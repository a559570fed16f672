#include "broker/options.h"

#include <algorithm>
#include <array>
#include <limits>
#include <set>
#include <string>
#include <string_view>

#include "io/network.h"

namespace sluice::broker {
namespace {

using std::chrono::milliseconds;
using Table = SettingsTable<BrokerOptions>;

constexpr int64_t kMaxInt = std::numeric_limits<int32_t>::max();

template <auto Part, auto Member>
auto member() {
  return [](auto& options) -> auto& { return options.*Part.*Member; };
}

void add_node(Table& table) {
  SettingSpec id{"node.id", SettingKind::integer, "This broker's number in its cluster."};
  id.limits = between(0, kMaxInt);
  table.add_custom(
      std::move(id),
      [](const BrokerOptions& o) -> SettingValue { return int64_t{o.node_id.value()}; },
      [](BrokerOptions& o, const SettingValue& v) {
        o.node_id = NodeId{static_cast<int32_t>(std::get<int64_t>(v))};
      });
  table.add("cluster.name", &BrokerOptions::cluster_name,
            "What people call the cluster; brokers with another name are refused.");
  table.add("seeds", &BrokerOptions::seeds,
            "HOST:PORT of brokers to form or join a cluster with, this one among them. New brokers "
            "that name the same seeds begin a cluster together once all of them answer; a new "
            "broker whose seeds have one joins it. Empty: a cluster of its own. What was decided "
            "once stands; later changes have no effect.");
  table.add("replica.lag.time.max.ms", &BrokerOptions::replica_lag_max,
            "A replica that did not reach its leader's log end for so long is out of sync.",
            between(milliseconds(100), milliseconds(3'600'000)));
  table.add_bytes(
      "replica.move.bytes.per.second", &BrokerOptions::move_bytes_per_second,
      "What this broker copies in a second of replicas that are being moved to it; less "
      "than what is written there never ends. Replicas in sync are never slowed. 0: no "
      "bound.",
      between(0, 1_GiB * 1024));
  table.add_bytes(
      "leader.warm.up.bytes", &BrokerOptions::warm_up_bytes,
      "What a broker reads in of the end of a log before it leads the partition by plan "
      "(a broker stops, a move ends, leaders are balanced), for at most a second. 0: "
      "nothing.",
      between(0, 1_GiB));
  table.add("rack", &BrokerOptions::rack, "Where the machine stands; told to clients.");
  table.add("data.directories", &BrokerOptions::data_directories,
            "Where logs are kept, on one device each; a new partition goes to the one with the "
            "fewest. --data names the only or first one.");
  table.add("metadata.directory", &BrokerOptions::metadata_directory,
            "Where the metadata log is kept; empty: inside the first data directory.");
  table.add("shutdown.timeout.ms", &BrokerOptions::shutdown_timeout,
            "How long requests under way may take when the broker is told to stop.",
            between(milliseconds(0), milliseconds(600'000)));
  table.add(
      "memory.max", &BrokerOptions::memory_max,
      "The cap on all memory that the broker takes for itself; the rest of the machine is page "
      "cache. A size (512MiB), a percentage (25%) of the control group's limit or of the RAM, "
      "whichever is less, or auto: a tenth of that, from 64 MiB to 8 GiB.");
  table.add_choice("logging.level", &BrokerOptions::log_level,
                   {{"debug", LogLevel::debug},
                    {"info", LogLevel::info},
                    {"warning", LogLevel::warning},
                    {"error", LogLevel::error}},
                   "The least that is logged, on stderr.");
  table.add_choice("logging.format", &BrokerOptions::log_format,
                   {{"logfmt", StreamSink::Format::logfmt}, {"json", StreamSink::Format::json}},
                   "How log lines look.");
}

void add_leak_watch(Table& table) {
  table.add("memory.leak.interval.ms", &BrokerOptions::leak_interval,
            "How often it is looked for memory that only grows. The least of ten looks counts, and "
            "a warning is given when it rose twelve times in a row: after two hours and more.",
            between(milliseconds(100), milliseconds(3'600'000)));
  table.add("memory.leak.growth.percent", &BrokerOptions::leak_growth_percent,
            "By how much more than the connections, partitions, producers or bytes that it serves "
            "a part of the memory must have grown then. 0: nobody looks.",
            between(0, 1000));
}

void add_network(Table& table) {
  constexpr auto server = &BrokerOptions::server;
  table.add(
      "listen", &BrokerOptions::listen,
      "HOST:PORT for clients; port 0 takes a free one. All addresses (0.0.0.0) need `advertised`.");
  table.add("advertised", &BrokerOptions::advertised,
            "HOST:PORT that clients are told to connect to; empty: where it listens.");
  table.add("admin.listen", &BrokerOptions::admin_listen,
            "HOST:PORT of /metrics, /health, /ready and /memory.");
  table.add("admin.timeout.ms", &BrokerOptions::admin_timeout,
            "An admin client that takes longer is dropped.",
            between(milliseconds(100), milliseconds(600'000)));
  table.add("admin.connections", &BrokerOptions::admin_max_connections,
            "Admin connections at once.", between(1, 10'000));
  table.add("connections.limit", member<server, &ServerOptions::max_connections>(),
            "Client connections at once.", between(1, 1'000'000));
  table.add("connections.limit_per_address",
            member<server, &ServerOptions::max_connections_per_address>(),
            "Client connections at once from one address.", between(1, 1'000'000));
  table.add("connections.max.idle.ms", member<server, &ServerOptions::idle_timeout>(),
            "A connection without requests for so long is closed.",
            between(milliseconds(1000), milliseconds(86'400'000)));
  table.add(
      "frame.timeout.ms", member<server, &ServerOptions::frame_timeout>(),
      "A client that sends too little of a frame, or takes nothing of an answer, for so long is "
      "dropped.",
      between(milliseconds(100), milliseconds(3'600'000)));
  table.add("frame.max.bytes", member<server, &ServerOptions::max_frame_bytes>(),
            "The largest request.", between(64_KiB, 1_GiB));
  table.add("in_flight.requests", member<server, &ServerOptions::max_in_flight>(),
            "Requests of one connection that are read ahead.", between(1, 100'000));
  table.add("in_flight.bytes", member<server, &ServerOptions::max_in_flight_bytes>(),
            "Bytes of one connection's requests that are read ahead.", between(64_KiB, 1_GiB));
}

void add_pools(Table& table) {
  constexpr std::array<const char*, kBufferTiers.size()> kTiers = {"4k", "64k", "1m"};
  for (size_t tier = 0; tier < kTiers.size(); ++tier) {
    const std::string of = std::string("Idle buffers of ") + kTiers[tier];
    table.add(
        std::string("pool.worker.") + kTiers[tier],
        [tier](auto& o) -> auto& { return o.server.pools.local_free[tier]; },
        of + " that a worker keeps at most; what it holds follows its use.", between(0, 65'536));
    table.add(
        std::string("pool.shared.") + kTiers[tier],
        [tier](auto& o) -> auto& { return o.server.pools.shared_free[tier]; },
        of + " that all workers share beyond these; given up when the broker grows quiet.",
        between(0, 65'536));
  }
}

void add_fetch(Table& table) {
  constexpr auto server = &BrokerOptions::server;
  table.add_choice(
      "fetch.transfer", member<server, &ServerOptions::transfer>(),
      {{"sendfile", Transfer::sendfile}, {"copy", Transfer::copy}},
      "How large pieces of a log leave: sendfile, or a copy through user space, for file systems "
      "and networks that take sendfile badly.");
  table.add("fetch.copy.bytes", member<server, &ServerOptions::copy_below_bytes>(),
            "Pieces up to this size are copied and sent together with their header.",
            between(0, 1_MiB));
  table.add("cold_reads.isolated", member<server, &ServerOptions::isolate_cold_reads>(),
            "Whether data that is not in memory is read beside the work for others, and without "
            "pushing out of memory what they read. Off only to see what that is worth.");
  table.add_bytes("cold_reads.bytes_per_second",
                  member<server, &ServerOptions::cold_bytes_per_second>(),
                  "What reads of data that is not in the page cache may take of one directory's "
                  "device.",
                  at_least(1_MiB));
}

void add_threads(Table& table) {
  constexpr auto system = &BrokerOptions::system;
  table.add("workers", member<system, &io::SystemOptions::workers>(),
            "Threads that serve connections; 0: one for each core.", between(0, 1024));
  table.add("pool.threads", member<system, &io::SystemOptions::pool_threads>(),
            "Threads for work that blocks.", between(1, 1024));
  table.add("pin.workers", member<system, &io::SystemOptions::pin_workers>(),
            "Bind each worker to a core and its memory.");
  table.add_choice("disk.backend", member<system, &io::SystemOptions::disk_backend>(),
                   {{"auto", io::SystemOptions::DiskBackend::automatic},
                    {"uring", io::SystemOptions::DiskBackend::uring},
                    {"threads", io::SystemOptions::DiskBackend::threads}},
                   "io_uring, a thread pool, or auto: the pool where io_uring is refused.");
}

void add_storage(Table& table) {
  constexpr auto storage = &BrokerOptions::storage;
  using storage::LogSetOptions;
  table.add(
      "disk.timeout.ms", [](auto& o) -> auto& { return o.storage.lanes.timeout; },
      "An operation on a data directory that takes longer takes the directory offline.",
      between(milliseconds(100), milliseconds(3'600'000)));
  const auto lane = [&](const char* key, io::Lane which, const char* what) {
    table.add(
        key,
        [which](auto& o) -> auto& { return o.storage.lanes.in_flight[static_cast<size_t>(which)]; },
        std::string("Operations in flight for each data directory: ") + what + ".",
        between(1, 65'536));
  };
  lane("disk.in_flight.commit", io::Lane::commit, "syncs and metadata");
  lane("disk.in_flight.hot", io::Lane::hot, "appends and reads of the tail");
  lane("disk.in_flight.cold", io::Lane::cold, "reads of old data");
  lane("disk.in_flight.background", io::Lane::background, "recovery, compaction, retention");
  table.add("files.open.max", member<storage, &LogSetOptions::max_open_files>(),
            "Files kept open; more are opened again when they are needed. At most half of what the "
            "system lets the process open (the hard limit of ulimit -n).",
            between(64, 1'000'000));
  table.add("index.maps.max", member<storage, &LogSetOptions::max_index_maps>(),
            "Indexes mapped at once; others are mapped when they are looked at. At most half of "
            "what the system lets the process map (vm.max_map_count).",
            between(64, 10'000'000));
  table.add("index.maps.bytes", member<storage, &LogSetOptions::max_mapped_index_bytes>(),
            "Most of the indexes that is mapped at once, by what their files hold. It is page "
            "cache, which the system takes back when it is short.",
            between(1_MiB, 1024_GiB));
  table.add("recovery.parallel", member<storage, &LogSetOptions::recovery_parallelism>(),
            "Partitions recovered at once after an unclean stop.", between(1, 1024));
  table.add("checkpoint.interval.ms", member<storage, &LogSetOptions::checkpoint_interval>(),
            "How often recovery points and high watermarks are written down.",
            between(milliseconds(100), milliseconds(3'600'000)));
  table.add("retention.interval.ms", member<storage, &LogSetOptions::retention_interval>(),
            "How often old segments are looked for.",
            between(milliseconds(100), milliseconds(86'400'000)));
  table.add("compaction.interval.ms", member<storage, &LogSetOptions::compaction_interval>(),
            "How often something to compact is looked for.",
            between(milliseconds(100), milliseconds(86'400'000)));
  table.add("scrub.interval.ms", member<storage, &LogSetOptions::scrub_interval>(),
            "How often all records on the devices are read again, to find and repair what rots.",
            between(milliseconds(100), milliseconds(31'536'000'000)));
  table.add_bytes(
      "scrub.bytes.per.second", member<storage, &LogSetOptions::scrub_bytes_per_second>(),
      "What that may read of each data directory; 0: it is not done.", between(0, 1_GiB));
  table.add_bytes("compaction.memory", member<storage, &LogSetOptions::compaction_map_bytes>(),
                  "What the keys of one compaction may take of the memory cap.",
                  between(1_MiB, 16_GiB));
}

void add_topics(Table& table) {
  constexpr auto topics = &BrokerOptions::topics;
  table.add("topic.partitions", member<topics, &TopicDefaults::partitions>(),
            "Partitions of a topic that is created without saying how many.", between(1, 100'000));
  table.add("topic.replication", member<topics, &TopicDefaults::replication_factor>(),
            "Replicas of a topic that is created without saying how many.", between(1, 32));
  table.add("max.partitions", member<topics, &TopicDefaults::max_partitions>(),
            "Partitions of all topics together.", between(1, 10'000'000));
  table.include("log.", topic_settings(), [](auto& o) -> auto& { return o.topics.options; });
}

Result<> check_endpoint(std::string_view key, const std::string& value) {
  if (auto parsed = io::Endpoint::parse(value); !parsed) {
    return fail(Errc::invalid_config, std::string(key) + " = \"" + value +
                                          "\": " + std::string(parsed.error().message()));
  }
  return {};
}

/// Every address of the machine: good to listen on, nowhere to connect to.
bool is_wildcard(const std::string& address) {
  const auto parsed = io::Endpoint::parse(address);
  return parsed && (parsed->host == "0.0.0.0" || parsed->host == "::");
}

Result<> check_advertised(const BrokerOptions& options) {
  const bool is_named = !options.advertised.empty();
  if (is_named) RETURN_IF_ERROR(check_endpoint("advertised", options.advertised));
  if (!is_wildcard(is_named ? options.advertised : options.listen)) return {};
  return fail(Errc::invalid_config,
              (is_named ? "advertised = \"" + options.advertised : "listen = \"" + options.listen) +
                  "\" is every address of this machine and tells clients none to connect to; set "
                  "advertised to the HOST:PORT that they reach it by");
}

Result<> check_seeds(const BrokerOptions& options) {
  if (options.cluster_name.empty() || options.cluster_name.size() > 255) {
    return fail(Errc::invalid_config, "cluster.name has " +
                                          std::to_string(options.cluster_name.size()) +
                                          " bytes; give it 1 to 255");
  }
  for (const std::string& seed : options.seeds) {
    RETURN_IF_ERROR(check_endpoint("seeds", seed));
    if (!is_wildcard(seed)) continue;
    return fail(Errc::invalid_config, "seeds = \"" + seed +
                                          "\" is every address of a machine; name the HOST:PORT "
                                          "that other brokers reach it by");
  }
  return {};
}

}  // namespace

const SettingsTable<BrokerOptions>& broker_settings() {
  static const Table kTable = [] {
    Table table;
    add_node(table);
    add_leak_watch(table);
    add_network(table);
    add_pools(table);
    add_fetch(table);
    add_threads(table);
    add_storage(table);
    add_topics(table);
    return table;
  }();
  return kTable;
}

Result<> check_options(const BrokerOptions& options) {
  RETURN_IF_ERROR(check_endpoint("listen", options.listen));
  RETURN_IF_ERROR(check_endpoint("admin.listen", options.admin_listen));
  RETURN_IF_ERROR(check_advertised(options));
  RETURN_IF_ERROR(check_seeds(options));
  const auto& directories = options.data_directories;
  if (directories.empty()) {
    return fail(Errc::invalid_config,
                "no data directory; name one with --data DIR or data.directories");
  }
  std::set<std::string> seen;
  for (const std::string& directory : directories) {
    if (directory.empty()) {
      return fail(Errc::invalid_config, "data.directories has an empty path; remove it");
    }
    if (!seen.insert(directory).second) {
      return fail(Errc::invalid_config,
                  "data.directories names " + directory + " twice; name it once");
    }
  }
  // Named here in the words of the configuration; a topic would be refused in the same way.
  RETURN_IF_ERROR(topic_options(options.topics.options, {}));
  return {};
}

std::string metadata_directory_of(const BrokerOptions& options) {
  if (!options.metadata_directory.empty()) return options.metadata_directory;
  return options.data_directories.front() + "/metadata";
}

}  // namespace sluice::broker
