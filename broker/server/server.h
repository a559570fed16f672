#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/buffer_pool.h"
#include "base/log.h"
#include "base/memory_budget.h"
#include "base/metrics.h"
#include "broker/server/addresses.h"
#include "broker/server/admission.h"
#include "broker/server/cold_reads.h"
#include "broker/server/options.h"
#include "broker/server/pressure.h"
#include "broker/server/protocol.h"
#include "broker/server/request_metrics.h"
#include "broker/server/session.h"
#include "broker/server/worker.h"
#include "io/movable_socket.h"
#include "io/runtime.h"
#include "io/sync.h"
#include "storage/file_slice.h"

namespace sluice::broker {

/// What a server is built from and reports to; all outlive it.
struct ServerPorts {
  io::Runtime& runtime;
  /// The root of the node's memory. What brokers say to each other is charged to a child of it.
  MemoryBudget& memory;
  /// A part of that, which leaves a reserve: the server adds children for connections and for
  /// frames and answers of clients.
  MemoryBudget& clients;
  MetricsRegistry& metrics;
  Logger log;
  /// A piece of a log ended early or could not be read while it was sent: its partition is to be
  /// checked. From any worker.
  std::function<void(const storage::FileSlice&, const Error&)> on_broken_slice;
  /// Every 100 ms while memory is short: gives up what can be had again. Null: nothing.
  std::function<void()> on_pressure = nullptr;
};

/// The port that clients connect to: one acceptor on the control loop, which hands each connection
/// to the worker with the fewest, and keeps those on its own loop that must not wait behind a
/// worker's work; watches memory and applies pressure. start() and stop() on the
/// control loop, once each.
class Server {
 public:
  /// The front ends outlive it; the first that recognises a connection's opening bytes serves it.
  /// Made before other threads look at the memory tree.
  Server(ServerPorts ports, ServerOptions options, std::vector<FrontEnd*> front_ends);
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  /// Listens and accepts from here on. address_in_use and others, naming the address.
  io::Task<Result<>> start();
  /// Where it listens, with the port that the system chose. After start().
  const io::Endpoint& local() const { return listener_->local(); }

  /// Accepts nothing more, lets requests under way be answered until `deadline`, then closes what
  /// is left. Done when every connection has ended, which handlers that wait for others (an
  /// acknowledgement) can delay: whoever they wait for must end too.
  io::Task<void> stop(TimePoint deadline);

  PressureLevel pressure() const { return context_.pressure.load(std::memory_order_relaxed); }
  size_t connections() const;
  /// The addresses that hold most, at most `most`.
  std::vector<AddressUse> largest_addresses(size_t most) const { return addresses_.largest(most); }
  /// Read and written so far.
  uint64_t bytes_moved() const { return metrics_.bytes_in.value() + metrics_.bytes_out.value(); }
  /// Of the pools of all workers together; what they share counts as idle.
  BufferPool::Stats buffer_stats() const;
  /// With the limits that follow from the memory cap.
  const ServerOptions& options() const { return options_; }

 private:
  io::Task<void> accept_all();
  /// Why a connection is for brokers of the cluster only.
  struct Refusal {
    Counter* counter = nullptr;
    std::string_view limit;
  };
  struct Guest {
    std::unique_ptr<io::Socket> socket;
    std::shared_ptr<AddressAccount> account;
    Reservation memory;
    /// If it turns out to be a client's.
    std::optional<Refusal> refusal;
  };
  void take(std::unique_ptr<io::Socket> socket);
  std::optional<Refusal> refusal_of_clients(Reservation& memory);
  Worker& least_loaded();
  io::Task<void> serve(Guest guest);
  io::Task<Caller> who_calls(io::MovableSocket& socket) const;
  std::optional<Caller> who_calls(ByteView begin) const;
  void accept_failed(const Error& why);
  static bool may_log(TimePoint& last);
  void refused(const Refusal& why, const io::Endpoint& peer);
  io::Task<void> watch_memory();
  void apply_pressure();
  void give_up_overflow(TimePoint now);
  void tell(PressureLevel before);
  io::Task<void> close_idle();
  io::Task<void> tend(Worker& worker);
  io::Task<void> on_every_worker(void (Worker::*what)());
  void publish();
  void withdraw();

  ServerPorts ports_;
  ServerOptions options_;
  ServerMetrics metrics_;
  MemoryBudget& connection_memory_;
  MemoryBudget& broker_connection_memory_;
  SharedBuffers buffers_;
  SharedBuffers broker_buffers_;
  Admission admission_;
  ColdReads cold_reads_;
  Addresses addresses_;
  std::vector<std::unique_ptr<RequestMetrics>> request_metrics_;
  std::vector<ServedFrontEnd> front_ends_;
  ServerContext context_;
  /// The last one is the control loop's.
  std::vector<std::unique_ptr<Worker>> workers_;
  std::unique_ptr<io::Listener> listener_;
  /// By worker; the last one has also those of which it is not known yet.
  std::vector<std::atomic<size_t>> connections_;
  /// Connections that are for brokers only, and have not said whose they are.
  std::atomic<size_t> unproven_{0};

  PressureGauge gauge_;
  io::MemoryReading machine_;
  TimePoint machine_read_{};
  TimePoint overflow_watched_{};
  /// Buffers taken until then.
  uint64_t takes_ = 0;
  TimePoint idle_closed_{};
  std::vector<Counter*> level_changes_;

  std::atomic<bool> stopping_{false};
  io::Signal stop_;
  io::Signal ended_;
  io::Scope sessions_;
  io::Scope background_;
  TimePoint refusal_logged_{};
  TimePoint failure_logged_{};
};

}  // namespace sluice::broker
