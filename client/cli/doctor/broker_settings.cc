#include "client/cli/doctor/broker_settings.h"

#include <utility>

#include "base/size_text.h"
#include "io/memory_plan.h"

namespace sluice::cli::doctor {

const SettingsTable<BrokerSettings>& broker_settings() {
  static const SettingsTable<BrokerSettings> kTable = [] {
    SettingsTable<BrokerSettings> table;
    table.add("data.directories", &BrokerSettings::data_directories, "");
    table.add("metadata.directory", &BrokerSettings::metadata_directory, "");
    table.add(std::string(kMemoryKey), &BrokerSettings::memory_max, "");
    table.add("connections.limit", &BrokerSettings::connections, "", between(1, 1'000'000));
    table.add("admin.connections", &BrokerSettings::admin_connections, "", between(1, 10'000));
    table.add("max.partitions", &BrokerSettings::partitions, "", between(1, 10'000'000));
    table.add("files.open.max", &BrokerSettings::open_files, "", between(64, 1'000'000));
    table.add("index.maps.max", &BrokerSettings::index_maps, "", between(64, 10'000'000));
    table.add("workers", &BrokerSettings::workers, "", between(0, 1024));
    table.add("pin.workers", &BrokerSettings::pin_workers, "");
    table.add_choice("disk.backend", &BrokerSettings::disk_backend,
                     {{"auto", "auto"}, {"uring", "uring"}, {"threads", "threads"}}, "");
    return table;
  }();
  return kTable;
}

Result<BrokerSettings> parse_broker_settings(const BrokerConfig& config) {
  const auto& table = broker_settings();
  ASSIGN_OR_RETURN(auto assignments, read_toml(config.text, config.file));
  std::erase_if(assignments, [&](const SettingAssignment& assignment) {
    return table.find(assignment.key) == nullptr;
  });
  std::vector<std::string> unknown;
  for (auto& one : read_environment(table.specs(), config.variables, unknown)) {
    assignments.push_back(std::move(one));
  }
  ASSIGN_OR_RETURN(auto set, read_arguments(config.set));
  for (auto& one : set) assignments.push_back(std::move(one));
  ASSIGN_OR_RETURN(auto loaded, table.load(assignments));
  return std::move(loaded.options);
}

Result<BrokerSettings> on_machine(BrokerSettings settings, const io::MemoryReading& machine) {
  auto plan = io::plan_memory(settings.memory_max, 1, machine);
  if (plan) {
    settings.memory = plan->cap;
    return settings;
  }
  const auto size = parse_size(settings.memory_max);
  if (!size) return fail(std::move(plan).error());
  settings.memory = *size;
  return settings;
}

}  // namespace sluice::cli::doctor
