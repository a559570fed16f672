#pragma once

#include <memory>

#include "sluice/admin.h"
#include "sluice/consumer.h"
#include "sluice/producer.h"
#include "sluice/types.h"

namespace sluice::client {

/// What everything made from one Client shares.
struct ClientShare;

/// The door to a cluster: owns the client's thread and its connections, which the producers,
/// consumers and admins made here share. They may outlive it.
class Client {
 public:
  /// Checks the options; connects when first used.
  static Result<std::unique_ptr<Client>> open(ClientOptions options);
  ~Client();

  std::unique_ptr<Producer> producer(ProducerOptions options = {});
  std::unique_ptr<Consumer> consumer(ConsumerOptions options = {});
  std::unique_ptr<Admin> admin();

 private:
  explicit Client(std::shared_ptr<ClientShare> share);
  std::shared_ptr<ClientShare> share_;
};

}  // namespace sluice::client
