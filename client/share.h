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

/// Runs a task on the client's thread and waits for it. On that thread itself, which is where
/// delivery callbacks run, that is an error: it would wait for itself.
template <class T>
Result<T> wait_for(ClientShare& client, io::Task<Result<T>> task) {
  if (io::Loop::current() != nullptr) {
    return fail(Errc::would_block, "a delivery callback must not wait for the client");
  }
  return io::block_on(client.loop, std::move(task));
}

}  // namespace sluice::client
