#include "client/cli/range.h"

#include <algorithm>
#include <map>
#include <optional>

namespace sluice::cli {
namespace {

using Offsets = std::map<PartitionId, Offset>;
using Kind = client::OffsetSpec::Kind;

Result<Offsets> ask(client::Admin& admin, const std::string& topic, client::OffsetSpec spec) {
  ASSIGN_OR_RETURN(const auto answers, admin.list_offsets(topic, spec));
  Offsets offsets;
  for (const client::PartitionOffset& answer : answers) {
    if (answer.offset.value() >= 0) offsets.emplace(answer.partition, answer.offset);
  }
  return offsets;
}

/// The ends of the log, and what a Bound means between them.
class Ends {
 public:
  Ends(client::Admin& admin, const std::string& topic, Timestamp now)
      : admin_(admin), topic_(topic), now_(now) {}

  Result<> load() {
    ASSIGN_OR_RETURN(first_, ask(admin_, topic_, {Kind::earliest}));
    ASSIGN_OR_RETURN(last_, ask(admin_, topic_, {Kind::latest}));
    return {};
  }
  const Offsets& last() const { return last_; }

  /// `future`: what a time beyond now stands for.
  Result<Offsets> resolve(const Bound& bound, std::optional<Offset> future) {
    Offsets found;
    Offsets at_time;
    const bool ask_for_time = bound.kind == Bound::Kind::time && bound.time <= now_;
    if (ask_for_time) {
      ASSIGN_OR_RETURN(at_time, ask(admin_, topic_, {Kind::at_timestamp, bound.time}));
    }
    for (const auto& [partition, end] : last_) {
      const auto begin = first_.find(partition);
      const Offset start = begin == first_.end() ? Offset(0) : begin->second;
      switch (bound.kind) {
        case Bound::Kind::beginning:
          found[partition] = start;
          break;
        case Bound::Kind::end:
          found[partition] = end;
          break;
        case Bound::Kind::offset:
          found[partition] = Offset(bound.offset);
          break;
        case Bound::Kind::before_end:
          found[partition] = std::max(start, end - std::min(bound.offset, end.value()));
          break;
        case Bound::Kind::time: {
          const auto at = at_time.find(partition);
          found[partition] = at != at_time.end() ? at->second
                             : ask_for_time      ? end
                                                 : future.value_or(end);
          break;
        }
      }
    }
    return found;
  }

 private:
  client::Admin& admin_;
  const std::string& topic_;
  const Timestamp now_;
  Offsets first_;
  Offsets last_;
};

}  // namespace

Result<std::vector<PartitionRange>> resolve_ranges(client::Admin& admin, const std::string& topic,
                                                   const std::vector<int32_t>& partitions,
                                                   const Bound& from,
                                                   const std::optional<Bound>& until,
                                                   Timestamp now) {
  Ends ends(admin, topic, now);
  RETURN_IF_ERROR(ends.load());
  for (const int32_t id : partitions) {
    if (!ends.last().contains(PartitionId(id))) {
      return fail(Errc::unknown_topic_or_partition, "there is no partition " + std::to_string(id) +
                                                        "; the topic has " +
                                                        std::to_string(ends.last().size()));
    }
  }
  ASSIGN_OR_RETURN(const Offsets starts, ends.resolve(from, std::nullopt));
  Offsets stops;
  if (until) {
    ASSIGN_OR_RETURN(stops, ends.resolve(*until, kNever));
  }
  std::vector<PartitionRange> ranges;
  for (const auto& [partition, start] : starts) {
    if (!partitions.empty() && std::ranges::find(partitions, partition.value()) == partitions.end())
      continue;
    ranges.push_back({partition, start, until ? stops.at(partition) : kNever});
  }
  return ranges;
}

}  // namespace sluice::cli
