#include "broker/control_plane.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/crc32c.h"
#include "broker/metadata/directory_id.h"

namespace sluice::broker {
namespace {

constexpr Duration kForwardTimeout = std::chrono::seconds(5);
constexpr Duration kRetry = std::chrono::milliseconds(100);
/// Of a partition that this controller wants to be led elsewhere; a stop waits for that.
constexpr Duration kWarmUpMax = std::chrono::seconds(1);
/// Others take over within it, or there are none that could.
constexpr Duration kHandOver = std::chrono::seconds(2);

std::string bytes_of(const Uuid& id) { return std::string(as_text(id.bytes())); }

std::vector<io::Endpoint> endpoints_of(const std::vector<std::string>& texts) {
  std::vector<io::Endpoint> endpoints;
  for (const std::string& text : texts) {
    auto parsed = io::Endpoint::parse(text);
    CHECK(parsed.has_value(), "addresses were checked with the options");
    endpoints.push_back(std::move(*parsed));
  }
  return endpoints;
}

}  // namespace

ControlPlane::ControlPlane(ControlPlanePorts ports, const BrokerOptions& options)
    : ports_(std::move(ports)), options_(options), own_(ControllerOptions{}.session) {}

ControlPlane::~ControlPlane() = default;

std::string ControlPlane::directory() const { return metadata_directory_of(options_); }

io::Task<Result<>> ControlPlane::open() {
  io::Runtime& runtime = ports_.runtime;
  io::LaneOptions lanes;
  lanes.timeout = options_.storage.lanes.timeout;
  lanes.on_offline = ports_.on_fatal;
  disk_ =
      std::make_unique<io::LaneDisk>(runtime.disk, runtime.clock, directory(), std::move(lanes));
  CO_RETURN_IF_ERROR(co_await disk_->create_directories(directory()));
  auto lock = co_await disk_->lock(directory() + "/.lock");
  if (!lock) {
    if (lock.error() != Errc::locked) co_return fail(std::move(lock).error());
    // Its own words name the process.
    co_return fail(std::move(lock).error().with_context("directory " + directory() +
                                                        " is in use by another broker"));
  }
  lock_ = std::move(*lock);
  CO_ASSIGN_OR_RETURN(const Uuid directory_id,
                      co_await open_directory_id(*disk_, directory(), runtime.random));
  membership_ = std::make_unique<Membership>(ClusterMember{.cluster_name = options_.cluster_name,
                                                           .node_id = options_.node_id,
                                                           .directory_id = directory_id});
  MetricsRegistry& metrics = ports_.metrics;
  cluster_ = std::make_unique<ClusterPorts>(
      runtime.executor.control(), *membership_,
      metrics.counter("raft_corrupt_messages_total",
                      "Messages of the consensus that arrived damaged."));
  peers_ = std::make_unique<Peers>(PeersPorts{
      runtime, *membership_, ports_.memory.child("peers", 256_MiB), ports_.log, ports_.on_fatal});
  transport_ = std::make_unique<PeerRaftTransport>(RaftTransportPorts{
      *peers_, *membership_,
      [this](NodeId node) {
        if (log_ != nullptr) log_->unreachable(node);
      },
      [this](NodeId node, bool ok) {
        if (log_ != nullptr) log_->snapshot_sent(node, ok);
      },
      metrics.counter("raft_messages_sent_total", "Messages of the consensus sent to peers."),
      metrics.counter("raft_messages_dropped_total",
                      "Messages of the consensus that could not be sent.")});
  controller_metrics_ = std::make_unique<ControllerMetrics>(metrics);
  incarnation_ = Uuid::random(runtime.random);
  ports_.store.on_image([this](const std::shared_ptr<const MetadataImage>& image) {
    membership_->update(*image);
    follow_image(*image);
    changed_.notify_all();
  });
  co_return Result<>{};
}

io::Task<Result<>> ControlPlane::join(std::string own_cluster_id) {
  MemoryBudget& memory = ports_.memory.child("forming", 8_MiB);
  introductions_ = std::make_unique<Introductions>(ports_.runtime, *membership_, memory);
  forming_ = std::make_unique<FormingDriver>(
      FormingPorts{ports_.runtime, *disk_, *membership_, memory, ports_.log},
      FormingOptions{.directory = directory(),
                     .seeds = endpoints_of(options_.seeds),
                     .own_cluster_id = own_cluster_id});
  if (stopping_) co_return fail(Errc::shutting_down);
  CO_ASSIGN_OR_RETURN(const Founding founding, co_await forming_->run());
  CO_RETURN_IF_ERROR(co_await open_log(founding));
  fresh_ = ports_.store.image()->brokers.empty();
  start_reunion();
  // An earlier version may have ended before it named the cluster that a broker alone is.
  const std::string& id = founding.cluster_id.empty() ? own_cluster_id : founding.cluster_id;
  // One that is told of its cluster by a leader, or names it with the others.
  while (ports_.store.image()->cluster_id.empty()) {
    if (stopping_) co_return fail(Errc::shutting_down);
    std::vector<cluster::MetadataRecord> records(1);
    records.front().mutable_cluster_created()->set_cluster_id(id);
    // Whether it was this broker that named it does not matter.
    static_cast<void>(co_await ports_.store.commit(std::move(records)));
    if (ports_.store.image()->cluster_id.empty()) co_await pause(kRetry);
  }
  co_return Result<>{};
}

VotingGroup ControlPlane::voting_group() {
  return {.state =
              [this] {
                const RaftLog::Status status = log_->status();
                return VotingGroup::State{status.voters, status.learners, status.matched,
                                          status.last};
              },
          .add_learner = [this](NodeId id) { return log_->add_learner(id); },
          .promote = [this](NodeId id) { return log_->promote(id); },
          .remove = [this](NodeId id) { return log_->remove(id); },
          .transfer = [this](NodeId id) { return log_->transfer(id); },
          .directory_of = [this](NodeId id) { return membership_->directory_of(id); },
          .agreed_at = [this] { return log_->status().agreed_at; },
          .other_led_at = [this] { return log_->status().other_led_at; }};
}

void ControlPlane::start_reunion() {
  ReunionPorts ports{.introductions = *introductions_,
                     .membership = *membership_,
                     .log = ports_.log,
                     .has_leader =
                         [this] {
                           const auto leader = log_->leader();
                           return leader &&
                                  (*leader == options_.node_id || membership_->address_of(*leader));
                         },
                     .has_log = [this] { return log_->status().last > 0; },
                     .on_refused = [this](const Error& why) { refused(why); }};
  reunion_ = std::make_unique<Reunion>(std::move(ports),
                                       ReunionOptions{.seeds = endpoints_of(options_.seeds)});
  running_.start(reunion_->run());
}

/// Nothing can come of a start then. A broker that runs has been drained, and is stopped by whoever
/// took it out.
void ControlPlane::refused(const Error& why) {
  if (stopping_ || std::exchange(said_refused_, true)) return;
  if (!registered()) return ports_.on_fatal(why);
  ports_.log.error("this broker is no longer of its cluster", {{"cause", why.message()}});
}

io::Task<Result<>> ControlPlane::open_log(const Founding& founding) {
  io::Loop& control = ports_.runtime.executor.control();
  controller_ = std::make_unique<ControllerDriver>(
      ControllerDriver::Ports{ports_.store, control, ports_.log, options_.topics.options,
                              voting_group(), controller_metrics_.get()},
      ControllerOptions{.self = options_.node_id,
                        .warm_up_max = options_.warm_up_bytes == 0 ? Duration{0} : kWarmUpMax});
  RaftOptions raft{.self = options_.node_id};
  if (founding.cluster_id.empty()) {
    raft.bootstrap = RaftBootstrap{{options_.node_id}};
  } else if (!founding.founders.empty()) {
    raft.bootstrap = RaftBootstrap{founding.voters()};
  }
  RaftLog::Ports ports{
      .disk = *disk_,
      .control = control,
      .random = ports_.runtime.random,
      .log = ports_.log,
      .subscriber = ports_.store.subscriber(),
      .on_failed = ports_.on_fatal,
      .executor = &ports_.runtime.executor,
      .transport = this,
      .forward =
          [this](NodeId leader, std::vector<std::byte> command) {
            return forward(leader, std::move(command));
          },
      .on_role = [this](bool leads, uint64_t term) { controller_->on_role(leads, term); }};
  CO_ASSIGN_OR_RETURN(log_, co_await RaftLog::open(std::move(ports), directory(), std::move(raft)));
  ports_.metrics.gauge("raft_log_stuck",
                       "1 while the metadata log cannot be written: no space, or no answer.", {},
                       [this] { return log_->stuck() ? 1.0 : 0.0; });
  ports_.store.use(*log_);
  cluster_->consensus.store(this);
  cluster_->controller.store(this);
  co_return Result<>{};
}

io::Task<Result<uint64_t>> ControlPlane::forward(NodeId leader, std::vector<std::byte> command) {
  native::RequestHeader request;
  request.mutable_propose()->set_crc(crc32c(command));
  const TimePoint deadline = io::Loop::current()->now() + kForwardTimeout;
  CO_ASSIGN_OR_RETURN(
      const PeerAnswer answer,
      co_await peers_->call(leader, Purpose::control, std::move(request), command, deadline));
  co_return answer.header.propose().index();
}

bool ControlPlane::alone() const {
  return options_.seeds.empty() && ports_.store.image()->brokers.size() <= 1;
}

cluster::MetadataRecord ControlPlane::registration(const io::Endpoint& address,
                                                   const AtStart& at_start) const {
  cluster::MetadataRecord record;
  auto& broker = *record.mutable_broker_registered();
  broker.set_node_id(options_.node_id.value());
  broker.set_host(address.host);
  broker.set_port(address.port);
  broker.set_rack(options_.rack);
  broker.set_unclean(at_start.unclean);
  for (const auto& [topic_id, partitions] : at_start.lacking) {
    auto& lacking = *broker.add_lacking();
    lacking.set_topic_id(bytes_of(topic_id));
    lacking.mutable_partitions()->Assign(partitions.begin(), partitions.end());
  }
  broker.set_incarnation(bytes_of(incarnation_));
  broker.set_directory_id(bytes_of(membership_->self().directory_id));
  return record;
}

bool ControlPlane::registered() const {
  const auto image = ports_.store.image();
  const BrokerImage* known = image->broker(options_.node_id);
  return known != nullptr && known->incarnation == incarnation_;
}

uint64_t ControlPlane::broker_epoch() const {
  const auto image = ports_.store.image();
  const BrokerImage* known = image->broker(options_.node_id);
  return known == nullptr || known->incarnation != incarnation_ ? 0 : known->epoch;
}

io::Task<Result<>> ControlPlane::register_broker(io::Endpoint address, AtStart at_start) {
  address_ = address;
  while (!registered()) {
    if (stopping_) co_return fail(Errc::shutting_down);
    std::vector<cluster::MetadataRecord> records;
    records.push_back(registration(address, at_start));
    auto committed = co_await ports_.store.commit(std::move(records));
    if (committed) break;
    if (!is_retriable(committed.error().code())) co_return fail(std::move(committed).error());
    co_await pause(kRetry);
  }
  running_.start(keep_session());
  co_return Result<>{};
}

io::Task<Result<>> ControlPlane::wait_unfenced() {
  for (;;) {
    const uint64_t ticket = changed_.ticket();
    const auto image = ports_.store.image();
    const BrokerImage* known = image->broker(options_.node_id);
    const bool serves = known != nullptr && known->incarnation == incarnation_ && !known->fenced;
    if (serves && lease_.holds(io::Loop::current()->now())) co_return Result<>{};
    if (stopping_) co_return fail(Errc::shutting_down);
    co_await changed_.wait(ticket);
  }
}

std::vector<std::string> ControlPlane::waits_for() const {
  if (log_ == nullptr)
    return forming_ == nullptr ? std::vector<std::string>{} : forming_->waits_for();
  if (log_->leader()) return {"the controller lets it in once it has the metadata"};
  std::string missing;
  for (const NodeId voter : state().unreached) missing += " " + std::to_string(voter.value());
  return {"there is no controller: most of the voters have to run and reach each other" +
          (missing.empty() ? "" : "; not reached from here: brokers" + missing)};
}

ControlSight ControlPlane::sight() const {
  ControlSight sight;
  if (log_ == nullptr) return sight;
  const TimePoint now = ports_.runtime.clock.now();
  sight.log = log_->status();
  sight.controller = controller_->leads();
  sight.sessions = controller_->sessions();
  sight.acknowledges = lease_.holds(now);
  if (own_.last_answer() != TimePoint::min()) sight.unanswered = now - own_.last_answer();
  return sight;
}

io::Task<std::vector<Result<uint32_t>>> ControlPlane::alter(std::vector<InSyncChange> changes) {
  const auto leader = log_->leader();
  if (leader == options_.node_id) {
    co_return co_await controller_->alter_in_sync(options_.node_id, broker_epoch(),
                                                  std::move(changes));
  }
  std::vector<Result<uint32_t>> outcomes(changes.size(), fail(Errc::not_controller));
  if (!leader) co_return outcomes;
  native::RequestHeader request;
  auto& to = *request.mutable_alter_in_sync();
  to.set_node_id(options_.node_id.value());
  to.set_broker_epoch(broker_epoch());
  for (const InSyncChange& change : changes) {
    auto& partition = *to.add_partitions();
    partition.set_topic_id(bytes_of(change.topic_id));
    partition.set_partition(change.partition.value());
    partition.set_leader_epoch(change.leader_epoch.value());
    partition.set_partition_epoch(change.partition_epoch);
    for (const NodeId id : change.in_sync) partition.add_in_sync(id.value());
    for (const uint64_t epoch : change.broker_epochs) partition.add_broker_epochs(epoch);
  }
  const TimePoint deadline = io::Loop::current()->now() + kForwardTimeout;
  const auto answer =
      co_await peers_->call(*leader, Purpose::control, std::move(request), {}, deadline);
  for (size_t i = 0; i < outcomes.size(); ++i) {
    if (!answer) {
      outcomes[i] = fail(answer.error());
      continue;
    }
    const auto& said = answer->header.alter_in_sync();
    if (std::cmp_less_equal(said.partitions_size(), i)) continue;
    const auto& partition = said.partitions(static_cast<int>(i));
    if (partition.error().code() == 0) {
      outcomes[i] = partition.partition_epoch();
    } else {
      outcomes[i] = fail(errc_from_wire(partition.error().code()), partition.error().message());
    }
  }
  co_return outcomes;
}

io::Task<Result<>> ControlPlane::report(std::vector<DamageReport> reports) {
  const auto leader = log_->leader();
  if (leader == options_.node_id) {
    co_return co_await controller_->report_damage(options_.node_id, broker_epoch(),
                                                  std::move(reports));
  }
  if (!leader) co_return fail(Errc::not_controller);
  native::RequestHeader request;
  auto& to = *request.mutable_report_damage();
  to.set_node_id(options_.node_id.value());
  to.set_broker_epoch(broker_epoch());
  for (const DamageReport& report : reports) {
    auto& partition = *to.add_partitions();
    partition.set_topic_id(bytes_of(report.topic_id));
    partition.set_partition(report.partition.value());
    partition.set_damaged(report.damaged);
  }
  const TimePoint deadline = io::Loop::current()->now() + kForwardTimeout;
  CO_RETURN_IF_ERROR(
      co_await peers_->call(*leader, Purpose::control, std::move(request), {}, deadline));
  co_return Result<>{};
}

/// Ends at once when the broker is told to stop.
io::Task<void> ControlPlane::pause(Duration duration) {
  const TimePoint until = io::Loop::current()->now() + duration;
  bool woken = true;
  while (woken && !stopping_) woken = co_await changed_.wait(changed_.ticket(), until);
}

io::Task<void> ControlPlane::hand_over(TimePoint deadline) {
  if (log_ == nullptr || !registered() || alone()) co_return;
  wants_to_stop_ = true;
  deadline = std::min(deadline, io::Loop::current()->now() + kHandOver);
  while (!may_stop_ && !stopping_) {
    if (!co_await changed_.wait(changed_.ticket(), deadline)) break;
  }
  co_await hand_over_log();
}

void ControlPlane::hand_over_metadata() {
  if (log_ != nullptr && !stopping_) running_.start(hand_over_log());
}

/// The next leader of the metadata need not wait for an election time-out.
io::Task<void> ControlPlane::hand_over_log() {
  const RaftLog::Status status = log_->status();
  if (!status.leads) co_return;
  NodeId best{-1};
  uint64_t most = 0;
  for (const NodeId voter : status.voters) {
    const auto matched = status.matched.find(voter);
    if (voter == options_.node_id || matched == status.matched.end()) continue;
    if (matched->second >= most) {
      best = voter;
      most = matched->second;
    }
  }
  if (best.value() >= 0) static_cast<void>(co_await log_->transfer(best));
}

void ControlPlane::interrupt() {
  stopping_ = true;
  ports_.runtime.executor.control().disarm(lease_end_);
  changed_.notify_all();
  if (forming_ != nullptr) forming_->stop();
  if (reunion_ != nullptr) reunion_->stop();
}

io::Task<void> ControlPlane::stop() {
  interrupt();
  if (log_ != nullptr) ports_.metrics.drop_gauge("raft_log_stuck", {});
  if (cluster_ != nullptr) {
    cluster_->consensus.store(nullptr);
    cluster_->controller.store(nullptr);
  }
  // Together: what the controller has under way ends with the log.
  io::Scope ending;
  if (controller_ != nullptr) ending.start(controller_->stop());
  if (log_ != nullptr) co_await log_->close();
  co_await ending.join();
  co_await running_.join();
  if (transport_ != nullptr) co_await transport_->stop();
  if (peers_ != nullptr) co_await peers_->stop();
}

void ControlPlane::receive(NodeId from, ByteView message) { log_->receive(from, message); }

io::Task<Result<uint64_t>> ControlPlane::propose_here(std::vector<std::byte> command) {
  return log_->propose_here(std::move(command));
}

ConsensusState ControlPlane::state() const {
  const RaftLog::Status status = log_->status();
  ConsensusState state{.leader = status.leader, .term = status.term, .voters = status.voters};
  for (const NodeId voter : status.voters) {
    const bool reached = voter == options_.node_id || peers_->connected(voter, Purpose::consensus);
    if (!reached) state.unreached.push_back(voter);
  }
  state.sessions = controller_->sessions();
  state.fenced_because = why_fenced();
  return state;
}

void ControlPlane::send(NodeId to, std::vector<std::byte> message) {
  transport_->send(to, std::move(message));
}

io::Task<Result<HeartbeatReply>> ControlPlane::heartbeat(Heartbeat beat) {
  return controller_->heartbeat(beat);
}

io::Task<std::vector<Result<uint32_t>>> ControlPlane::alter_in_sync(
    NodeId node, uint64_t broker_epoch, std::vector<InSyncChange> changes) {
  return controller_->alter_in_sync(node, broker_epoch, std::move(changes));
}

io::Task<Result<>> ControlPlane::report_damage(NodeId node, uint64_t broker_epoch,
                                               std::vector<DamageReport> reports) {
  return controller_->report_damage(node, broker_epoch, std::move(reports));
}

io::Task<Result<>> ControlPlane::join(ClusterMember member, bool returning) {
  return controller_->join(std::move(member), returning);
}

io::Task<Result<>> ControlPlane::leave(NodeId node) { return controller_->leave(node); }
io::Task<Result<>> ControlPlane::move(MovePartition move) {
  return controller_->move(std::move(move));
}
io::Task<Result<>> ControlPlane::drain(NodeId node, bool undo) {
  return controller_->drain(node, undo);
}

}  // namespace sluice::broker
