#include "broker/metadata/controller_driver.h"

#include <algorithm>
#include <string>
#include <utility>

#include "broker/metadata/elections.h"
#include "broker/metadata/moves.h"

namespace sluice::broker {
namespace {

constexpr Duration kTick = std::chrono::milliseconds(100);
constexpr Duration kPromoteEvery = std::chrono::seconds(1);
constexpr size_t kMostVoters = 5;
/// Entries that a learner may be behind.
constexpr uint64_t kNearlyAll = 1000;
constexpr int kAttempts = 3;

/// Another command came in between; decided anew, it may do.
bool was_overtaken(const Error& error) {
  return error == Errc::fenced_leader_epoch || error == Errc::unknown_session ||
         error == Errc::unknown_topic_id || error == Errc::unknown_topic_or_partition;
}

std::vector<Result<uint32_t>> all_failed(size_t count, const Error& error) {
  std::vector<Result<uint32_t>> outcomes;
  for (size_t i = 0; i < count; ++i) outcomes.push_back(fail(error));
  return outcomes;
}

Error alone() {
  return Error(Errc::unsupported,
               "this broker has no group; start it with seeds, so that others can join");
}

std::string text_of(NodeId id) { return "broker " + std::to_string(id.value()); }

}  // namespace

NodeId learner_to_promote(const VotingGroup::State& group, const MetadataImage& image) {
  if (group.voters.size() >= kMostVoters) return kNoLeader;
  for (const NodeId id : group.learners) {
    const BrokerImage* broker = image.broker(id);
    const auto matched = group.matched.find(id);
    if (broker == nullptr || broker->fenced || matched == group.matched.end()) continue;
    if (matched->second + kNearlyAll >= group.last) return id;
  }
  return kNoLeader;
}

ControllerDriver::ControllerDriver(Ports ports, ControllerOptions options)
    : ports_(std::move(ports)), options_(options) {
  ports_.store.on_image([this](const std::shared_ptr<const MetadataImage>&) { hurry(); });
}

void ControllerDriver::on_role(bool leads, uint64_t term) {
  core_.reset();
  term_ = term;
  if (!leads || closed_) {
    ports_.control.disarm(tick_);
    return;
  }
  const TimePoint now = ports_.control.now();
  core_ = std::make_unique<Controller>(options_, ports_.defaults, *ports_.store.image(), now);
  ports_.log.info("controller begins", {{"term", term}});
  hurry();
}

/// The next decision in a turn of its own: who publishes an image must not be called back.
void ControllerDriver::hurry() {
  if (core_ != nullptr) ports_.control.arm(tick_, ports_.control.now());
}

void ControllerDriver::fire() {
  if (core_ == nullptr) return;
  ports_.control.arm(tick_, ports_.control.now() + kTick);
  if (!std::exchange(ticking_, true)) runs_.start(run());
  const TimePoint now = ports_.control.now();
  if (!ports_.group.state || promoting_ || now < next_promotion_) return;
  next_promotion_ = now + kPromoteEvery;
  promoting_ = true;
  runs_.start(promote_one());
}

io::Task<void> ControllerDriver::run() {
  {
    const auto turn = co_await turn_.lock();
    while (core_ != nullptr) {
      auto records = core_->tick(ports_.store.image(), ports_.control.now());
      if (records.empty()) break;
      tell(records);
      if (auto committed = co_await commit(std::move(records)); !committed) {
        ports_.log.warning("a decision of the controller was not committed",
                           {{"cause", committed.error().message()}});
        break;
      }
    }
  }
  ticking_ = false;
}

/// Beside the decisions: a change of the group may wait for a member that is slow.
io::Task<void> ControllerDriver::promote_one() {
  const NodeId id = learner_to_promote(ports_.group.state(), *ports_.store.image());
  if (id != kNoLeader) {
    if (auto promoted = co_await ports_.group.promote(id); promoted) {
      ports_.log.info("learner became a voter", {{"node", id}});
    } else {
      ports_.log.warning("learner not promoted",
                         {{"node", id}, {"cause", promoted.error().message()}});
    }
  }
  promoting_ = false;
}

io::Task<Result<>> ControllerDriver::commit(MetadataRecords records) {
  const uint64_t term = term_;
  const ChangeCounts counts = count_changes(*ports_.store.image(), records);
  auto committed = co_await ports_.store.commit(std::move(records));
  if (committed && ports_.metrics != nullptr) ports_.metrics->add(ports_.control.index(), counts);
  if (!committed && core_ != nullptr && term_ == term) core_->not_committed();
  co_return committed;
}

void ControllerDriver::tell(const MetadataRecords& records) const {
  size_t partitions = 0;
  for (const auto& record : records) {
    if (record.has_broker_fenced()) {
      ports_.log.info("broker fenced", {{"node", record.broker_fenced().node_id()}});
    } else if (record.has_broker_unfenced()) {
      ports_.log.info("broker serves", {{"node", record.broker_unfenced().node_id()}});
    } else {
      ++partitions;
    }
  }
  if (partitions != 0) ports_.log.info("partitions changed", {{"count", partitions}});
}

io::Task<void> ControllerDriver::stop() {
  closed_ = true;
  core_.reset();
  ports_.control.disarm(tick_);
  co_await runs_.join();
  // Who waits for a turn finds that there is no controller.
  const auto turn = co_await turn_.lock();
}

Result<> ControllerDriver::check_leads() const {
  if (core_ == nullptr) return fail(closed_ ? Errc::shutting_down : Errc::not_controller);
  return {};
}

io::Task<Result<HeartbeatReply>> ControllerDriver::heartbeat(Heartbeat beat) {
  CO_RETURN_IF_ERROR(check_leads());
  const auto image = ports_.store.image();
  auto reply = core_->heartbeat(*image, beat, ports_.control.now());
  // Whoever waits to serve or to stop shall not wait for the next tick too.
  if (reply && (reply->fenced || beat.wants_to_stop)) hurry();
  co_return reply;
}

std::vector<Sessions::Sight> ControllerDriver::sessions() const {
  if (core_ == nullptr) return {};
  return core_->sessions(ports_.control.now());
}

io::Task<std::vector<Result<uint32_t>>> ControllerDriver::alter_in_sync(
    NodeId node, uint64_t broker_epoch, std::vector<InSyncChange> changes) {
  const auto turn = co_await turn_.lock();
  Error why(Errc::outcome_unknown);
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    if (auto leads = check_leads(); !leads) co_return all_failed(changes.size(), leads.error());
    const auto image = ports_.store.image();
    auto altered = core_->alter_in_sync(*image, node, broker_epoch, changes);
    if (!altered) co_return all_failed(changes.size(), altered.error());
    if (altered->records.empty()) co_return std::move(altered->epochs);
    auto committed = co_await commit(std::move(altered->records));
    if (committed) co_return std::move(altered->epochs);
    why = std::move(committed).error();
    if (!was_overtaken(why)) break;
  }
  co_return all_failed(changes.size(), why);
}

io::Task<Result<>> ControllerDriver::move(MovePartition request) {
  const auto turn = co_await turn_.lock();
  for (int attempt = 1;; ++attempt) {
    CO_RETURN_IF_ERROR(check_leads());
    const auto image = ports_.store.image();
    CO_ASSIGN_OR_RETURN(auto records, core_->move(*image, request));
    if (records.empty()) co_return Result<>{};
    auto committed = co_await commit(std::move(records));
    if (committed || attempt == kAttempts || !was_overtaken(committed.error())) {
      co_return committed;
    }
  }
}

io::Task<Result<>> ControllerDriver::drain(NodeId node, bool undo) {
  const auto turn = co_await turn_.lock();
  CO_RETURN_IF_ERROR(check_leads());
  MetadataRecords records(1);
  auto& draining = *records.front().mutable_broker_draining();
  draining.set_node_id(node.value());
  draining.set_draining(!undo);
  CO_RETURN_IF_ERROR(co_await commit(std::move(records)));
  if (core_ != nullptr) core_->spread_soon();
  hurry();
  co_return Result<>{};
}

io::Task<Result<>> ControllerDriver::join(ClusterMember member) {
  CO_RETURN_IF_ERROR(check_leads());
  if (!ports_.group.state) co_return fail(alone());
  const NodeId node = member.node_id;
  const auto image = ports_.store.image();
  const BrokerImage* known = image->broker(node);
  if (known != nullptr && !known->directory_id.is_zero() &&
      known->directory_id != member.directory_id) {
    co_return fail(Errc::wrong_cluster,
                   text_of(node) + " has the metadata directory with the id " +
                       known->directory_id.text() + ", not " + member.directory_id.text() +
                       "; if its disk was replaced, run `sluice cluster leave " +
                       std::to_string(node.value()) + "` first, or choose a new node.id");
  }
  const auto group = ports_.group.state();
  if (has(group.voters, node) || has(group.learners, node)) co_return Result<>{};
  CO_RETURN_IF_ERROR(co_await register_joining(std::move(member)));
  co_return co_await ports_.group.add_learner(node);
}

/// Without an incarnation: the process that it is registers itself once it has the metadata.
io::Task<Result<>> ControllerDriver::register_joining(ClusterMember member) {
  const auto turn = co_await turn_.lock();
  CO_RETURN_IF_ERROR(check_leads());
  const auto image = ports_.store.image();
  const BrokerImage* known = image->broker(member.node_id);
  const bool found_there = known != nullptr && known->directory_id == member.directory_id &&
                           io::Endpoint{known->host, known->port} == member.address;
  if (found_there) co_return Result<>{};
  MetadataRecords records(1);
  auto& broker = *records.front().mutable_broker_registered();
  broker.set_node_id(member.node_id.value());
  broker.set_host(member.address.host);
  broker.set_port(member.address.port);
  broker.set_directory_id(std::string(as_text(member.directory_id.bytes())));
  co_return co_await commit(std::move(records));
}

Result<> ControllerDriver::check_may_leave(const MetadataImage& image, NodeId node) const {
  const std::string number = std::to_string(node.value());
  if (image.broker(node) == nullptr) {
    return fail(Errc::not_found, "there is no broker " + number +
                                     "; `sluice cluster status` lists those that there are");
  }
  if (const size_t replicas = count_replicas(image, node); replicas != 0) {
    return fail(Errc::invalid_request, "broker " + number + " still has " +
                                           std::to_string(replicas) +
                                           " replicas; run `sluice broker drain " + number +
                                           "` first and wait until none is left");
  }
  const bool last_voter =
      !ports_.group.state || ports_.group.state().voters == std::vector<NodeId>{node};
  if (image.brokers.size() == 1 || (last_voter && node == options_.self)) {
    return fail(Errc::invalid_request,
                "broker " + number + " is the last voter; it cannot leave, stop it instead");
  }
  return {};
}

io::Task<Result<>> ControllerDriver::leave_group(NodeId node) {
  if (!ports_.group.state) co_return Result<>{};
  const auto group = ports_.group.state();
  if (node == options_.self) {
    const auto other = std::ranges::find_if(group.voters, [&](NodeId id) { return id != node; });
    CO_RETURN_IF_ERROR(co_await ports_.group.transfer(*other));
    co_return fail(Errc::not_controller,
                   text_of(node) + " was the controller; another takes over, ask again");
  }
  if (!has(group.voters, node) && !has(group.learners, node)) co_return Result<>{};
  co_return co_await ports_.group.remove(node);
}

io::Task<Result<>> ControllerDriver::leave(NodeId node) {
  CO_RETURN_IF_ERROR(check_leads());
  CO_RETURN_IF_ERROR(check_may_leave(*ports_.store.image(), node));
  // First of all, so that whoever repeats a leave that was cut short still finds the broker.
  CO_RETURN_IF_ERROR(co_await leave_group(node));
  const auto turn = co_await turn_.lock();
  CO_RETURN_IF_ERROR(check_leads());
  MetadataRecords records(1);
  records.front().mutable_broker_removed()->set_node_id(node.value());
  co_return co_await commit(std::move(records));
}

}  // namespace sluice::broker
