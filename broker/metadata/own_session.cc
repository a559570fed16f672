#include "broker/metadata/own_session.h"

#include <algorithm>
#include <utility>

namespace sluice::broker {

void OwnSession::answered(TimePoint sent, bool fenced, Duration agreed_ago) {
  last_answer_ = std::max(last_answer_, sent - agreed_ago);
  fenced_by_answer_ = fenced;
}

bool OwnSession::follow(const MetadataImage& image, NodeId self, const Uuid& incarnation) {
  const BrokerImage* known = image.broker(self);
  const bool serves = known != nullptr && known->incarnation == incarnation && !known->fenced;
  alone_ = serves && image.brokers.size() == 1;
  return std::exchange(fenced_in_image_, !serves) && serves;
}

TimePoint OwnSession::until() const {
  if (alone_) return TimePoint::max();
  if (fenced() || last_answer_ == TimePoint::min()) return TimePoint::min();
  return last_answer_ + length_;
}

}  // namespace sluice::broker
