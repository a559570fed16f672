#include <chrono>
#include <string>
#include <utility>

#include "broker/control_plane.h"

// The session with the controller: heartbeats, and what this broker may do while they are answered.
namespace sluice::broker {
namespace {

constexpr Duration kHeartbeat = std::chrono::milliseconds(200);
constexpr Duration kHeartbeatRetry = std::chrono::milliseconds(50);
/// Of one heartbeat: well within the session, because the next one may be for another controller.
constexpr Duration kHeartbeatTimeout = std::chrono::milliseconds(400);

std::string bytes_of(const Uuid& id) { return std::string(as_text(id.bytes())); }

}  // namespace

void ControlPlane::follow_image(const MetadataImage& image) {
  beat_soon_ |= own_.follow(image, options_.node_id, incarnation_);
  keep_lease();
}

void ControlPlane::keep_lease() {
  io::Loop& control = ports_.runtime.executor.control();
  const TimePoint until = own_.until();
  const TimePoint now = control.now();
  const bool holds = now < until;
  lease_.set(until);
  if (stopping_) return;
  if (holds && until != TimePoint::max()) {
    control.arm(lease_end_, until);
  } else {
    control.disarm(lease_end_);
  }
  if (holds == std::exchange(acknowledges_, holds)) return;
  changed_.notify_all();
  if (holds) {
    if (std::exchange(lost_session_, false)) ports_.log.info("acknowledges again");
    return;
  }
  lost_session_ = true;
  if (!wants_to_stop_) ports_.log.warning("acknowledges nothing", {{"cause", why_fenced()}});
  ports_.on_session_lost();
}

std::string ControlPlane::why_fenced() const {
  const TimePoint now = ports_.runtime.clock.now();
  if (lease_.holds(now)) return {};
  if (own_.last_answer() == TimePoint::min()) return "the controller has not answered yet";
  if (own_.fenced()) {
    return "the controller has fenced this broker: it had not heard of it for too long, or it "
           "stops";
  }
  const auto silent =
      std::chrono::duration_cast<std::chrono::milliseconds>(now - own_.last_answer());
  return "the controller has not been reached for " + std::to_string(silent.count()) +
         " ms; check the network between the brokers, and whether most of the voters run";
}

io::Task<void> ControlPlane::keep_session() {
  while (!stopping_) {
    beat_soon_ = false;
    const bool answered = co_await beat();
    // A controller that has just begun is to hear of everybody soon, and they of it.
    const TimePoint next = io::Loop::current()->now() + (answered ? kHeartbeat : kHeartbeatRetry);
    bool woken = true;
    // Who waits for a partition to be read in does not wait for the next turn too.
    while (woken && !stopping_ && !beat_soon_ && (warmed_up_.empty() || !warming_up_.empty())) {
      woken = co_await changed_.wait(changed_.ticket(), next);
    }
  }
}

io::Task<bool> ControlPlane::beat() {
  const auto leader = log_->leader();
  if (!leader) {
    co_await pause(kHeartbeatRetry);
    co_return false;
  }
  const TimePoint sent = io::Loop::current()->now();
  const auto reply = co_await send_beat(*leader, {.node = options_.node_id,
                                                  .broker_epoch = broker_epoch(),
                                                  .applied_index = ports_.store.image()->version,
                                                  .wants_to_stop = wants_to_stop_,
                                                  .warmed_up = std::exchange(warmed_up_, {}),
                                                  .problems = ports_.problems()});
  may_stop_ = reply && reply->may_stop;
  if (may_stop_) changed_.notify_all();
  if (!reply) co_return false;
  begin_warm_ups(reply->warm_up);
  own_.answered(sent, reply->fenced, reply->agreed_ago);
  keep_lease();
  co_return true;
}

io::Task<Result<HeartbeatReply>> ControlPlane::send_beat(NodeId leader, Heartbeat beat) {
  if (leader == options_.node_id) co_return co_await controller_->heartbeat(std::move(beat));
  native::RequestHeader request;
  auto& to = *request.mutable_heartbeat();
  to.set_node_id(beat.node.value());
  to.set_broker_epoch(beat.broker_epoch);
  to.set_applied_index(beat.applied_index);
  to.set_wants_to_stop(beat.wants_to_stop);
  for (const PartitionName& name : beat.warmed_up) {
    auto& done = *to.add_warmed_up();
    done.set_topic_id(bytes_of(name.topic_id));
    done.set_partition(name.partition.value());
  }
  for (const std::string& problem : beat.problems) to.add_problems(problem);
  const TimePoint deadline = io::Loop::current()->now() + kHeartbeatTimeout;
  CO_ASSIGN_OR_RETURN(const auto answer, co_await peers_->call(leader, Purpose::heartbeat,
                                                               std::move(request), {}, deadline));
  const auto& said = answer.header.heartbeat();
  HeartbeatReply reply{.fenced = said.fenced(),
                       .agreed_ago = std::chrono::milliseconds(said.agreed_ms_ago()),
                       .may_stop = said.may_stop()};
  for (const auto& name : said.warm_up()) {
    if (name.topic_id().size() != Uuid::kSize) continue;
    reply.warm_up.push_back(
        {Uuid::from_bytes(as_bytes(name.topic_id())), PartitionId{name.partition()}});
  }
  co_return reply;
}

void ControlPlane::begin_warm_ups(const std::vector<PartitionName>& names) {
  if (stopping_ || wants_to_stop_) return;
  for (const PartitionName& name : names) {
    if (warming_up_.insert(name).second) running_.start(warm_up(name));
  }
}

io::Task<void> ControlPlane::warm_up(PartitionName name) {
  co_await ports_.warm_up(name);
  warming_up_.erase(name);
  warmed_up_.push_back(name);
  changed_.notify_all();
}

}  // namespace sluice::broker
