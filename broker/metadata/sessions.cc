#include "broker/metadata/sessions.h"

#include <algorithm>
#include <utility>

namespace sluice::broker {

const Sessions::Session* Sessions::find(NodeId id) const {
  const auto at = sessions_.find(id);
  return at == sessions_.end() ? nullptr : &at->second;
}

void Sessions::heard(const Heartbeat& beat, TimePoint now) {
  Session& session = sessions_[beat.node];
  session.epoch = beat.broker_epoch;
  session.last = now;
  session.applied = beat.applied_index;
  session.heard = true;
  session.wants_to_stop = beat.wants_to_stop;
  session.problems = beat.problems;
}

void Sessions::follow(const MetadataImage& image, TimePoint now) {
  std::map<NodeId, Session> next;
  for (const BrokerImage& broker : image.brokers) {
    const Session* known = find(broker.id);
    const bool same = known != nullptr && known->epoch == broker.epoch;
    Session& session = next[broker.id];
    session = same ? *known : Session{.epoch = broker.epoch, .last = now, .problems = {}};
    if (!broker.fenced) {
      session.fenced_at = 0;
    } else if (session.fenced_at == 0) {
      session.fenced_at = std::max<uint64_t>(image.version, 1);
    }
  }
  sessions_ = std::move(next);
}

void Sessions::extend(Duration by) {
  for (auto& [id, session] : sessions_) session.last += by;
}

std::vector<Sessions::Sight> Sessions::all(TimePoint now) const {
  std::vector<Sight> sights;
  for (const auto& [id, session] : sessions_) {
    sights.push_back({.id = id,
                      .silent = id == self_ ? Duration{} : std::max(Duration{}, now - session.last),
                      .problems = session.problems});
  }
  return sights;
}

bool Sessions::expired(NodeId id, TimePoint now) const {
  const Session* session = find(id);
  return id != self_ && session != nullptr && now - session->last >= length_;
}

bool Sessions::wants_to_stop(NodeId id) const {
  const Session* session = find(id);
  return session != nullptr && session->wants_to_stop;
}

bool Sessions::caught_up(NodeId id, uint64_t epoch) const {
  const Session* session = find(id);
  return session != nullptr && session->heard && session->epoch == epoch &&
         session->applied >= std::max(epoch, session->fenced_at);
}

}  // namespace sluice::broker
