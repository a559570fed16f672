#include "client/include/sluice/producer.h"

#include <future>
#include <memory>
#include <utility>

#include "client/facades.h"
#include "client/producer/core.h"
#include "client/share.h"

namespace sluice::client {

Producer::Producer(std::shared_ptr<Core> core) : core_(std::move(core)) {}
Producer::~Producer() { static_cast<void>(close()); }

Result<> Producer::send(std::string_view topic, const OutgoingRecord& record) {
  auto sent = core_->producer.try_send(topic, record, nullptr);
  if (!sent) return fail(std::move(sent).error());
  if (*sent) return {};
  return wait_for(*core_->client, core_->producer.send(std::string(topic), record, nullptr));
}

Result<> Producer::send(std::string_view topic, const OutgoingRecord& record,
                        DeliveryCallback done) {
  auto sent = core_->producer.try_send(topic, record, &done);
  if (!sent) return fail(std::move(sent).error());
  if (*sent) return {};
  return wait_for(*core_->client, core_->producer.send(std::string(topic), record, &done));
}

std::future<Result<Delivery>> Producer::send_future(std::string_view topic,
                                                    const OutgoingRecord& record) {
  auto promise = std::make_shared<std::promise<Result<Delivery>>>();
  auto future = promise->get_future();
  auto sent = send(topic, record,
                   [promise](const Result<Delivery>& delivery) { promise->set_value(delivery); });
  if (!sent) promise->set_value(fail(std::move(sent).error()));
  return future;
}

Result<> Producer::flush() { return wait_for(*core_->client, core_->producer.flush()); }

Result<> Producer::close(Milliseconds limit) {
  return wait_for(*core_->client, core_->producer.close(limit));
}

ProducerMetrics Producer::metrics() const { return core_->producer.metrics(); }

}  // namespace sluice::client
