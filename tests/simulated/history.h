#pragma once

#include <compare>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "base/strong.h"
#include "base/time.h"

namespace sluice::sim {

/// Names a record of a run: its bytes follow from it, so that what is read can be told and checked.
struct RecordId {
  uint32_t producer = 0;
  uint32_t number = 0;
  auto operator<=>(const RecordId&) const = default;
  std::string to_string() const;
};

/// The value of a record: its name and some bytes to fill it up, of a size that differs from record
/// to record.
std::string value_of(RecordId id);
/// None when the value is not, byte for byte, one that a run writes.
std::optional<RecordId> record_of(std::string_view value);

struct Place {
  std::string topic;
  PartitionId partition{0};
  auto operator<=>(const Place&) const = default;
  std::string to_string() const;
};

enum class Outcome : uint8_t {
  pending,
  acknowledged,
  refused,  ///< an error that says that it was not written
  unknown,  ///< an error that leaves it open
};

/// Which loss of power a topic's acknowledged records survive.
enum class Promise : uint8_t {
  synced,      ///< any: they were on the devices before they were acknowledged
  replicated,  ///< that of a minority of the brokers
  cached,      ///< none; only the death of processes
};

/// What became of one record that was handed to a producer.
struct Attempt {
  RecordId id;
  Place place;
  /// Its producer promises order, and no duplicates through retries.
  bool idempotent = false;
  /// Its producer sends again what has no answer, whether it is there or not.
  bool repeats = false;
  Outcome outcome = Outcome::pending;
  Offset offset{-1};
  /// Losses of power that the topic does not survive, before the outcome came.
  uint32_t era = 0;
  std::string error;
};

/// A record that somebody read.
struct Sighting {
  std::string reader;
  Place place;
  Offset offset{0};
  LeaderEpoch epoch{-1};
  RecordId id;
  uint32_t era = 0;
};

/// Where a partition ended, at least, when somebody asked for its end.
struct Floor {
  Offset end{0};
  uint32_t era = 0;
};

/// What somebody was told about a partition's end.
struct Mark {
  std::string reader;
  Place place;
  Offset high_watermark{0};
  uint32_t era = 0;
  Floor floor;
};

/// Everything that clients were promised and shown in a run, and what was done to the cluster
/// meanwhile: what invariants are checked on.
class History {
 public:
  /// `now` dates the lines that to_text() shows.
  explicit History(std::function<Duration()> now) : now_(std::move(now)) {}
  History(const History&) = delete;
  History& operator=(const History&) = delete;

  void add_topic(const std::string& name, Promise promise) { topics_[name] = promise; }
  Promise promise(const std::string& topic) const { return topics_.at(topic); }
  bool knows(const std::string& topic) const { return topics_.contains(topic); }
  bool is_synced(const std::string& topic) const { return topics_.at(topic) == Promise::synced; }

  void sent(RecordId id, Place place, bool idempotent, bool repeats = false);
  void acknowledged(RecordId id, Offset offset);
  /// The leader alone has it: it may be lost and changed places with.
  void taken(RecordId id);
  void failed(RecordId id, const Error& why, bool definite);
  void saw(const std::string& reader, const Place& place, Offset offset, LeaderEpoch epoch,
           std::string_view value);
  /// The end of what is acknowledged by now.
  Floor floor(const Place& place) const;
  /// `floor` as it was before the question.
  void was_told(const std::string& reader, const Place& place, Offset high_watermark, Floor floor);
  /// A record of the log as it is when all is over; in the order of the offsets.
  void found(const Place& place, Offset offset, LeaderEpoch epoch, std::string_view value);

  /// All of the log was found: what is missing in it is lost.
  void set_log_complete() { log_complete_ = true; }
  bool log_complete() const { return log_complete_; }

  /// A broker of a cluster lost its power: a new era for topics that do not survive even that.
  void lose_minority() { ++minority_losses_; }
  /// All are up again after all lost their power: what comes now is of another era.
  void begin_era() { ++total_losses_; }
  /// How often a topic lost what was promised of it.
  uint32_t era(const std::string& topic) const;
  uint32_t power_cuts() const { return minority_losses_ + total_losses_; }
  /// Called for each record that somebody reads.
  using ReadObserver = std::function<void(const std::string& reader, const Place&, Offset)>;
  void on_read(ReadObserver observer) { on_read_ = std::move(observer); }
  /// A line for the reader of a failure.
  void note(std::string text);
  /// Something that is wrong whatever else happened.
  void violated(std::string what);

  const std::map<RecordId, Attempt>& attempts() const { return attempts_; }
  const std::vector<Sighting>& sightings() const { return sightings_; }
  const std::vector<Mark>& marks() const { return marks_; }
  const std::map<Place, std::vector<Sighting>>& log() const { return log_; }
  const std::vector<std::string>& violations() const { return violations_; }
  size_t count(Outcome outcome) const;
  size_t pending() const { return count(Outcome::pending); }

  /// The dated lines with `about` in them, oldest first, at most the last `lines`.
  std::string to_text(size_t lines, std::string_view about = {}) const;

 private:
  Attempt& attempt(RecordId id);
  void settle(RecordId id, Outcome outcome);

  const std::function<Duration()> now_;
  std::map<std::string, Promise> topics_;
  std::map<RecordId, Attempt> attempts_;
  std::map<Place, Floor> floors_;
  std::vector<Sighting> sightings_;
  std::vector<Mark> marks_;
  std::map<Place, std::vector<Sighting>> log_;
  std::vector<std::string> violations_;
  std::vector<std::pair<Duration, std::string>> lines_;
  bool log_complete_ = false;
  ReadObserver on_read_;
  uint32_t minority_losses_ = 0;
  uint32_t total_losses_ = 0;
};

}  // namespace sluice::sim
