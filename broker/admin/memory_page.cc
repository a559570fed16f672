#include "broker/admin/memory_page.h"

#include <utility>

#include <nlohmann/json.hpp>

namespace sluice::broker {
namespace {

using Json = nlohmann::ordered_json;

Json node_of(const MemorySight::Part& part) {
  Json node = {{"name", part.name},
               {"used", part.used},
               {"cap", part.cap},
               {"peak", part.peak},
               {"refusals", part.refusals}};
  for (const auto& child : part.children) node["children"].push_back(node_of(child));
  return node;
}

void look_below(
    const MemorySight::Part& part, const std::string& front,
    const std::function<void(const std::string& path, const MemorySight::Part& part)>& look) {
  for (const auto& child : part.children) {
    look(front + child.name, child);
    look_below(child, front + child.name + "/", look);
  }
}

Json process_of(const MemorySight& sight) {
  if (!sight.process) return nullptr;
  const io::ProcessMemory& process = *sight.process;
  return {{"resident_anonymous", process.resident_anonymous},
          {"resident_file", process.resident_file},
          {"virtual", process.address_space},
          {"mapped", process.mapped},
          {"swapped", process.swapped}};
}

Json owners_of(const MemorySight& sight) {
  Json connections = Json::array();
  for (const AddressUse& use : sight.addresses) {
    connections.push_back(
        {{"address", use.host}, {"connections", use.connections}, {"bytes", use.bytes}});
  }
  Json partitions = Json::array();
  for (const auto& use : sight.partitions) {
    partitions.push_back({{"topic", use.topic},
                          {"partition", use.partition},
                          {"producers", use.producers},
                          {"bytes", use.bytes}});
  }
  return {{"connections", std::move(connections)}, {"partitions", std::move(partitions)}};
}

}  // namespace

MemorySight::Part part_of(const MemoryBudget& budget) {
  MemorySight::Part part{.name = std::string(budget.name()),
                         .used = budget.used(),
                         .cap = budget.cap(),
                         .peak = budget.peak(),
                         .refusals = budget.refusals()};
  for (const auto& child : budget.children()) part.children.push_back(part_of(*child));
  return part;
}

void for_each_part(
    const MemorySight::Part& root,
    const std::function<void(const std::string& path, const MemorySight::Part& part)>& look) {
  look(root.name, root);
  look_below(root, "", look);
}

std::optional<size_t> unattributed(const MemorySight& sight) {
  if (!sight.process) return std::nullopt;
  const size_t known = sight.budget.used + sight.frames + sight.at_start;
  const size_t resident = sight.process->resident_anonymous;
  return resident > known ? resident - known : 0;
}

HttpResponse memory_page(const MemorySight& sight) {
  const auto left = unattributed(sight);
  const Json json = {
      {"cap", sight.budget.cap},
      {"used", sight.budget.used},
      {"process", process_of(sight)},
      {"page_faults", {{"major", sight.faults.major}, {"minor", sight.faults.minor}}},
      {"allocator",
       {{"in_use", sight.allocator.in_use},
        {"free", sight.allocator.free},
        {"mapped", sight.allocator.mapped}}},
      {"attributed",
       {{"budget", sight.budget.used},
        {"coroutine_frames", sight.frames},
        {"at_start", sight.at_start}}},
      {"unattributed", left ? Json(*left) : Json()},
      {"budget", node_of(sight.budget)},
      {"owners", owners_of(sight)}};
  return {200, "application/json", json.dump(2) + "\n"};
}

}  // namespace sluice::broker
