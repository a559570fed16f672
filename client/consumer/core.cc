#include "client/consumer/core.h"

#include <utility>

namespace sluice::client {

ConsumerCore::ConsumerCore(Cluster& cluster, ConsumerOptions options)
    : cluster_(cluster),
      options_(options),
      assignment_(options_),
      fetcher_(cluster, assignment_, options_) {}

ConsumerCore::~ConsumerCore() {
  CHECK(!started_ || closed_, "a consumer is closed before it dies");
}

void ConsumerCore::start() {
  if (std::exchange(started_, true)) return;
  scope_.start(fetcher_.run());
}

io::Task<Result<>> ConsumerCore::assign(std::string topic, SeekTarget from) {
  auto metadata = co_await cluster_.topic(topic, true);
  if (!metadata) co_return fail(std::move(metadata).error());
  Assignment::Places places;
  for (size_t i = 0; i < (*metadata)->leaders.size(); ++i) {
    places.emplace_back(Partition{topic, PartitionId(static_cast<int32_t>(i))}, from);
  }
  assignment_.replace(places);
  start();
  co_return Result<>{};
}

io::Task<Result<>> ConsumerCore::assign(Assignment::Places places) {
  for (const auto& [partition, target] : places) {
    auto metadata = co_await cluster_.topic(partition.topic, false);
    if (!metadata) co_return fail(std::move(metadata).error());
    if (partition.id.value() < 0 ||
        static_cast<size_t>(partition.id.value()) >= (*metadata)->leaders.size()) {
      co_return fail(Errc::unknown_topic_or_partition,
                     "topic " + partition.topic + " has no partition " +
                         std::to_string(partition.id.value()) + ", it has " +
                         std::to_string((*metadata)->leaders.size()));
    }
  }
  assignment_.replace(places);
  start();
  co_return Result<>{};
}

io::Task<void> ConsumerCore::wait_ready(uint64_t ticket, TimePoint deadline) {
  co_await assignment_.ready().wait(ticket, deadline);
}

io::Task<Result<std::span<const ConsumedRecord>>> ConsumerCore::poll(size_t max_records,
                                                                     Duration timeout) {
  const TimePoint deadline = cluster_.loop().now() + timeout;
  while (true) {
    const uint64_t ticket = assignment_.ready().ticket();
    auto records = assignment_.take(max_records);
    if (!records || !records->empty() || woken()) co_return records;
    if (cluster_.loop().now() >= deadline) co_return records;
    co_await assignment_.ready().wait(ticket, deadline);
  }
}

io::Task<Result<std::pair<Offset, Offset>>> ConsumerCore::watermarks(Partition partition) {
  auto metadata = co_await cluster_.topic(partition.topic, false);
  if (!metadata) co_return fail(std::move(metadata).error());
  const auto at = static_cast<size_t>(partition.id.value());
  if (partition.id.value() < 0 || at >= (*metadata)->leaders.size()) {
    co_return fail(
        Errc::unknown_topic_or_partition,
        "topic " + partition.topic + " has no partition " + std::to_string(partition.id.value()));
  }
  native::RequestHeader header;
  for (const auto special :
       {native::ListOffsetsRequest::EARLIEST, native::ListOffsetsRequest::LATEST}) {
    auto& asked = *header.mutable_list_offsets()->add_partitions();
    asked.set_topic_id((*metadata)->id);
    asked.set_partition(partition.id.value());
    asked.set_special(special);
  }
  auto connection = co_await cluster_.to((*metadata)->leaders[at].node);
  if (!connection) co_return fail(std::move(connection).error());
  auto answer = co_await (*connection)->call(header);
  if (!answer) co_return fail(std::move(answer).error());
  const auto& said = answer->header.list_offsets();
  if (said.partitions_size() != 2) {
    co_return fail(Errc::malformed_frame, "offsets were answered for other partitions than asked");
  }
  for (const auto& one : said.partitions()) {
    if (one.error().code() != 0) {
      co_return fail(errc_from_wire(one.error().code()), one.error().message());
    }
  }
  co_return std::pair(Offset(said.partitions(0).offset()), Offset(said.partitions(1).offset()));
}

void ConsumerCore::wake() {
  woken_ = true;
  assignment_.ready().notify_all();
}

io::Task<void> ConsumerCore::close() {
  closed_ = true;
  fetcher_.stop();
  co_await scope_.join();
}

ConsumerMetrics ConsumerCore::metrics() const {
  ConsumerMetrics metrics = assignment_.metrics();
  metrics.fetches = fetcher_.fetches();
  metrics.bytes_from_followers = fetcher_.bytes_from_followers();
  return metrics;
}

}  // namespace sluice::client
