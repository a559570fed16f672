#include "client/include/sluice/client.h"

#include <utility>

#include "client/facades.h"
#include "client/share.h"

namespace sluice::client {

Client::Client(std::shared_ptr<ClientShare> share) : share_(std::move(share)) {}
Client::~Client() = default;

Result<std::unique_ptr<Client>> Client::open(ClientOptions options) {
  if (options.brokers.empty()) {
    return fail(Errc::invalid_argument, "no broker is named; give at least one host:port");
  }
  for (const auto& broker : options.brokers) RETURN_IF_ERROR(io::Endpoint::parse(broker));
  return std::unique_ptr<Client>(new Client(std::make_shared<ClientShare>(std::move(options))));
}

std::unique_ptr<Producer> Client::producer(ProducerOptions options) {
  return std::unique_ptr<Producer>(new Producer(std::make_shared<Producer::Core>(share_, options)));
}

std::unique_ptr<Consumer> Client::consumer(ConsumerOptions options) {
  return std::unique_ptr<Consumer>(new Consumer(std::make_shared<Consumer::Core>(share_, options)));
}

std::unique_ptr<Admin> Client::admin() {
  return std::unique_ptr<Admin>(new Admin(std::make_shared<Admin::Core>(share_)));
}

}  // namespace sluice::client
