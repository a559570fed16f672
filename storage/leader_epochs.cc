#include "storage/leader_epochs.h"

#include <algorithm>
#include <string>

#include "storage/text_lines.h"

namespace sluice::storage {

bool LeaderEpochs::assign(LeaderEpoch epoch, Offset start) {
  if (!entries_.empty() && entries_.back().epoch == epoch && entries_.back().start <= start)
    return false;
  std::erase_if(entries_, [&](const Entry& e) { return e.epoch >= epoch || e.start >= start; });
  entries_.push_back({epoch, start});
  return true;
}

bool LeaderEpochs::truncate_end(Offset end) {
  return std::erase_if(entries_, [&](const Entry& e) { return e.start >= end; }) > 0;
}

bool LeaderEpochs::truncate_start(Offset start) {
  auto behind = std::ranges::upper_bound(entries_, start, {}, &Entry::start);
  if (behind == entries_.begin()) return false;
  const auto covering = behind - 1;
  if (covering == entries_.begin() && covering->start == start) return false;
  covering->start = start;
  entries_.erase(entries_.begin(), covering);
  return true;
}

LeaderEpoch LeaderEpochs::latest() const {
  return entries_.empty() ? LeaderEpoch{-1} : entries_.back().epoch;
}

std::optional<LeaderEpoch> LeaderEpochs::epoch_at(Offset offset) const {
  const auto behind = std::ranges::upper_bound(entries_, offset, {}, &Entry::start);
  if (behind == entries_.begin()) return std::nullopt;
  return (behind - 1)->epoch;
}

std::pair<LeaderEpoch, Offset> LeaderEpochs::end_of(LeaderEpoch asked, Offset log_end) const {
  if (entries_.empty() || asked > latest() || asked.value() < 0)
    return {LeaderEpoch{-1}, Offset{-1}};
  if (asked == latest()) return {asked, log_end};
  const auto higher = std::ranges::upper_bound(entries_, asked, {}, &Entry::epoch);
  if (higher == entries_.begin()) return {asked, higher->start};
  return {(higher - 1)->epoch, higher->start};
}

std::vector<std::byte> LeaderEpochs::encode() const {
  std::string text = "0\n" + std::to_string(entries_.size()) + "\n";
  for (const Entry& entry : entries_) {
    text += std::to_string(entry.epoch.value()) + " " + std::to_string(entry.start.value()) + "\n";
  }
  const ByteView bytes = as_bytes(text);
  return {bytes.begin(), bytes.end()};
}

Result<LeaderEpochs> LeaderEpochs::parse(ByteView content) {
  TextLines lines(as_text(content));
  ASSIGN_OR_RETURN(const size_t count, lines.checkpoint_header());
  LeaderEpochs epochs;
  while (auto line = lines.next()) {
    const auto epoch = parse_number<int32_t>(take_field(*line));
    const auto start = parse_number<int64_t>(*line);
    if (!epoch || !start || *epoch < 0 || *start < 0)
      return fail(lines.bad("an epoch and its first offset should stand here"));
    const Entry entry{LeaderEpoch(*epoch), Offset(*start)};
    if (!epochs.empty() && (entry.epoch <= epochs.entries_.back().epoch ||
                            entry.start < epochs.entries_.back().start)) {
      return fail(lines.bad("epochs and their offsets grow from line to line"));
    }
    epochs.entries_.push_back(entry);
  }
  if (epochs.entries_.size() != count)
    return fail(lines.bad("there are fewer or more entries than the second line says"));
  return epochs;
}

}  // namespace sluice::storage
