#pragma once

#include <memory>
#include <utility>

#include "client/admin/core.h"
#include "client/consumer/core.h"
#include "client/producer/core.h"
#include "client/share.h"

// What stands behind the public classes: the Task-returning core and a share of the client.
namespace sluice::client {

struct Producer::Core {
  Core(std::shared_ptr<ClientShare> owner, ProducerOptions options)
      : client(std::move(owner)), producer(client->cluster, options) {}
  std::shared_ptr<ClientShare> client;
  ProducerCore producer;
};

struct Consumer::Core {
  Core(std::shared_ptr<ClientShare> owner, ConsumerOptions options)
      : client(std::move(owner)), consumer(client->cluster, options) {}
  std::shared_ptr<ClientShare> client;
  ConsumerCore consumer;
};

struct Admin::Core {
  explicit Core(std::shared_ptr<ClientShare> owner)
      : client(std::move(owner)), admin(client->cluster) {}
  std::shared_ptr<ClientShare> client;
  AdminCore admin;
};

}  // namespace sluice::client
