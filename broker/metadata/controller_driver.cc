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
/// Brokers that asked to join and did not start; each is a learner that the leader tries to reach.
constexpr std::ptrdiff_t kMostAwaited = 16;
constexpr Duration kAwaited = std::chrono::minutes(10);

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

/// Registered when it asked to join, and not by itself so far.
bool is_awaited(const BrokerImage& broker) {
  return broker.incarnation.is_zero() && !broker.directory_id.is_zero();
}

}  // namespace

NodeId AwaitedJoins::overdue(const VotingGroup::State& group, const MetadataImage& image,
                             TimePoint now) {
  std::map<NodeId, TimePoint> since;
  NodeId overdue = kNoLeader;
  for (const BrokerImage& broker : image.brokers) {
    const auto matched = group.matched.find(broker.id);
    const bool came = matched != group.matched.end() && matched->second > 0;
    if (!is_awaited(broker) || came || has(group.voters, broker.id)) continue;
    const auto before = since_.find(broker.id);
    since[broker.id] = before == since_.end() ? now : before->second;
    if (now - since[broker.id] >= kAwaited) overdue = broker.id;
  }
  since_ = std::move(since);
  return overdue;
}

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
  awaited_.clear();
  term_ = term;
  if (!leads || closed_) {
    ports_.control.disarm(tick_);
    return;
  }
  const TimePoint now = ports_.control.now();
  core_ =
      std::make_unique<Controller>(options_now(now), ports_.defaults, *ports_.store.image(), now);
  ports_.log.info("controller begins", {{"term", term}});
  hurry();
}

/// Where the leader before handed over, no election took its time: whoever it answered a moment ago
/// counts on a whole session.
ControllerOptions ControllerDriver::options_now(TimePoint now) const {
  ControllerOptions options = options_;
  const TimePoint led = ports_.group.other_led_at ? ports_.group.other_led_at() : TimePoint::min();
  if (led == TimePoint::min() || now - led >= options.session) return options;
  options.first_session = std::max(options.first_session, options.session - (now - led));
  return options;
}

/// The next decision in a turn of its own: who publishes an image must not be called back.
void ControllerDriver::hurry() {
  if (core_ != nullptr) ports_.control.arm(tick_, ports_.control.now());
}

void ControllerDriver::fire() {
  if (core_ == nullptr) return;
  const TimePoint now = ports_.control.now();
  ports_.control.arm(tick_, now + kTick);
  if (!std::exchange(ticking_, true)) runs_.start(run());
  if (!ports_.group.state || promoting_ || now < next_promotion_) return;
  next_promotion_ = now + kPromoteEvery;
  promoting_ = true;
  runs_.start(look_at_learners());
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
io::Task<void> ControllerDriver::look_at_learners() {
  co_await promote_one();
  co_await forget_one();
  promoting_ = false;
}

io::Task<void> ControllerDriver::forget_one() {
  const NodeId id =
      awaited_.overdue(ports_.group.state(), *ports_.store.image(), ports_.control.now());
  if (id == kNoLeader || core_ == nullptr) co_return;
  const auto left = co_await leave(id);
  ports_.log.info("a broker that asked to join did not come and is forgotten",
                  {{"node", id}, {"outcome", left ? "forgotten" : left.error().message()}});
}

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
}

io::Task<Result<>> ControllerDriver::commit(MetadataRecords records) {
  const uint64_t term = term_;
  const ChangeCounts counts = count_changes(*ports_.store.image(), records);
  // Decided as the leader of this term: whoever leads next decides for itself.
  auto committed = co_await ports_.store.commit(std::move(records), term);
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
  const TimePoint now = ports_.control.now();
  auto reply = core_->heartbeat(*image, beat, now);
  if (reply && ports_.group.agreed_at) {
    const TimePoint agreed = ports_.group.agreed_at();
    // It is deposed, and about to be told so.
    if (agreed == TimePoint::min()) co_return fail(Errc::not_controller);
    reply->agreed_ago = now - agreed;
  }
  // Whoever waits to serve or to stop shall not wait for the next tick too.
  if (reply && (reply->fenced || beat.wants_to_stop || !beat.warmed_up.empty())) hurry();
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

io::Task<Result<>> ControllerDriver::report_damage(NodeId node, uint64_t broker_epoch,
                                                   std::vector<DamageReport> reports) {
  const auto turn = co_await turn_.lock();
  for (int attempt = 1;; ++attempt) {
    CO_RETURN_IF_ERROR(check_leads());
    const auto image = ports_.store.image();
    CO_ASSIGN_OR_RETURN(auto records, core_->report_damage(*image, node, broker_epoch, reports));
    if (records.empty()) co_return Result<>{};
    auto committed = co_await commit(std::move(records));
    if (committed || attempt == kAttempts || !was_overtaken(committed.error())) {
      co_return committed;
    }
  }
}

io::Task<Result<>> ControllerDriver::move(MovePartition request) {
  const auto turn = co_await turn_.lock();
  for (int attempt = 1;; ++attempt) {
    CO_RETURN_IF_ERROR(check_leads());
    const auto image = ports_.store.image();
    CO_ASSIGN_OR_RETURN(auto records, core_->move(*image, request, ports_.control.now()));
    if (records.empty()) co_return Result<>{};
    auto committed = co_await commit(std::move(records));
    if (committed || attempt == kAttempts || !was_overtaken(committed.error())) {
      co_return committed;
    }
  }
}

io::Task<Result<>> ControllerDriver::drain(NodeId node, bool undo) {
  const auto turn = co_await turn_.lock();
  for (int attempt = 1;; ++attempt) {
    CO_RETURN_IF_ERROR(check_leads());
    MetadataRecords records;
    if (undo) {
      records = core_->end_drain(*ports_.store.image(), node);
    } else {
      auto& draining = *records.emplace_back().mutable_broker_draining();
      draining.set_node_id(node.value());
      draining.set_draining(true);
    }
    auto committed = co_await commit(std::move(records));
    if (committed) break;
    if (attempt == kAttempts || !was_overtaken(committed.error())) co_return committed;
  }
  if (core_ != nullptr) core_->spread_soon();
  hurry();
  co_return Result<>{};
}

bool ControllerDriver::is_member(NodeId node) const {
  if (!ports_.group.state) return false;
  const auto group = ports_.group.state();
  return has(group.voters, node) || has(group.learners, node);
}

/// An empty directory under the id of a member that voted and acknowledged would vote again.
Result<> ControllerDriver::check_directory(const ClusterMember& member) const {
  const auto image = ports_.store.image();
  const NodeId node = member.node_id;
  const BrokerImage* known = image->broker(node);
  std::optional<Uuid> directory;
  if (known != nullptr) {
    directory = known->directory_id;
    if (directory->is_zero() || *directory == member.directory_id) return {};
  } else {
    if (!is_member(node)) return {};
    if (ports_.group.directory_of) directory = ports_.group.directory_of(node);
    if (directory == member.directory_id) return {};
  }
  return fail(Errc::wrong_cluster, text_of(node) + " has the metadata directory with the id " +
                                       (directory ? directory->text() : "that nobody here knows") +
                                       ", not " + member.directory_id.text() +
                                       "; if its disk was replaced, run `sluice cluster leave " +
                                       std::to_string(node.value()) +
                                       "` first, or choose a new node.id");
}

io::Task<Result<>> ControllerDriver::join(ClusterMember member, bool returning) {
  CO_RETURN_IF_ERROR(check_leads());
  if (!ports_.group.state) co_return fail(alone());
  const NodeId node = member.node_id;
  CO_RETURN_IF_ERROR(check_directory(member));
  if (is_member(node)) co_return Result<>{};
  if (returning) {
    co_return fail(Errc::wrong_cluster,
                   text_of(node) + " is no member of cluster " + member.cluster_id +
                       " any more: it was taken out with `sluice cluster leave " +
                       std::to_string(node.value()) +
                       "`; move its metadata directory away to join as a new broker");
  }
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
  if (known == nullptr && std::ranges::count_if(image->brokers, is_awaited) >= kMostAwaited) {
    co_return fail(Errc::too_many,
                   std::to_string(kMostAwaited) +
                       " brokers asked to join and have not started; start them, or "
                       "take them out with `sluice cluster leave ID`");
  }
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
  const bool known = image.broker(node) != nullptr;
  if (!known && !is_member(node)) {
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
  if ((known && image.brokers.size() == 1) || (last_voter && node == options_.self)) {
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
  // A member that never came has no more to be forgotten.
  if (ports_.store.image()->broker(node) == nullptr) co_return Result<>{};
  MetadataRecords records(1);
  records.front().mutable_broker_removed()->set_node_id(node.value());
  co_return co_await commit(std::move(records));
}

}  // namespace sluice::broker
