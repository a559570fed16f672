#include "broker/leak_watch.h"

#include <algorithm>
#include <array>

namespace sluice::broker {
namespace {

/// What a node of the tree grows with when all is well.
struct Measure {
  std::string_view node = {};
  std::string_view words = {};
  bool connections = false;
  bool partitions = false;
  bool producers = false;
  bool traffic = false;
};

constexpr std::array kMeasures = {
    Measure{.node = "unreserved/connections", .words = "connections", .connections = true},
    Measure{.node = "unreserved/network_buffers",
            .words = "connections and traffic",
            .connections = true,
            .traffic = true},
    Measure{.node = "unreserved/fetch_sessions",
            .words = "connections and partitions",
            .connections = true,
            .partitions = true},
    Measure{.node = "replica_fetchers",
            .words = "partitions and traffic",
            .partitions = true,
            .traffic = true},
    Measure{.node = "unreserved/storage/producer_state", .words = "producers", .producers = true},
    Measure{.node = "broker_buffers",
            .words = "partitions and traffic",
            .partitions = true,
            .traffic = true},
    Measure{.node = "replica_sessions", .words = "partitions", .partitions = true},
};
constexpr Measure kEverything{
    "", "connections, partitions, producers and traffic", true, true, true, true};

const Measure& measure_of(std::string_view node) {
  const auto found = std::ranges::find(kMeasures, node, &Measure::node);
  return found == kMeasures.end() ? kEverything : *found;
}

/// At least 1: less to do is no reason to expect less memory at once.
double growth(double before, double now) { return std::max(1.0, now / std::max(1.0, before)); }

double growth_of(const Measure& measure, const LeakScales& before, const LeakScales& now) {
  double most = 1;
  if (measure.connections) most = std::max(most, growth(before.connections, now.connections));
  if (measure.partitions) most = std::max(most, growth(before.partitions, now.partitions));
  if (measure.producers) most = std::max(most, growth(before.producers, now.producers));
  if (measure.traffic) most = std::max(most, growth(before.traffic, now.traffic));
  return most;
}

void raise(LeakScales& most, const LeakScales& seen) {
  most.connections = std::max(most.connections, seen.connections);
  most.partitions = std::max(most.partitions, seen.partitions);
  most.producers = std::max(most.producers, seen.producers);
  most.traffic = std::max(most.traffic, seen.traffic);
}

}  // namespace

Leak LeakWatch::leak_of(const std::string& node, const Streak& streak) {
  return {node, streak.first, streak.last, streak.windows, measure_of(node).words};
}

std::vector<Leak> LeakWatch::add(const LeakSample& sample) {
  for (const auto& node : sample.nodes) {
    Streak& streak = streaks_[node.name];
    streak.floor = streak.has_floor ? std::min(streak.floor, node.bytes) : node.bytes;
    streak.has_floor = true;
  }
  raise(scales_, sample.scales);
  std::vector<Leak> found;
  if (++samples_ >= options_.samples_in_window) close_window(found);
  return found;
}

void LeakWatch::close_window(std::vector<Leak>& found) {
  for (auto& [node, streak] : streaks_) {
    if (!streak.has_floor) continue;
    streak.has_floor = false;
    if (!streak.begun || streak.floor <= streak.last) {
      streak = {.begun = true, .first = streak.floor, .last = streak.floor, .at_first = scales_};
      continue;
    }
    streak.largest_step = std::max(streak.largest_step, streak.floor - streak.last);
    streak.last = streak.floor;
    ++streak.windows;
    streak.suspected = streak.windows >= options_.windows && outgrows(node, streak);
    if (streak.suspected && streak.windows % options_.windows == 0) {
      found.push_back(leak_of(node, streak));
    }
  }
  samples_ = 0;
  scales_ = {};
}

bool LeakWatch::outgrows(std::string_view node, const Streak& streak) const {
  const size_t steady = streak.last - streak.largest_step;
  if (steady - streak.first < options_.least_growth) return false;
  const double expected =
      static_cast<double>(streak.first) * growth_of(measure_of(node), streak.at_first, scales_);
  return static_cast<double>(steady) > expected * (1 + options_.growth_percent / 100.0);
}

std::vector<Leak> LeakWatch::suspects() const {
  std::vector<Leak> found;
  for (const auto& [node, streak] : streaks_) {
    if (streak.suspected) found.push_back(leak_of(node, streak));
  }
  return found;
}

}  // namespace sluice::broker
