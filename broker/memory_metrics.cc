#include "broker/memory_metrics.h"

#include <algorithm>
#include <array>
#include <string>
#include <string_view>
#include <utility>

namespace sluice::broker {
namespace {

constexpr std::array<std::string_view, kBufferTiers.size()> kTiers = {"4KiB", "64KiB", "1MiB"};

using Sample = MetricFamily::Sample;

Sample sample(std::string_view label, std::string_view value, auto number) {
  return {{{std::string(label), std::string(value)}}, static_cast<double>(number)};
}

/// One sample for each node of the tree, in four families.
class TreeSeries {
 public:
  void add(const MemorySight::Part& part, const std::string& path) {
    used_.samples.push_back(sample("node", path, part.used));
    peak_.samples.push_back(sample("node", path, part.peak));
    limit_.samples.push_back(sample("node", path, part.cap));
    refusals_.samples.push_back(sample("node", path, part.refusals));
  }
  void take(std::vector<MetricFamily>& out) {
    for (auto* family : {&used_, &peak_, &limit_, &refusals_}) out.push_back(std::move(*family));
  }

 private:
  MetricFamily used_{"memory_budget_bytes", "Memory reserved from a node of the budget tree."};
  MetricFamily peak_{"memory_budget_peak_bytes", "The most that was reserved from it at once."};
  MetricFamily limit_{"memory_budget_limit_bytes", "The most that may be."};
  MetricFamily refusals_{
      "memory_refusals_total", "Reservations that it refused for want of room.", {}, true};
};

void add_process(const MemorySight& sight, std::vector<MetricFamily>& out) {
  MetricFamily left{"memory_unattributed_bytes",
                    "Resident anonymous memory that nothing in the broker accounts for."};
  MetricFamily resident{"memory_resident_bytes", "Memory of the process that is resident."};
  MetricFamily space{"memory_virtual_bytes", "Addresses that the process has taken."};
  MetricFamily mapped{"memory_mapped_bytes", "Private memory that is mapped, touched or not."};
  MetricFamily swapped{"memory_swapped_bytes", "Memory of the process that is swapped out."};
  // Without /proc there is nothing to tell, which is not 0.
  if (const auto bytes = unattributed(sight)) {
    left.samples.push_back({{}, static_cast<double>(*bytes)});
    resident.samples = {sample("kind", "anonymous", sight.process->resident_anonymous),
                        sample("kind", "file", sight.process->resident_file)};
    space.samples.push_back({{}, static_cast<double>(sight.process->address_space)});
    mapped.samples.push_back({{}, static_cast<double>(sight.process->mapped)});
    swapped.samples.push_back({{}, static_cast<double>(sight.process->swapped)});
  }
  for (auto* family : {&left, &resident, &space, &mapped, &swapped})
    out.push_back(std::move(*family));
  out.push_back(
      {"page_faults_total",
       "Page faults of the process; the major ones waited for a disk.",
       {sample("kind", "major", sight.faults.major), sample("kind", "minor", sight.faults.minor)},
       true});
}

void add_pools(const BufferPool::Stats& pools, std::vector<MetricFamily>& out) {
  MetricFamily in_use{"buffer_pool_in_use", "Pooled buffers that are in use, by size."};
  MetricFamily idle{"buffer_pool_idle", "Pooled buffers that are kept for the next who asks."};
  for (size_t tier = 0; tier < kTiers.size(); ++tier) {
    in_use.samples.push_back(sample("tier", kTiers[tier], pools.in_use[tier]));
    idle.samples.push_back(sample("tier", kTiers[tier], pools.idle[tier]));
  }
  out.push_back(std::move(in_use));
  out.push_back(std::move(idle));
  const auto single = [&](std::string name, std::string help, auto value, bool counts) {
    out.push_back({std::move(name), std::move(help), {{{}, static_cast<double>(value)}}, counts});
  };
  single("buffer_pool_hits_total", "Buffers that came from a pool.", pools.hits, true);
  single("buffer_pool_misses_total", "Buffers that had to be allocated.", pools.misses, true);
  single("buffer_pool_oversize_bytes", "Buffers larger than the pools keep, in use.",
         pools.oversize_bytes, false);
}

}  // namespace

LeakSample leak_sample(const MemorySight& sight, LeakScales scales) {
  LeakSample sample{.nodes = {}, .scales = scales};
  for_each_part(sight.budget, [&](const std::string& path, const MemorySight::Part& part) {
    size_t below = 0;
    for (const auto& child : part.children) below += child.used;
    // They are read one after the other.
    sample.nodes.push_back({path, part.used - std::min(part.used, below)});
  });
  if (const auto left = unattributed(sight)) sample.nodes.push_back({"unattributed", *left});
  return sample;
}

MetricFamily leak_metrics(const std::vector<Leak>& suspects) {
  MetricFamily family{"memory_leak_suspected_bytes",
                      "By how much a part of the memory has grown while its load did not."};
  for (const Leak& leak : suspects) {
    family.samples.push_back(sample("node", leak.node, leak.now - leak.before));
  }
  return family;
}

std::vector<MetricFamily> memory_metrics(const MemorySight& sight) {
  std::vector<MetricFamily> families;
  TreeSeries tree;
  for_each_part(sight.budget, [&](const std::string& path, const MemorySight::Part& part) {
    tree.add(part, path);
  });
  tree.take(families);
  add_process(sight, families);
  add_pools(sight.pools, families);
  return families;
}

}  // namespace sluice::broker
