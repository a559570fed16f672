#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "base/settings.h"
#include "io/memory_probe.h"

namespace sluice::cli::doctor {

/// The cap on all memory of a broker.
inline constexpr std::string_view kMemoryKey = "memory.max";

/// The keys of a broker's configuration that a machine must fit. All other keys are the broker's to
/// check (`sluiced --check-config`); that these have its names and built-in values is tested
/// against config/sluiced.toml.
struct BrokerSettings {
  std::vector<std::string> data_directories;
  std::string metadata_directory;
  /// See io::plan_memory(), and what it comes to on a machine.
  std::string memory_max = "auto";
  uint64_t memory = 512_MiB;
  uint64_t connections = 19'000;
  uint64_t admin_connections = 64;
  uint64_t partitions = 100'000;
  uint64_t open_files = 10'000;
  uint64_t index_maps = 32'000;
  /// 0: one for each core.
  uint64_t workers = 0;
  bool pin_workers = false;
  std::string disk_backend = "auto";
};

const SettingsTable<BrokerSettings>& broker_settings();

struct BrokerConfig {
  /// What stands in `file`, where keys of others are passed over.
  std::string text;
  std::string file;
  /// "SLUICE_MEMORY_MAX=1GiB"; wins over the file.
  std::vector<std::string> variables;
  /// "key=value" of these keys only; wins over both.
  std::vector<std::string> set;
};

/// With what memory.max comes to there. A size that the machine has not got stays what it is: the
/// checks say so. invalid_config: it is no size, nor a percentage of anything.
Result<BrokerSettings> on_machine(BrokerSettings settings, const io::MemoryReading& machine);

/// invalid_config names file, line, key, value and what is allowed.
Result<BrokerSettings> parse_broker_settings(const BrokerConfig& config);

}  // namespace sluice::cli::doctor
