#include "broker/metadata/placement.h"

#include <algorithm>
#include <map>
#include <string>
#include <tuple>
#include <utility>

namespace sluice::broker {
namespace {

struct Candidate {
  NodeId id{-1};
  const std::string* rack = nullptr;
};

bool takes_replicas(const BrokerImage& broker) { return !broker.fenced && !broker.draining; }

/// In turns from each rack: a1 b1 c1 a2 b2 c2.
std::vector<Candidate> alternating_racks(const MetadataImage& image) {
  std::map<std::string, std::vector<Candidate>, std::less<>> racks;
  for (const BrokerImage& broker : image.brokers) {
    if (takes_replicas(broker)) racks[broker.rack].push_back({broker.id, &broker.rack});
  }
  std::vector<Candidate> turns;
  for (size_t turn = 0;; ++turn) {
    const size_t before = turns.size();
    for (const auto& [rack, members] : racks) {
      if (turn < members.size()) turns.push_back(members[turn]);
    }
    if (turns.size() == before) return turns;
  }
}

size_t count_racks(const std::vector<Candidate>& candidates) {
  std::vector<std::string> racks;
  for (const Candidate& candidate : candidates) racks.push_back(*candidate.rack);
  std::ranges::sort(racks);
  return static_cast<size_t>(std::ranges::unique(racks).begin() - racks.begin());
}

/// The candidates from `first` on, then the others from `shift` on; those of racks that have one
/// already only once all racks do.
std::vector<NodeId> replicas_from(const std::vector<Candidate>& candidates, size_t first,
                                  size_t shift, size_t replication, size_t racks) {
  std::vector<NodeId> replicas = {candidates[first].id};
  std::vector<const std::string*> used = {candidates[first].rack};
  const size_t others = candidates.size() - 1;
  for (const bool new_racks_only : {true, false}) {
    for (size_t i = 0; i < others && replicas.size() < replication; ++i) {
      const Candidate& next = candidates[(first + 1 + (shift + i) % others) % candidates.size()];
      if (std::ranges::find(replicas, next.id) != replicas.end()) continue;
      const bool known =
          std::ranges::any_of(used, [&](const std::string* rack) { return *rack == *next.rack; });
      if (new_racks_only && (used.size() >= racks || known)) continue;
      replicas.push_back(next.id);
      if (!known) used.push_back(next.rack);
    }
  }
  return replicas;
}

std::string brokers_text(size_t count) {
  return std::to_string(count) + (count == 1 ? " broker" : " brokers");
}

}  // namespace

size_t count_for_replicas(const MetadataImage& image) {
  return static_cast<size_t>(std::ranges::count_if(image.brokers, takes_replicas));
}

Result<std::vector<PartitionImage>> place(const MetadataImage& image, uint32_t partitions,
                                          uint32_t replication, uint64_t seed) {
  const std::vector<Candidate> candidates = alternating_racks(image);
  const size_t count = candidates.size();
  if (replication == 0 || replication > count) {
    std::string text = "replication factor " + std::to_string(replication) + " needs " +
                       brokers_text(replication) + ", " + std::to_string(count) +
                       (count == 1 ? " is there" : " are there");
    if (const size_t away = image.brokers.size() - count; away != 0) {
      text += " (" + std::to_string(away) + " more fenced or draining)";
    }
    return fail(Errc::invalid_replication,
                text + "; start more or use a replication factor of " +
                    std::to_string(std::max<size_t>(1, std::min<size_t>(count, replication - 1))));
  }
  const size_t racks = count_racks(candidates);
  const size_t start = seed % count;
  const size_t first_shift = count > 1 ? (seed / count) % (count - 1) : 0;
  std::vector<PartitionImage> placed(partitions);
  for (size_t i = 0; i < placed.size(); ++i) {
    // Another distance with each round: else the same brokers would always follow each other.
    placed[i].replicas =
        replicas_from(candidates, (start + i) % count, first_shift + i / count, replication, racks);
    placed[i].in_sync = placed[i].replicas;
    placed[i].leader = placed[i].replicas.front();
  }
  return placed;
}

NodeId place_instead(const MetadataImage& image, const std::vector<NodeId>& replicas,
                     NodeId leaving, std::span<const uint64_t> load) {
  const auto rack_is_used = [&](const std::string& rack) {
    return std::ranges::any_of(replicas, [&](NodeId id) {
      const BrokerImage* broker = image.broker(id);
      return id != leaving && broker != nullptr && broker->rack == rack;
    });
  };
  std::tuple<bool, uint64_t, NodeId> best{true, 0, NodeId{-1}};
  for (size_t i = 0; i < image.brokers.size(); ++i) {
    const BrokerImage& broker = image.brokers[i];
    if (!takes_replicas(broker) || broker.id == leaving) continue;
    if (std::ranges::find(replicas, broker.id) != replicas.end()) continue;
    const std::tuple offer{rack_is_used(broker.rack), load[i], broker.id};
    if (std::get<NodeId>(best) == NodeId{-1} || offer < best) best = offer;
  }
  return std::get<NodeId>(best);
}

}  // namespace sluice::broker
