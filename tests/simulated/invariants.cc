#include "tests/simulated/invariants.h"

#include <map>
#include <set>
#include <tuple>
#include <utility>

namespace sluice::sim {
namespace {

using Broken = std::vector<std::string>;

std::string at(const Place& place, Offset offset) {
  return place.to_string() + "@" + std::to_string(offset.value());
}

/// Whether a promise of `era` still binds at the end of the run.
bool binds(const History& history, const Place& place, uint32_t era) {
  return era == history.era(place.topic);
}

class LogIndex {
 public:
  explicit LogIndex(const History& history) {
    for (const auto& [place, records] : history.log()) {
      for (const auto& record : records) {
        by_offset_.emplace(std::pair(place, record.offset), record.id);
        by_record_[record.id].push_back(&record);
      }
    }
  }
  const RecordId* find(const Place& place, Offset offset) const {
    const auto found = by_offset_.find({place, offset});
    return found == by_offset_.end() ? nullptr : &found->second;
  }
  const std::map<RecordId, std::vector<const Sighting*>>& by_record() const { return by_record_; }

  /// Says what stands where the record should.
  std::string instead(const Place& place, Offset offset) const {
    const RecordId* other = find(place, offset);
    return other == nullptr ? "the log has nothing there" : "the log has " + other->to_string();
  }

 private:
  std::map<std::pair<Place, Offset>, RecordId> by_offset_;
  std::map<RecordId, std::vector<const Sighting*>> by_record_;
};

void check_acknowledged(const History& history, const LogIndex& log, Broken& broken) {
  for (const auto& [id, attempt] : history.attempts()) {
    if (attempt.outcome != Outcome::acknowledged) continue;
    const RecordId* there = log.find(attempt.place, attempt.offset);
    const bool is_there = there != nullptr && *there == id;
    if (!is_there && binds(history, attempt.place, attempt.era)) {
      broken.push_back(id.to_string() + " was acknowledged at " +
                       at(attempt.place, attempt.offset) + ", but " +
                       log.instead(attempt.place, attempt.offset));
    }
    const auto found = log.by_record().find(id);
    if (found == log.by_record().end()) continue;
    for (const Sighting* record : found->second) {
      if (record->place == attempt.place && record->offset == attempt.offset) continue;
      broken.push_back(id.to_string() + " was acknowledged at " +
                       at(attempt.place, attempt.offset) + ", but is at " +
                       at(record->place, record->offset));
    }
  }
}

void check_seen(const History& history, const LogIndex& log, Broken& broken) {
  for (const auto& seen : history.sightings()) {
    if (!binds(history, seen.place, seen.era)) continue;
    const RecordId* there = log.find(seen.place, seen.offset);
    if (there != nullptr && *there == seen.id) continue;
    broken.push_back(seen.reader + " read " + seen.id.to_string() + " at " +
                     at(seen.place, seen.offset) + ", but " + log.instead(seen.place, seen.offset));
  }
}

void check_dense(const History& history, Broken& broken) {
  for (const auto& [place, records] : history.log()) {
    Offset next{0};
    for (const auto& record : records) {
      if (record.offset != next) {
        broken.push_back("the log of " + place.to_string() + " goes on at " +
                         std::to_string(record.offset.value()) + " instead of " +
                         std::to_string(next.value()));
      }
      next = record.offset + 1;
    }
  }
}

void check_once(const History& history, const LogIndex& log, Broken& broken) {
  for (const auto& [id, records] : log.by_record()) {
    if (records.size() == 1) continue;
    const auto sent = history.attempts().find(id);
    if (sent != history.attempts().end() && sent->second.repeats) continue;
    std::string text =
        id.to_string() + " is in the log " + std::to_string(records.size()) + " times:";
    for (const Sighting* record : records) text += " " + at(record->place, record->offset);
    broken.push_back(std::move(text));
  }
}

void check_order(const History& history, Broken& broken) {
  for (const auto& [place, records] : history.log()) {
    std::map<uint32_t, const Sighting*> last;
    for (const auto& record : records) {
      const auto sent = history.attempts().find(record.id);
      if (sent == history.attempts().end()) {
        broken.push_back(record.id.to_string() + " is in the log and was never sent");
        continue;
      }
      if (!sent->second.idempotent) continue;
      const Sighting*& before = last[record.id.producer];
      if (before != nullptr && before->id.number >= record.id.number) {
        broken.push_back(record.id.to_string() + " stands at " + at(place, record.offset) +
                         ", behind " + before->id.to_string());
      }
      before = &record;
    }
  }
}

void check_one_value(const History& history, Broken& broken) {
  std::map<std::tuple<Place, Offset, LeaderEpoch>, const Sighting*> values;
  const auto add = [&](const Sighting& seen) {
    const LeaderEpoch epoch = history.is_synced(seen.place.topic) ? LeaderEpoch(-1) : seen.epoch;
    const Sighting* first =
        values.try_emplace({seen.place, seen.offset, epoch}, &seen).first->second;
    if (first->id == seen.id) return;
    broken.push_back(at(seen.place, seen.offset) + " of epoch " +
                     std::to_string(seen.epoch.value()) + " was " + first->id.to_string() +
                     " for " + first->reader + " and is " + seen.id.to_string() + " for " +
                     seen.reader);
  };
  for (const auto& seen : history.sightings()) add(seen);
  for (const auto& [place, records] : history.log()) {
    for (const auto& record : records) add(record);
  }
}

void check_readers(const History& history, Broken& broken) {
  std::map<std::pair<std::string, Place>, const Sighting*> last;
  for (const auto& seen : history.sightings()) {
    const Sighting*& before = last[{seen.reader, seen.place}];
    const Offset expected = before == nullptr ? Offset(0) : before->offset + 1;
    const bool excused = before != nullptr && before->era != seen.era;
    if (seen.offset != expected && !excused) {
      broken.push_back(seen.reader + " got " + at(seen.place, seen.offset) + " after " +
                       std::to_string(expected.value() - 1));
    }
    before = &seen;
  }
  std::map<std::pair<std::string, Place>, const Mark*> marks;
  for (const auto& mark : history.marks()) {
    const Mark*& before = marks[{mark.reader, mark.place}];
    const bool comparable = before != nullptr && before->era == mark.era;
    if (comparable && mark.high_watermark < before->high_watermark) {
      broken.push_back("the high watermark of " + mark.place.to_string() + " went from " +
                       std::to_string(before->high_watermark.value()) + " to " +
                       std::to_string(mark.high_watermark.value()) + " for " + mark.reader);
    }
    before = &mark;
    if (mark.era != mark.floor.era || mark.high_watermark >= mark.floor.end) continue;
    broken.push_back(mark.reader + " was told that " + mark.place.to_string() + " ends at " +
                     std::to_string(mark.high_watermark.value()) + " after everything below " +
                     std::to_string(mark.floor.end.value()) + " had been acknowledged");
  }
}

void check_refused(const History& history, const LogIndex& log, Broken& broken) {
  std::set<RecordId> refused;
  for (const auto& [id, attempt] : history.attempts()) {
    if (attempt.outcome == Outcome::refused) refused.insert(id);
  }
  std::map<RecordId, std::string> where;
  for (const auto& seen : history.sightings()) where[seen.id] = at(seen.place, seen.offset);
  for (const auto& [id, records] : log.by_record()) {
    where[id] = at(records.front()->place, records.front()->offset);
  }
  for (const RecordId id : refused) {
    const auto found = where.find(id);
    if (found == where.end()) continue;
    broken.push_back(id.to_string() + " was refused (" + history.attempts().at(id).error +
                     "), but stands at " + found->second);
  }
}

}  // namespace

std::vector<std::string> broken_invariants(const History& history) {
  Broken broken = history.violations();
  const LogIndex log(history);
  if (history.log_complete()) {
    check_acknowledged(history, log, broken);
    check_seen(history, log, broken);
  }
  check_dense(history, broken);
  check_once(history, log, broken);
  check_order(history, broken);
  check_one_value(history, broken);
  check_readers(history, broken);
  check_refused(history, log, broken);
  return broken;
}

}  // namespace sluice::sim
