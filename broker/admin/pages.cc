#include "broker/admin/pages.h"

#include <utility>

#include <nlohmann/json.hpp>

namespace sluice::broker {
namespace {

using Json = nlohmann::ordered_json;

HttpResponse json_page(uint16_t status, const Json& json) {
  return {status, "application/json", json.dump(2) + "\n"};
}

Json node_of(const MemoryBudget& budget) {
  Json node = {{"name", budget.name()},
               {"used", budget.used()},
               {"cap", budget.cap()},
               {"peak", budget.peak()},
               {"refusals", budget.refusals()}};
  for (const auto& child : budget.children()) node["children"].push_back(node_of(*child));
  return node;
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

HttpResponse memory_page(const MemoryBudget& root, size_t allocated) {
  const size_t used = root.used();
  const Json json = {{"cap", root.cap()},
                     {"used", used},
                     {"allocated", allocated},
                     {"unattributed", allocated > used ? allocated - used : 0},
                     {"budget", node_of(root)}};
  return json_page(200, json);
}

}  // namespace sluice::broker
