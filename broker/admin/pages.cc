#include "broker/admin/pages.h"

#include <utility>

#include <nlohmann/json.hpp>

namespace sluice::broker {
namespace {

using Json = nlohmann::ordered_json;

HttpResponse json_page(uint16_t status, const Json& json) {
  return {status, "application/json", json.dump(2) + "\n"};
}

}  // namespace

HttpResponse ready_page(const Readiness& readiness) {
  const storage::RecoveryProgress& recovery = readiness.recovery;
  const Json json = {{"ready", readiness.ready},
                     {"state", readiness.state},
                     {"reasons", readiness.reasons},
                     {"recovery",
                      {{"logs_total", recovery.logs_total},
                       {"logs_done", recovery.logs_done},
                       {"bytes_total", recovery.bytes_total},
                       {"bytes_done", recovery.bytes_done}}}};
  return json_page(readiness.ready ? 200 : 503, json);
}

HttpResponse health_page(const Health& health) {
  Json directories = Json::array();
  for (const auto& directory : health.directories) {
    Json entry = {{"path", directory.path},
                  {"online", !directory.offline_because.has_value()},
                  {"logs", directory.logs},
                  {"bytes", directory.bytes}};
    if (directory.offline_because) entry["cause"] = *directory.offline_because;
    directories.push_back(std::move(entry));
  }
  const Json json = {{"healthy", health.problems.empty()},
                     {"problems", health.problems},
                     {"directories", std::move(directories)}};
  return json_page(health.problems.empty() ? 200 : 503, json);
}

}  // namespace sluice::broker
