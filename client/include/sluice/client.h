#pragma once

#include <memory>

#include "sluice/admin.h"
#include "sluice/consumer.h"
#include "sluice/producer.h"
#include "sluice/types.h"

namespace sluice::io {
struct Runtime;
}

namespace sluice::client {

/// The door to a cluster: owns the client's thread and its connections, which the producers,
/// consumers and admins made here share. They may outlive it.
class Client {
 public:
  /// Checks the options; connects when first used.
  static Result<std::unique_ptr<Client>> open(ClientOptions options);
  /// On a runtime of the caller's, for tests in simulated time; it outlives everything made here.
  static Result<std::unique_ptr<Client>> open_on(io::Runtime& runtime, ClientOptions options);
  ~Client();

  std::unique_ptr<Producer> producer(ProducerOptions options = {});
  std::unique_ptr<Consumer> consumer(ConsumerOptions options = {});
  std::unique_ptr<Admin> admin();

 private:
  struct Core;
  explicit Client(std::shared_ptr<Core> core);
  std::shared_ptr<Core> core_;
};

}  // namespace sluice::client
