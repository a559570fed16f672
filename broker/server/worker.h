#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "base/buffer_pool.h"
#include "base/log.h"
#include "base/memory_budget.h"
#include "base/metrics.h"
#include "broker/server/admission.h"
#include "broker/server/chunk.h"
#include "broker/server/cold_reads.h"
#include "broker/server/deadlines.h"
#include "broker/server/exchange.h"
#include "broker/server/options.h"
#include "broker/server/pressure.h"
#include "io/runtime.h"
#include "storage/file_slice.h"

namespace sluice::broker {

class Session;

/// Counters of a port; cells by worker.
struct ServerMetrics {
  explicit ServerMetrics(MetricsRegistry& metrics);

  Counter& bytes_in;
  Counter& bytes_out;
  Counter& accepted;
  Counter& accept_failures;
  Counter& refused_total;
  Counter& refused_address;
  Counter& closed_idle;
  Counter& closed_stuck;
  Counter& closed_unread;
  Counter& closed_pressure;
  Counter& refused_pressure;
  Counter& delayed_produce;
  Counter& delayed_other;
  Counter& refused_produce;
  Counter& trimmed_bytes;
  Counter& bad_frames;
  Counter& copied_bytes;
  Counter& sendfile_bytes;
  Counter& cold_bytes;
  Counter& resident_bytes;
  Counter& sent_bytes;
  Counter& broken_slices;
};

/// What all workers of a port share; outlives them.
struct ServerContext {
  io::Runtime& runtime;
  const ServerOptions& options;
  MemoryBudget& memory;
  /// For frames and answers of clients, and of brokers: these have memory though clients took all
  /// of theirs.
  SharedBuffers& buffers;
  SharedBuffers& broker_buffers;
  Admission& admission;
  ColdReads& cold_reads;
  ServerMetrics& metrics;
  Logger log;
  /// A slice ended early or could not be read: the partition it is of is to be checked. From any
  /// worker.
  std::function<void(const storage::FileSlice&, const Error&)> on_broken_slice;
  std::atomic<PressureLevel> pressure{PressureLevel::normal};
};

/// What the connections on one loop share. All of it belongs to the loop.
class Worker {
 public:
  Worker(ServerContext& context, io::Loop& loop);
  ~Worker();
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  io::Loop& loop() { return loop_; }
  size_t index() const { return loop_.index(); }
  /// It is that of the control loop, for what must not wait behind the work of the others.
  bool is_urgent() const { return index() == context_.runtime.executor.workers(); }
  ServerContext& context() { return context_; }
  const ServerOptions& options() const { return context_.options; }
  const Clock& clock() const { return context_.runtime.clock; }
  BufferPool& buffers(TrafficClass traffic) {
    return traffic == TrafficClass::control ? broker_buffers_ : buffers_;
  }
  const BufferPool& buffers(TrafficClass traffic) const {
    return traffic == TrafficClass::control ? broker_buffers_ : buffers_;
  }
  ChunkPool& chunks() { return chunks_; }
  ExchangePool& exchanges() { return exchanges_; }
  DeadlineWheel& deadlines() { return deadlines_; }
  PressurePolicy pressure() const {
    return policy_of(context_.pressure.load(std::memory_order_relaxed));
  }

  /// Pressure was applied to a request.
  void count_delayed(bool produce) {
    (produce ? context_.metrics.delayed_produce : context_.metrics.delayed_other).add(index());
  }
  void count_refused() { context_.metrics.refused_produce.add(index()); }

  /// Goes up whenever a connection of this worker did something: who sees it stand still while it
  /// yielded is alone.
  uint64_t activity = 0;

  void add(Session& session);
  void remove(Session& session);
  /// Ends every connection as soon as it has answered what it read.
  void drain();
  /// Ends every connection now.
  void close_all();
  /// Closes a quarter of the clients' connections that are idle for a second or more, those first
  /// that are for longest; how many it closed.
  size_t close_longest_idle();
  /// Every second or so.
  void tend();

 private:
  template <class F>
  void for_each(F&& f);

  ServerContext& context_;
  io::Loop& loop_;
  BufferPool buffers_;
  BufferPool broker_buffers_;
  ChunkPool chunks_;
  ExchangePool exchanges_;
  DeadlineWheel deadlines_;
  Session* first_ = nullptr;
};

}  // namespace sluice::broker
