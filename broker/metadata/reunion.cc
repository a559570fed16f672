#include "broker/metadata/reunion.h"

#include <utility>

namespace sluice::broker {

Reunion::Reunion(ReunionPorts ports, ReunionOptions options)
    : ports_(std::move(ports)), options_(std::move(options)) {}

void Reunion::stop() {
  stopped_ = true;
  changed_.notify_all();
}

io::Task<void> Reunion::run() {
  TimePoint silent_since = io::Loop::current()->now();
  while (!stopped_) {
    const TimePoint now = io::Loop::current()->now();
    if (ports_.has_leader()) {
      silent_since = now;
      if (std::exchange(was_silent_, false)) ports_.log.info("hears of a controller again");
    } else if (now - silent_since >= options_.patience) {
      if (!std::exchange(was_silent_, true)) say_at_ = now + options_.patience;
      co_await ask_all();
      co_await pause(options_.ask_every);
      continue;
    }
    co_await pause(options_.look_every);
  }
}

io::Task<void> Reunion::ask_all() {
  asked_.clear();
  last_failure_.reset();
  for (const ClusterMember& known : ports_.membership.known()) ask_soon(known.address);
  for (const io::Endpoint& seed : options_.seeds) ask_soon(seed);
  co_await asking_.join();
  const TimePoint now = io::Loop::current()->now();
  if (stopped_ || !last_failure_ || now < say_at_) co_return;
  say_at_ = now + options_.say_every;
  ports_.log.warning("hears of no controller, and asks for it",
                     {{"asked", asked_.size() - 1}, {"cause", last_failure_->message()}});
}

void Reunion::ask_soon(const io::Endpoint& at) {
  const bool is_new = asked_.insert(at.to_string()).second;
  if (is_new && !stopped_ && at != ports_.membership.self().address) asking_.start(ask(at));
}

io::Task<void> Reunion::ask(io::Endpoint at) {
  const ClusterMember self = ports_.membership.self();
  const auto there = co_await ports_.introductions.discover(at);
  if (!there) co_return failed(there.error());
  if (there->self.cluster_id != self.cluster_id || there->self.node_id == self.node_id) co_return;
  // One that came while this broker was away is in no metadata that it has, and may lead by now.
  if (ports_.membership.address_of(there->self.node_id)) {
    ports_.membership.moved(there->self);
  } else {
    ports_.membership.note(there->self);
  }
  for (const ClusterMember& known : there->known) {
    if (known.cluster_id == self.cluster_id && known.node_id != self.node_id) {
      ask_soon(known.address);
    }
  }
  const auto joined =
      co_await ports_.introductions.join(at, ports_.has_log(), options_.join_timeout);
  if (joined || stopped_) co_return;
  failed(joined.error());
  if (joined.error() == Errc::wrong_cluster) ports_.on_refused(joined.error());
}

void Reunion::failed(const Error& why) {
  // That one is not the controller says nothing of what is missing.
  const bool tells = why != Errc::not_controller || !last_failure_;
  if (tells) last_failure_ = why;
}

io::Task<void> Reunion::pause(Duration duration) {
  const TimePoint until = io::Loop::current()->now() + duration;
  uint64_t ticket = changed_.ticket();
  while (!stopped_ && co_await changed_.wait(ticket, until)) ticket = changed_.ticket();
}

}  // namespace sluice::broker
