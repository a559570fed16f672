#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/strong.h"
#include "base/time.h"
#include "broker/metadata/image.h"
#include "broker/metadata/warm_ups.h"

namespace sluice::broker {

/// What a broker says of itself a few times a second.
struct Heartbeat {
  NodeId node{-1};
  uint64_t broker_epoch = 0;
  /// How far it has folded the metadata.
  uint64_t applied_index = 0;
  bool wants_to_stop = false;
  /// What it was asked to read in, and has.
  std::vector<PartitionName> warmed_up = {};
  /// What is not well with it, for people to read.
  std::vector<std::string> problems = {};
};

/// Who was heard of, and until when that counts. Time is handed in.
class Sessions {
 public:
  /// `self` is the controller's own broker: it hears of itself as long as it runs.
  Sessions(NodeId self, Duration length) : self_(self), length_(length) {}

  /// The heartbeat has the epoch that the broker is registered with.
  void heard(const Heartbeat& beat, TimePoint now);
  /// Everybody known gets a session; who is new or registered anew, a whole one.
  void follow(const MetadataImage& image, TimePoint now);
  /// The controller did not run for so long: that is nobody else's silence.
  void extend(Duration by);

  /// What is known of a broker.
  struct Sight {
    NodeId id{-1};
    /// Since it was heard of, or since this controller began.
    Duration silent{};
    /// What it said last of itself.
    std::vector<std::string> problems;
  };
  /// By id.
  std::vector<Sight> all(TimePoint now) const;

  bool expired(NodeId id, TimePoint now) const;
  bool wants_to_stop(NodeId id) const;
  /// It said that it folded its own registration, and that it was fenced: who does not know would
  /// take up again what others lead by now.
  bool caught_up(NodeId id, uint64_t epoch) const;

 private:
  struct Session {
    uint64_t epoch = 0;
    TimePoint last;
    uint64_t applied = 0;
    /// The first version of the metadata in which it was seen fenced; 0: it is not.
    uint64_t fenced_at = 0;
    bool heard = false;
    bool wants_to_stop = false;
    std::vector<std::string> problems;
  };

  const Session* find(NodeId id) const;

  const NodeId self_;
  const Duration length_;
  std::map<NodeId, Session> sessions_;
};

}  // namespace sluice::broker
