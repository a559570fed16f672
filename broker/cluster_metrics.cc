#include "broker/cluster_metrics.h"

#include <algorithm>
#include <chrono>
#include <string>
#include <utility>

#include "broker/replication/partition.h"
#include "broker/service/describe_cluster.h"

namespace sluice::broker {
namespace {

double seconds(Duration duration) { return std::chrono::duration<double>(duration).count(); }

std::string text_of(NodeId id) { return std::to_string(id.value()); }

MetricFamily single(std::string name, std::string help, double value) {
  return {std::move(name), std::move(help), {{{}, value}}};
}

MetricLabels labels_of(const TopicImage& topic, size_t partition) {
  return {{"topic", topic.name}, {"partition", std::to_string(partition)}};
}

/// The families of one scrape while partitions are looked at.
class PartitionSeries {
 public:
  void add(const TopicImage& topic, size_t index, const PartitionHealth& health, NodeId self) {
    const PartitionImage& partition = topic.partitions[index];
    const bool leads = partition.leader == self;
    leaders_ += leads ? 1 : 0;
    count(leads && health.under_replicated, topic, index, under_replicated_);
    count(leads && health.under_min_in_sync, topic, index, under_min_in_sync_);
    count(health.offline && has(partition.replicas, self), topic, index, offline_);
    behind_ += is_behind(partition, self) ? 1 : 0;
  }
  void add_lags(const TopicImage& topic, size_t index,
                const std::vector<ReplicaSet::Progress>& followers) {
    for (const auto& follower : followers) {
      MetricLabels labels = labels_of(topic, index);
      labels.emplace_back("follower", text_of(follower.node));
      if (follower.lacks)
        lag_records_.samples.push_back({labels, static_cast<double>(*follower.lacks)});
      lag_seconds_.samples.push_back({std::move(labels), seconds(follower.behind)});
    }
  }
  std::vector<MetricFamily> taken() {
    std::vector<MetricFamily> families = {
        single("leader_partitions", "Partitions that this broker leads.", leaders_),
        single("behind_replicas", "Replicas on this broker that are out of sync.", behind_)};
    for (Trouble* trouble : {&under_replicated_, &under_min_in_sync_, &offline_}) {
      MetricFamily& named = trouble->partitions;
      families.push_back(
          single(trouble->total, named.help, static_cast<double>(named.samples.size())));
      named.help = "1 for each of sluice_" + trouble->total + "; no series for all others.";
      families.push_back(std::move(named));
    }
    families.push_back(std::move(lag_records_));
    families.push_back(std::move(lag_seconds_));
    return families;
  }

 private:
  static bool has(const std::vector<NodeId>& nodes, NodeId node) {
    return std::ranges::find(nodes, node) != nodes.end();
  }
  /// Partitions that are not well: how many, and which.
  struct Trouble {
    std::string total;
    MetricFamily partitions;
  };
  static void count(bool so, const TopicImage& topic, size_t index, Trouble& trouble) {
    if (so) trouble.partitions.samples.push_back({labels_of(topic, index), 1});
  }

  double leaders_ = 0;
  double behind_ = 0;
  Trouble under_replicated_{
      "under_replicated_partitions",
      {"partition_under_replicated", "Partitions led by this broker with replicas out of sync."}};
  Trouble under_min_in_sync_{
      "under_min_in_sync_partitions",
      {"partition_under_min_in_sync",
       "Partitions led by this broker with too few replicas in sync for acks=all."}};
  Trouble offline_{
      "offline_partitions",
      {"partition_offline", "Partitions with a replica on this broker that nobody leads."}};
  MetricFamily lag_records_{"follower_lag_records",
                            "Records that a follower of a partition led here lacks."};
  MetricFamily lag_seconds_{"follower_lag_seconds",
                            "Time since a follower of a partition led here had all records."};
};

}  // namespace

std::vector<MetricFamily> partition_metrics(const MetadataImage& image, const PartitionTable& table,
                                            const TopicDefaults& defaults, NodeId self,
                                            TimePoint now) {
  PartitionSeries series;
  image.topics.for_each([&](const Uuid& id, const MetadataImage::TopicPointer& topic) {
    const int32_t least = election_rules(defaults.options, topic->configs).min_in_sync;
    for (size_t i = 0; i < topic->partitions.size(); ++i) {
      series.add(*topic, i, health_of(topic->partitions[i], least), self);
      if (topic->partitions[i].leader != self) continue;
      const auto partition = table.find({id, PartitionId{static_cast<int32_t>(i)}});
      if (partition != nullptr) series.add_lags(*topic, i, partition->followers(now));
    }
  });
  return series.taken();
}

std::vector<MetricFamily> control_metrics(const MetadataImage& image, const ControlSight& sight) {
  const RaftLog::Status& log = sight.log;
  const auto fenced = std::ranges::count_if(image.brokers, &BrokerImage::fenced);
  std::vector<MetricFamily> families = {
      single("controller", "Whether this broker is the controller: 1 or 0.", sight.controller),
      single("acknowledges", "Whether this broker may acknowledge: 1 or 0; see /ready.",
             sight.acknowledges),
      single("controller_answered_seconds", "Time since the controller answered this broker.",
             seconds(sight.unanswered)),
      single("brokers", "Brokers of the cluster.", static_cast<double>(image.brokers.size())),
      single("fenced_brokers", "Brokers that are away or have not caught up.",
             static_cast<double>(fenced)),
      single("metadata_term", "Term of the consensus.", static_cast<double>(log.term)),
      single("metadata_voters", "Brokers that agree on the metadata.",
             static_cast<double>(log.voters.size())),
      single("metadata_lag_entries", "Entries that are agreed and not applied here yet.",
             static_cast<double>(log.committed - std::min(log.applied, log.committed)))};
  MetricFamily members{"metadata_member_lag_entries",
                       "Entries of the metadata that a member lacks, as its leader knows."};
  MetricFamily silent{"session_silent_seconds", "Time since the controller heard of a broker."};
  if (sight.controller) {
    for (const auto& [node, matched] : log.matched) {
      members.samples.push_back({{{"broker", text_of(node)}},
                                 static_cast<double>(log.last - std::min(matched, log.last))});
    }
    for (const auto& session : sight.sessions) {
      silent.samples.push_back({{{"broker", text_of(session.id)}}, seconds(session.silent)});
    }
  }
  families.push_back(std::move(members));
  families.push_back(std::move(silent));
  return families;
}

}  // namespace sluice::broker
