#include "client/consumer/assignment.h"

#include <algorithm>
#include <utility>

namespace sluice::client {
namespace {

/// A batch's records inflate to at most this.
constexpr size_t kMaxInflated = 512_MiB;
constexpr size_t kTruncationsKept = 100;

std::string label(const Partition& partition) {
  return partition.topic + "-" + std::to_string(partition.id.value());
}

Error not_assigned(const Partition& partition) {
  return Error(Errc::unknown_topic_or_partition, label(partition) + " is not assigned");
}

std::optional<std::string_view> text_of(const std::optional<ByteView>& bytes) {
  if (!bytes) return std::nullopt;
  return as_text(*bytes);
}

}  // namespace

std::vector<Header> ConsumedRecord::headers() const {
  std::vector<Header> out;
  out.reserve(header_count);
  for (const auto& header : record::HeadersView::checked(as_bytes(raw_headers), header_count)) {
    out.push_back({.key = header.key, .value = text_of(header.value)});
  }
  return out;
}

void Assignment::drop_buffered(AssignedPartition& partition) {
  partition.chunks.clear();
  partition.buffered = 0;
  partition.open.reset();
}

void Assignment::restart(AssignedPartition& partition, SeekTarget to) {
  partition.seek = to;
  partition.version = ++last_version_;
  partition.failures = 0;
  partition.retry_at = TimePoint::min();
  partition.error.reset();
  partition.parted_from.reset();
  const auto* offset = std::get_if<Offset>(&to);
  // Who goes elsewhere says nothing of what is before that.
  if (offset != nullptr && *offset == partition.position) {
    partition.trail.back_to(*offset);
  } else {
    partition.trail.forget();
  }
  if (offset != nullptr) partition.position = *offset;
  drop_buffered(partition);
  wanted_.notify_all();
}

void Assignment::replace(const Places& places) {
  const std::lock_guard lock(mutex_);
  // What is under way for the old ones finds their version gone.
  for (auto& partition : partitions_) partition->version = ++last_version_;
  lent_partitions_.insert(lent_partitions_.end(), partitions_.begin(), partitions_.end());
  partitions_.clear();
  for (const auto& [partition, target] : places) {
    partitions_.push_back(std::make_shared<AssignedPartition>(partition));
    restart(*partitions_.back(), target);
  }
  turn_ = 0;
  wanted_.notify_all();
}

Result<> Assignment::seek(const Partition& partition, SeekTarget to) {
  const std::lock_guard lock(mutex_);
  const auto found = find(partition);
  if (found == nullptr) return fail(not_assigned(partition));
  restart(*found, to);
  return {};
}

Result<> Assignment::pause(const Partition& partition, bool paused) {
  const std::lock_guard lock(mutex_);
  const auto found = find(partition);
  if (found == nullptr) return fail(not_assigned(partition));
  if (found->paused == paused) return {};
  found->paused = paused;
  // What it has buffered would hold whole answers, and with them the memory of the others.
  if (paused && found->has_records()) restart(*found, found->position);
  if (!paused) wanted_.notify_all();
  return {};
}

Result<Offset> Assignment::position(const Partition& partition) const {
  const std::lock_guard lock(mutex_);
  const auto found = find(partition);
  if (found == nullptr) return fail(not_assigned(partition));
  if (found->seek && !std::holds_alternative<Offset>(*found->seek) && !found->has_records()) {
    return fail(Errc::would_block, label(partition) + " has not been placed yet; poll first");
  }
  return found->position;
}

std::vector<Partition> Assignment::list() const {
  const std::lock_guard lock(mutex_);
  std::vector<Partition> out;
  for (const auto& partition : partitions_) out.push_back(partition->name);
  return out;
}

std::shared_ptr<AssignedPartition> Assignment::find(const Partition& partition) const {
  const auto found = std::ranges::find_if(
      partitions_, [&](const auto& candidate) { return candidate->name == partition; });
  return found == partitions_.end() ? nullptr : *found;
}

void Assignment::add(const PartitionRef& ref, Chunk chunk) {
  const auto add = [&](AssignedPartition& partition) {
    // Nobody would poll it, and it would hold the memory of the others: it is fetched again.
    if (partition.paused) return;
    record::BatchCursor cursor(chunk.bytes);
    size_t batches = 0;
    while (true) {
      auto batch = cursor.next();
      if (!batch) {
        partition.error = std::move(batch).error().with_context(label(partition.name));
        break;
      }
      if (!*batch) break;
      const record::BatchHeader& header = (*batch)->header();
      partition.trail.read(header.leader_epoch, header.base_offset);
      partition.fetch_from = std::max(partition.fetch_from, header.next_offset());
      ++batches;
    }
    chunk.bytes = chunk.bytes.first(cursor.position());
    if (batches > 0) {
      partition.average_batch = (partition.average_batch * 7 + chunk.bytes.size() / batches) / 8;
      partition.buffered += chunk.bytes.size();
      partition.chunks.push_back(std::move(chunk));
    }
  };
  if (update(ref, add)) ready_.notify_all();
}

void Assignment::set_error(const PartitionRef& ref, Error error) {
  const auto set = [&](AssignedPartition& partition) {
    partition.error = std::move(error).with_context(label(partition.name));
  };
  if (update(ref, set)) ready_.notify_all();
}

void Assignment::refetch(const PartitionRef& ref, SeekTarget to) {
  const auto set = [&](AssignedPartition& partition) {
    partition.seek = to;
    partition.version = ++last_version_;
    partition.trail.forget();
  };
  if (update(ref, set)) wanted_.notify_all();
}

bool Assignment::part(const PartitionRef& ref, LeaderEpoch epoch, Offset end) {
  bool changed = false;
  const auto cut = [&](AssignedPartition& partition) {
    const auto parting = partition.trail.part(epoch, end);
    const Offset before = partition.fetch_from;
    const LeaderEpoch last = partition.trail.last();
    // What is buffered is of the log that is gone, or is fetched again.
    drop_buffered(partition);
    const Offset position = partition.parted_from.value_or(partition.position);
    const Offset to = std::min(parting.at, partition.position);
    if (to < partition.position) partition.parted_from = position;
    partition.position = partition.fetch_from = to;
    partition.trail.back_to(to);
    changed = partition.fetch_from != before || partition.trail.last() != last;
    if (changed) partition.version = ++last_version_;
    if (parting.certain && partition.parted_from) truncated(partition, position);
  };
  if (update(ref, cut)) ready_.notify_all();
  return changed;
}

bool Assignment::agree(const PartitionRef& ref) {
  bool was_in_doubt = false;
  const auto settle = [&](AssignedPartition& partition) {
    if (!partition.parted_from) return;
    was_in_doubt = true;
    truncated(partition, *partition.parted_from);
  };
  if (update(ref, settle) && was_in_doubt) ready_.notify_all();
  return was_in_doubt;
}

void Assignment::truncated(AssignedPartition& partition, Offset position) {
  const Offset parts_at = partition.position;
  partition.parted_from.reset();
  partition.version = ++last_version_;
  truncations_.push_back({partition.name, position, parts_at});
  if (truncations_.size() > kTruncationsKept) truncations_.pop_front();
  if (options_.on_truncation == OnTruncation::resume) return;
  std::string text = label(partition.name) + ": what was read from offset " +
                     std::to_string(parts_at.value()) + " to " + std::to_string(position.value()) +
                     " is no longer in the log, a leader without it was elected; ";
  if (options_.on_truncation == OnTruncation::fail) {
    partition.position = position;
    text += "seek to where to go on";
  } else {
    text += "reading goes on at " + std::to_string(parts_at.value());
  }
  partition.error = Error(Errc::log_truncated, std::move(text));
}

std::vector<Truncation> Assignment::take_truncations() {
  const std::lock_guard lock(mutex_);
  std::vector<Truncation> out(truncations_.begin(), truncations_.end());
  truncations_.clear();
  return out;
}

Result<OpenBatch> Assignment::open_batch(const Chunk& chunk, const record::BatchView& batch) {
  if (options_.check_crcs && !batch.crc_matches()) {
    return fail(Errc::corrupt_batch, "the batch at offset " +
                                         std::to_string(batch.header().base_offset.value()) +
                                         " fails its checksum");
  }
  std::shared_ptr<const InflatedRecords> inflated;
  ByteView records = batch.payload();
  if (batch.header().is_compressed()) {
    std::vector<std::byte> bytes;
    RETURN_IF_ERROR(record::records_of(batch, decompressor_, kMaxInflated, bytes));
    inflated = std::make_shared<const InflatedRecords>(std::move(bytes), memory_);
    records = inflated->bytes();
  }
  ++batches_total_;
  bytes_total_ += batch.bytes().size();
  return OpenBatch{.owner = chunk.owner,
                   .inflated = std::move(inflated),
                   .header = batch.header(),
                   .reader = record::RecordReader(batch.header(), records)};
}

/// Opens the next batch that has records for the reader; false when the buffer is empty.
Result<bool> Assignment::open_next(AssignedPartition& partition) {
  while (!partition.chunks.empty()) {
    Chunk& chunk = partition.chunks.front();
    if (chunk.bytes.empty()) {
      partition.chunks.pop_front();
      continue;
    }
    ASSIGN_OR_RETURN(const auto batch, record::BatchView::parse(chunk.bytes));
    if (batch.header().is_control() || batch.header().last_offset() < partition.position) {
      partition.position = std::max(partition.position, batch.header().next_offset());
    } else {
      ASSIGN_OR_RETURN(auto opened, open_batch(chunk, batch));
      partition.open.emplace(std::move(opened));
      lend(*partition.open);
    }
    partition.buffered -= batch.bytes().size();
    chunk.bytes = chunk.bytes.subspan(batch.bytes().size());
    if (partition.open) return true;
  }
  return false;
}

/// Keeps what the batch's records lie in until the next take().
void Assignment::lend(const OpenBatch& open) {
  if (lent_.empty() || lent_.back() != open.owner) lent_.push_back(open.owner);
  if (open.inflated) lent_inflated_.push_back(open.inflated);
}

Result<> Assignment::drain(AssignedPartition& partition, size_t max_records) {
  if (partition.open) lend(*partition.open);
  record::RecordView record;
  while (records_.size() < max_records) {
    if (!partition.open) {
      ASSIGN_OR_RETURN(const bool opened, open_next(partition));
      if (!opened) return {};
    }
    auto& open = *partition.open;
    ASSIGN_OR_RETURN(const bool more, open.reader.next(record));
    if (!more) {
      partition.position = std::max(partition.position, open.header.next_offset());
      partition.open.reset();
      continue;
    }
    if (record.offset < partition.position) continue;
    partition.position = record.offset + 1;
    ConsumedRecord& out = records_.emplace_back();
    out.topic = partition.name.topic;
    out.partition = partition.name.id;
    out.offset = record.offset;
    out.timestamp = record.timestamp;
    out.leader_epoch = open.header.leader_epoch;
    out.key = text_of(record.key);
    out.value = text_of(record.value);
    out.header_count = static_cast<uint32_t>(record.headers.size());
    if (out.header_count != 0) out.raw_headers = as_text(record.headers.encoded());
  }
  return {};
}

Result<std::span<const ConsumedRecord>> Assignment::take(size_t max_records) {
  const std::lock_guard lock(mutex_);
  records_.clear();
  lent_.clear();
  lent_inflated_.clear();
  lent_partitions_.clear();
  const size_t count = partitions_.size();
  for (size_t i = 0; i < count && records_.size() < max_records; ++i) {
    AssignedPartition& partition = *partitions_[turn_];
    turn_ = (turn_ + 1) % count;
    if (partition.paused) continue;
    if (auto drained = drain(partition, max_records); !drained) {
      // Fetched again, so that the reader does not get past it unnoticed.
      restart(partition, partition.position);
      const bool first = partition.corrupt_at != partition.position;
      partition.corrupt_at = partition.position;
      if (drained.error() == Errc::corrupt_batch && first) continue;
      partition.error = std::move(drained).error().with_context(
          label(partition.name) + ", from broker " + std::to_string(partition.leader.value()));
    }
    // The records before it come first, and alone.
    if (partition.error && records_.empty() && !partition.has_records()) {
      if (*partition.error == Errc::log_truncated && options_.on_truncation == OnTruncation::fail) {
        return fail(*partition.error);
      }
      Error error = *std::exchange(partition.error, std::nullopt);
      if (!partition.seek) restart(partition, partition.position);
      wanted_.notify_all();
      return fail(std::move(error));
    }
  }
  records_total_ += records_.size();
  ask_for_more();
  return std::span<const ConsumedRecord>(records_);
}

/// Wakes the fetcher when it waits for what this take() made room for, and not for every record.
void Assignment::ask_for_more() {
  bool notify = false;
  if (wanted_memory_ != 0 && memory_->available() >= wanted_memory_) {
    wanted_memory_ = 0;
    notify = true;
  }
  for (auto& partition : partitions_) {
    if (partition->buffered >= partition->wanted_below) continue;
    partition->wanted_below = 0;
    notify = true;
  }
  if (notify) wanted_.notify_all();
}

ConsumerMetrics Assignment::metrics() const {
  const std::lock_guard lock(mutex_);
  return {.records = records_total_,
          .bytes = bytes_total_,
          .fetches = 0,
          .batches = batches_total_,
          .buffer_used = memory_->held(),
          .buffer_total = memory_->total(),
          .bytes_from_followers = 0};
}

}  // namespace sluice::client
