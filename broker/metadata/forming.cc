#include "broker/metadata/forming.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/check.h"
#include "base/crc32c.h"

namespace sluice::broker {
namespace {

bool is_same_broker(const ClusterMember& a, const ClusterMember& b) {
  return a.node_id == b.node_id && a.directory_id == b.directory_id;
}

std::string quoted(const std::string& name) { return "\"" + name + "\""; }

}  // namespace

std::vector<NodeId> Founding::voters() const {
  std::vector<NodeId> voters;
  for (const ClusterMember& founder : founders) voters.push_back(founder.node_id);
  return voters;
}

std::string founded_cluster_id(const std::vector<ClusterMember>& founders) {
  CHECK(!founders.empty(), "somebody founds a cluster");
  std::string ids;
  for (const ClusterMember& founder : founders) {
    ids += std::to_string(founder.node_id.value()) + " " + founder.directory_id.text() + ",";
  }
  std::array<std::byte, Uuid::kSize> bytes;
  std::ranges::copy(founders.front().directory_id.bytes(), bytes.begin());
  for (uint32_t word = 0; word < 4; ++word) {
    auto* const at = bytes.data() + size_t{4} * word;
    store_be(at, load_be<uint32_t>(at) ^ crc32c(as_bytes(ids), word));
  }
  // As Uuid::random: version 4, and a text that may stand on a command line.
  bytes[6] = (bytes[6] & std::byte{0x0f}) | std::byte{0x40};
  bytes[8] = (bytes[8] & std::byte{0x3f}) | std::byte{0x80};
  bytes[0] &= std::byte{0x7f};
  return Uuid(bytes).text();
}

Forming::Forming(ClusterMember self, const std::vector<io::Endpoint>& seeds)
    : self_(std::move(self)) {
  for (const io::Endpoint& address : seeds) {
    if (std::ranges::find(seeds_, address, &Seed::address) == seeds_.end()) {
      seeds_.push_back({.address = address, .answer = {}, .failure = {}});
    }
  }
}

Forming::Seed& Forming::seed(const io::Endpoint& address) {
  const auto found = std::ranges::find(seeds_, address, &Seed::address);
  CHECK(found != seeds_.end(), "only seeds are asked");
  return *found;
}

void Forming::answered(const io::Endpoint& address, DiscoverAnswer answer) {
  Seed& from = seed(address);
  if (answer.self.address.port == 0) answer.self.address = address;
  from.answer = std::move(answer);
  from.failure.reset();
}

void Forming::failed(const io::Endpoint& address, Error why) {
  Seed& from = seed(address);
  // Who went away may come back as another one.
  from.answer.reset();
  from.failure = std::move(why);
}

std::optional<Error> Forming::other_name() const {
  for (const Seed& seed : seeds_) {
    if (!seed.answer || seed.answer->self.cluster_name == self_.cluster_name) continue;
    return Error(Errc::wrong_cluster, "seed " + seed.address.to_string() + " has cluster.name " +
                                          quoted(seed.answer->self.cluster_name) +
                                          ", this broker " + quoted(self_.cluster_name) +
                                          "; give both the same name or remove the seed");
  }
  return std::nullopt;
}

/// Those who answered and this broker, each once, by node id.
std::vector<ClusterMember> Forming::answering() const {
  std::vector<ClusterMember> members = {self_};
  for (const Seed& seed : seeds_) {
    if (!seed.answer) continue;
    const ClusterMember& said = seed.answer->self;
    const bool known = std::ranges::any_of(
        members, [&](const ClusterMember& member) { return is_same_broker(member, said); });
    if (!known) members.push_back(said);
  }
  std::ranges::sort(members, [](const ClusterMember& a, const ClusterMember& b) {
    return std::pair(a.node_id, a.directory_id) < std::pair(b.node_id, b.directory_id);
  });
  return members;
}

std::optional<Error> Forming::shared_id() const {
  const auto members = answering();
  const auto twice = std::ranges::adjacent_find(members, {}, &ClusterMember::node_id);
  if (twice == members.end()) return std::nullopt;
  return Error(Errc::wrong_cluster, "node.id " + std::to_string(twice->node_id.value()) +
                                        " is used by the brokers at " + twice->address.to_string() +
                                        " and " + std::next(twice)->address.to_string() +
                                        "; give each broker its own");
}

bool Forming::among_seeds() const {
  return std::ranges::any_of(seeds_, [&](const Seed& seed) {
    return seed.answer && is_same_broker(seed.answer->self, self_);
  });
}

std::optional<Forming::Decision> Forming::existing_cluster() const {
  const Seed* first = nullptr;
  Join join;
  for (const Seed& seed : seeds_) {
    if (!seed.answer || seed.answer->self.cluster_id.empty()) continue;
    if (first != nullptr && seed.answer->self.cluster_id != join.cluster_id) {
      return Refuse{Error(Errc::wrong_cluster,
                          "seed " + first->address.to_string() + " belongs to cluster " +
                              join.cluster_id + ", seed " + seed.address.to_string() + " to " +
                              seed.answer->self.cluster_id + "; name seeds of one cluster")};
    }
    if (first == nullptr) first = &seed;
    join.cluster_id = seed.answer->self.cluster_id;
    join.members.push_back(seed.answer->self);
    // It was counted on when this broker did not know yet, or stopped before it wrote it down.
    const auto& founders = seed.answer->founders;
    if (std::ranges::any_of(founders, [&](const auto& f) { return is_same_broker(f, self_); })) {
      return Found{{.cluster_id = join.cluster_id, .founders = founders, .members = {}}};
    }
  }
  if (first == nullptr) return std::nullopt;
  for (const Seed& seed : seeds_) {
    if (!seed.answer) continue;
    for (const ClusterMember& known : seed.answer->known) {
      if (known.cluster_id != join.cluster_id || is_same_broker(known, self_)) continue;
      if (std::ranges::find(join.members, known.node_id, &ClusterMember::node_id) ==
          join.members.end()) {
        join.members.push_back(known);
      }
    }
  }
  return join;
}

Forming::Decision Forming::decide() const {
  if (auto why = other_name()) return Refuse{std::move(*why)};
  if (auto decision = existing_cluster()) return std::move(*decision);
  if (auto why = shared_id()) return Refuse{std::move(*why)};
  const bool all = std::ranges::all_of(seeds_, [](const Seed& s) { return s.answer.has_value(); });
  if (!all || !among_seeds()) return AskOn{};
  Founding founding{.cluster_id = {}, .founders = answering(), .members = {}};
  founding.cluster_id = founded_cluster_id(founding.founders);
  // As everybody will know them: each has the same cluster now.
  for (ClusterMember& founder : founding.founders) founder.cluster_id = founding.cluster_id;
  return Found{std::move(founding)};
}

std::vector<std::string> Forming::waits_for() const {
  std::vector<std::string> lines;
  for (const Seed& seed : seeds_) {
    if (seed.answer) continue;
    lines.push_back("seed " + seed.address.to_string() + ": " +
                    (seed.failure ? std::string(seed.failure->message()) : "no answer yet"));
  }
  if (lines.empty() && !among_seeds()) {
    lines.emplace_back("this broker is not one of its seeds, which have no cluster yet");
  }
  return lines;
}

}  // namespace sluice::broker
