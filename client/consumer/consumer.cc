#include "client/include/sluice/consumer.h"

#include <utility>

#include "client/facades.h"

namespace sluice::client {

Consumer::Consumer(std::shared_ptr<Core> core) : core_(std::move(core)) {}
Consumer::~Consumer() { io::block_on(core_->client->loop, core_->consumer.close()); }

Result<> Consumer::assign(std::string_view topic, SeekTarget from) {
  return wait_for(*core_->client, core_->consumer.assign(std::string(topic), from));
}

Result<> Consumer::assign(std::span<const std::pair<Partition, SeekTarget>> partitions) {
  return wait_for(*core_->client,
                  core_->consumer.assign(Assignment::Places(partitions.begin(), partitions.end())));
}

Result<> Consumer::seek(const Partition& partition, SeekTarget to) {
  return core_->consumer.assignment().seek(partition, to);
}

Result<std::span<const ConsumedRecord>> Consumer::poll(size_t max_records, Milliseconds timeout) {
  auto& core = core_->consumer;
  // Nothing crosses threads while records are buffered.
  auto records = core.assignment().take(max_records);
  if (!records || !records->empty() || timeout.count() == 0) return records;
  return wait_for(*core_->client, core.poll(max_records, timeout));
}

void Consumer::wake() { core_->consumer.wake(); }

std::vector<Truncation> Consumer::truncations() {
  return core_->consumer.assignment().take_truncations();
}

Result<Offset> Consumer::position(const Partition& partition) const {
  return core_->consumer.assignment().position(partition);
}

Result<std::pair<Offset, Offset>> Consumer::watermarks(const Partition& partition) {
  return wait_for(*core_->client, core_->consumer.watermarks(partition));
}

std::vector<Partition> Consumer::assignment() const { return core_->consumer.assignment().list(); }

void Consumer::pause(const Partition& partition) {
  static_cast<void>(core_->consumer.assignment().pause(partition, true));
}

void Consumer::resume(const Partition& partition) {
  static_cast<void>(core_->consumer.assignment().pause(partition, false));
}

ConsumerMetrics Consumer::metrics() const { return core_->consumer.metrics(); }

}  // namespace sluice::client
