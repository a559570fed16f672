#include "tests/simulated/topic_plans.h"

namespace sluice::sim {
namespace {

TopicPlan plan(const std::string& name, Promise promise, const std::string& flush) {
  return {.name = name,
          .partitions = 2,
          .promise = promise,
          .configs = {{"segment.bytes", "8192"},
                      {"index.interval.bytes", "256"},
                      {"max.message.bytes", "16384"},
                      {"retention.ms", "-1"},
                      {"flush", flush}}};
}

TopicPlan replicated(TopicPlan alone, uint32_t factor, uint32_t min_in_sync) {
  alone.replication_factor = factor;
  alone.configs["min.insync.replicas"] = std::to_string(min_in_sync);
  return alone;
}

}  // namespace

std::vector<TopicPlan> topic_plans(uint32_t brokers) {
  const TopicPlan synced = plan("synced", Promise::synced, "every");
  const TopicPlan cached = plan("cached", Promise::cached, "none");
  if (brokers < 3) return {synced, cached};
  std::vector<TopicPlan> plans = {replicated(synced, 3, 2),
                                  replicated(plan("replicated", Promise::replicated, "none"), 3, 2),
                                  replicated(cached, 3, 1)};
  plans.back().partitions = 1;
  if (brokers >= 5) {
    plans.push_back(replicated(plan("wide", Promise::replicated, "none"), 5, 3));
    plans.back().partitions = 1;
  }
  return plans;
}

}  // namespace sluice::sim
