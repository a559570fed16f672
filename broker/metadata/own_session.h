#pragma once

#include "base/time.h"
#include "broker/metadata/image.h"

namespace sluice::broker {

/// A broker's own view of its session with the controller: until when it may take itself for one
/// that is counted on. Never longer than any controller does: it counts from when a heartbeat was
/// sent, or from when most of the voters last counted on the controller that answered; one that was
/// paused or cut off answers too. Pure.
class OwnSession {
 public:
  explicit OwnSession(Duration length) : length_(length) {}

  /// The controller answered the heartbeat that was sent at that time; it had been agreed on so
  /// long before.
  void answered(TimePoint sent, bool fenced, Duration agreed_ago = {});
  /// After each change of the metadata; true when it has just been let in, so that the next answer
  /// says so too.
  bool follow(const MetadataImage& image, NodeId self, const Uuid& incarnation);

  /// min() while it is fenced, max() while there is no other broker.
  TimePoint until() const;
  /// As far as it knows itself.
  bool fenced() const { return !alone_ && (fenced_by_answer_ || fenced_in_image_); }
  TimePoint last_answer() const { return last_answer_; }

 private:
  const Duration length_;
  TimePoint last_answer_ = TimePoint::min();
  bool fenced_by_answer_ = true;
  bool fenced_in_image_ = true;
  bool alone_ = false;
};

}  // namespace sluice::broker
