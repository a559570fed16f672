#include "client/consumer/assignment.h"

#include <algorithm>
#include <utility>

namespace sluice::client {
namespace {

/// A batch's records inflate to at most this.
constexpr size_t kMaxInflated = 512_MiB;

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

void Assignment::restart(AssignedPartition& partition, SeekTarget to) {
  partition.seek = to;
  ++partition.version;
  partition.chunks.clear();
  partition.buffered = 0;
  partition.open.reset();
  partition.error.reset();
}

void Assignment::replace(const Places& places) {
  const std::lock_guard lock(mutex_);
  partitions_.clear();
  for (const auto& [partition, target] : places) {
    partitions_.push_back(std::make_unique<AssignedPartition>(partition));
    restart(*partitions_.back(), target);
  }
  turn_ = 0;
  wanted_.notify_all();
}

Result<> Assignment::seek(const Partition& partition, SeekTarget to) {
  const std::lock_guard lock(mutex_);
  AssignedPartition* found = find(partition);
  if (found == nullptr) return fail(not_assigned(partition));
  restart(*found, to);
  wanted_.notify_all();
  return {};
}

Result<> Assignment::pause(const Partition& partition, bool paused) {
  const std::lock_guard lock(mutex_);
  AssignedPartition* found = find(partition);
  if (found == nullptr) return fail(not_assigned(partition));
  found->paused = paused;
  if (!paused) {
    wanted_.notify_all();
    ready_.notify_all();
  }
  return {};
}

Result<Offset> Assignment::position(const Partition& partition) const {
  const std::lock_guard lock(mutex_);
  const AssignedPartition* found = find(partition);
  if (found == nullptr) return fail(not_assigned(partition));
  if (found->seek) {
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

const AssignedPartition* Assignment::find(const Partition& partition) const {
  const auto found = std::ranges::find_if(
      partitions_, [&](const auto& candidate) { return candidate->name == partition; });
  return found == partitions_.end() ? nullptr : found->get();
}

AssignedPartition* Assignment::find(const Partition& partition) {
  return const_cast<AssignedPartition*>(std::as_const(*this).find(partition));
}

void Assignment::add(const Partition& partition, uint64_t version, Chunk chunk) {
  const std::lock_guard lock(mutex_);
  AssignedPartition* found = find(partition);
  if (found == nullptr || found->version != version) return;
  record::BatchCursor cursor(chunk.bytes);
  size_t batches = 0;
  while (true) {
    auto batch = cursor.next();
    if (!batch) {
      found->error = std::move(batch).error().with_context(label(partition));
      break;
    }
    if (!*batch) break;
    found->fetch_from = std::max(found->fetch_from, (*batch)->header().next_offset());
    ++batches;
  }
  chunk.bytes = chunk.bytes.first(cursor.position());
  if (batches > 0) {
    found->average_batch = (found->average_batch * 7 + chunk.bytes.size() / batches) / 8;
    found->buffered += chunk.bytes.size();
    found->chunks.push_back(std::move(chunk));
  }
  ready_.notify_all();
}

void Assignment::set_error(const Partition& partition, uint64_t version, Error error) {
  const std::lock_guard lock(mutex_);
  AssignedPartition* found = find(partition);
  if (found == nullptr || found->version != version) return;
  found->error = std::move(error).with_context(label(partition));
  ready_.notify_all();
}

Result<OpenBatch> Assignment::open_batch(const Chunk& chunk, const record::BatchView& batch) {
  if (options_.check_crcs && !batch.crc_matches()) {
    return fail(Errc::corrupt_batch, "the batch at offset " +
                                         std::to_string(batch.header().base_offset.value()) +
                                         " fails its checksum");
  }
  std::shared_ptr<std::vector<std::byte>> inflated;
  ByteView records = batch.payload();
  if (batch.header().is_compressed()) {
    inflated = std::make_shared<std::vector<std::byte>>();
    ASSIGN_OR_RETURN(records, record::records_of(batch, decompressor_, kMaxInflated, *inflated));
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
      lent_.push_back(partition.open->owner);
      if (partition.open->inflated) lent_inflated_.push_back(partition.open->inflated);
    }
    partition.buffered -= batch.bytes().size();
    chunk.bytes = chunk.bytes.subspan(batch.bytes().size());
    if (partition.open) return true;
  }
  return false;
}

Result<> Assignment::drain(AssignedPartition& partition, size_t max_records) {
  if (partition.open) {
    lent_.push_back(partition.open->owner);
    if (partition.open->inflated) lent_inflated_.push_back(partition.open->inflated);
  }
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
  const bool released = !lent_.empty();
  records_.clear();
  lent_.clear();
  lent_inflated_.clear();
  const size_t count = partitions_.size();
  for (size_t i = 0; i < count && records_.size() < max_records; ++i) {
    AssignedPartition& partition = *partitions_[turn_ % count];
    if (!partition.paused) {
      auto drained = drain(partition, max_records);
      if (!drained && !partition.error) {
        partition.error = std::move(drained).error().with_context(label(partition.name));
        partition.chunks.clear();
        partition.buffered = 0;
        partition.open.reset();
      }
      // Records first: the error waits for the poll that finds nothing before it.
      if (partition.error && records_.empty() && partition.chunks.empty() && !partition.open) {
        return fail(*std::exchange(partition.error, std::nullopt));
      }
    }
    // A partition that still has records keeps its turn.
    if (records_.size() < max_records) turn_ = (turn_ + 1) % count;
  }
  // Full because of this one: the next poll begins with its neighbour.
  if (records_.size() == max_records && count > 0) turn_ = (turn_ + 1) % count;
  records_total_ += records_.size();
  if (released || !records_.empty()) wanted_.notify_all();
  return std::span<const ConsumedRecord>(records_);
}

ConsumerMetrics Assignment::metrics() const {
  const std::lock_guard lock(mutex_);
  return {.records = records_total_,
          .bytes = bytes_total_,
          .fetches = 0,
          .batches = batches_total_,
          .buffer_used = memory_->held(),
          .buffer_total = memory_->total()};
}

}  // namespace sluice::client
