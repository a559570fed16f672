#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/log.h"
#include "base/settings.h"
#include "broker/admin/admin_server.h"
#include "broker/metadata/topic_config.h"
#include "broker/server/options.h"
#include "io/system.h"
#include "storage/log_set.h"

namespace sluice::broker {

/// Everything a broker can be told, in the types that its parts take.
struct BrokerOptions {
  NodeId node_id{1};
  std::string cluster_name = "sluice";
  /// HOST:PORT of the brokers that begin the cluster, or of members of one; empty: alone.
  std::vector<std::string> seeds;
  std::string rack;
  std::vector<std::string> data_directories;
  /// Of the metadata log; empty: "metadata" inside the first data directory.
  std::string metadata_directory;
  std::string listen = "127.0.0.1:9092";
  std::string admin_listen = "127.0.0.1:9644";
  /// What clients are told to connect to; empty: where it listens.
  std::string advertised;
  /// See io::plan_memory().
  std::string memory_max = "auto";
  /// What that comes to on this machine.
  size_t memory_bytes = 512_MiB;
  /// A follower that was not at the log end for so long is out of sync.
  std::chrono::milliseconds replica_lag_max = std::chrono::seconds(10);
  /// 0: no bound.
  uint64_t move_bytes_per_second = 0;
  /// Of each partition that it is to lead by plan; 0: nothing.
  uint64_t warm_up_bytes = 4_MiB;
  std::chrono::milliseconds shutdown_timeout = std::chrono::seconds(10);
  LogLevel log_level = LogLevel::info;
  StreamSink::Format log_format = StreamSink::Format::logfmt;
  std::chrono::milliseconds admin_timeout = std::chrono::seconds(10);
  size_t admin_max_connections = 64;

  /// Between two looks for memory that only grows.
  std::chrono::milliseconds leak_interval = std::chrono::minutes(1);
  /// By how much more than its load memory must grow to be told of; 0: nobody looks.
  uint32_t leak_growth_percent = 20;

  io::SystemOptions system;
  ServerOptions server;
  storage::LogSetOptions storage;
  TopicDefaults topics;
};

/// Every key of sluiced.toml, the environment (SLUICE_...) and --set.
const SettingsTable<BrokerOptions>& broker_settings();

/// Where the metadata log lies.
std::string metadata_directory_of(const BrokerOptions& options);

/// What stands on its own as keys is consistent as a whole: addresses parse, clients can be told
/// one to connect to, directories are named and differ. invalid_config names the key, the value and
/// the way out.
Result<> check_options(const BrokerOptions& options);

}  // namespace sluice::broker
