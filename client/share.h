#pragma once

#include <memory>
#include <utility>

#include "client/cluster.h"
#include "client/include/sluice/client.h"
#include "io/block_on.h"
#include "io/system.h"

namespace sluice::client {

/// The client's thread and its view of the cluster, shared by all that was made from one Client.
/// The last owner dies on a thread of the user's.
struct ClientShare {
  explicit ClientShare(ClientOptions options)
      : system({.workers = 1, .pool_threads = 1}),
        loop(system.runtime().executor.worker(0)),
        cluster(system.runtime(), loop, std::move(options)) {}
  ~ClientShare() { io::block_on(loop, cluster.shut_down()); }
  ClientShare(const ClientShare&) = delete;
  ClientShare& operator=(const ClientShare&) = delete;

  io::System system;
  io::Loop& loop;
  Cluster cluster;
};

}  // namespace sluice::client
