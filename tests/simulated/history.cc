#include "tests/simulated/history.h"

#include <algorithm>
#include <charconv>
#include <cstdio>

#include "base/check.h"
#include "base/random.h"

namespace sluice::sim {
namespace {

constexpr size_t kFillBelow = 400;

std::optional<uint32_t> take_number(std::string_view& text, char end) {
  uint32_t number = 0;
  const auto [at, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || at == text.data() + text.size() || *at != end) return std::nullopt;
  text.remove_prefix(static_cast<size_t>(at - text.data()) + 1);
  return number;
}

std::string at(const Place& place, Offset offset) {
  return place.to_string() + "@" + std::to_string(offset.value());
}

}  // namespace

std::string RecordId::to_string() const {
  return "p" + std::to_string(producer) + "/" + std::to_string(number);
}

std::string Place::to_string() const { return topic + "-" + std::to_string(partition.value()); }

std::string value_of(RecordId id) {
  SeededRandom random(uint64_t{id.producer} << 32 | id.number);
  std::string value = std::to_string(id.producer) + "/" + std::to_string(id.number) + ":";
  const size_t fill = random.below(kFillBelow);
  for (size_t i = 0; i < fill; ++i) value.push_back(static_cast<char>(random.below(256)));
  return value;
}

std::optional<RecordId> record_of(std::string_view value) {
  std::string_view rest = value;
  const auto producer = take_number(rest, '/');
  if (!producer) return std::nullopt;
  const auto number = take_number(rest, ':');
  if (!number) return std::nullopt;
  const RecordId id{*producer, *number};
  if (value != value_of(id)) return std::nullopt;
  return id;
}

void History::sent(RecordId id, Place place, bool idempotent, bool repeats) {
  const bool is_new = attempts_
                          .try_emplace(id, Attempt{.id = id,
                                                   .place = std::move(place),
                                                   .idempotent = idempotent,
                                                   .repeats = repeats})
                          .second;
  CHECK(is_new, "a record is handed over once");
}

Attempt& History::attempt(RecordId id) {
  const auto found = attempts_.find(id);
  CHECK(found != attempts_.end(), "an outcome is that of a record that was sent");
  return found->second;
}

void History::settle(RecordId id, Outcome outcome) {
  Attempt& record = attempt(id);
  if (record.outcome != Outcome::pending) violated(id.to_string() + " got a second outcome");
  record.outcome = outcome;
  record.era = era(record.place.topic);
}

void History::acknowledged(RecordId id, Offset offset) {
  settle(id, Outcome::acknowledged);
  Attempt& record = attempt(id);
  record.offset = offset;
  note(id.to_string() + " acknowledged at " + at(record.place, offset));
  const Offset end = std::max(floor(record.place).end, offset + 1);
  floors_[record.place] = {.end = end, .era = record.era};
}

Floor History::floor(const Place& place) const {
  const auto found = floors_.find(place);
  if (found != floors_.end() && found->second.era == era(place.topic)) return found->second;
  return {.era = era(place.topic)};
}

void History::taken(RecordId id) {
  settle(id, Outcome::unknown);
  attempt(id).error = "taken by the leader";
  note(id.to_string() + " taken by the leader of " + attempt(id).place.to_string());
}

uint32_t History::era(const std::string& topic) const {
  switch (topics_.at(topic)) {
    case Promise::synced:
      return 0;
    case Promise::replicated:
      return total_losses_;
    case Promise::cached:
      return minority_losses_ + total_losses_;
  }
  return 0;
}

void History::failed(RecordId id, const Error& why, bool definite) {
  settle(id, definite ? Outcome::refused : Outcome::unknown);
  attempt(id).error = std::string(name_of(why.code())) + ": " + std::string(why.message());
  note(id.to_string() + (definite ? " refused: " : " unknown: ") + attempt(id).error);
}

void History::saw(const std::string& reader, const Place& place, Offset offset, LeaderEpoch epoch,
                  std::string_view value) {
  const auto id = record_of(value);
  if (!id) {
    violated(reader + " read bytes that nobody wrote at " + at(place, offset));
    return;
  }
  if (on_read_) on_read_(reader, place, offset);
  note(reader + " read " + id->to_string() + " at " + at(place, offset) + " of epoch " +
       std::to_string(epoch.value()));
  sightings_.push_back({reader, place, offset, epoch, *id, era(place.topic)});
}

void History::was_told(const std::string& reader, const Place& place, Offset high_watermark,
                       Floor floor) {
  note(reader + " was told that " + place.to_string() + " ends at " +
       std::to_string(high_watermark.value()));
  marks_.push_back({reader, place, high_watermark, era(place.topic), floor});
}

void History::found(const Place& place, Offset offset, LeaderEpoch epoch, std::string_view value) {
  const auto id = record_of(value);
  if (!id) {
    violated("the log holds bytes that nobody wrote at " + at(place, offset));
    return;
  }
  log_[place].push_back({"the log", place, offset, epoch, *id, era(place.topic)});
}

void History::note(std::string text) { lines_.emplace_back(now_(), std::move(text)); }

void History::violated(std::string what) {
  note("VIOLATED: " + what);
  violations_.push_back(std::move(what));
}

size_t History::count(Outcome outcome) const {
  return static_cast<size_t>(std::ranges::count_if(
      attempts_, [&](const auto& entry) { return entry.second.outcome == outcome; }));
}

std::string History::to_text(size_t lines, std::string_view about) const {
  std::vector<const std::pair<Duration, std::string>*> chosen;
  for (const auto& line : lines_) {
    if (about.empty() || line.second.find(about) != std::string::npos) chosen.push_back(&line);
  }
  std::string text;
  const size_t first = chosen.size() - std::min(lines, chosen.size());
  if (first > 0) text += "... " + std::to_string(first) + " lines before\n";
  for (size_t i = first; i < chosen.size(); ++i) {
    char when[32];
    std::snprintf(when, sizeof when, "%12.6f  ",
                  static_cast<double>(chosen[i]->first.count()) / 1e9);
    text += when + chosen[i]->second + "\n";
  }
  return text;
}

}  // namespace sluice::sim
