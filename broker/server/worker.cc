#include "broker/server/worker.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "base/check.h"
#include "broker/server/session.h"

namespace sluice::broker {
namespace {

/// So long nothing was asked on a connection that has to give way.
constexpr Duration kIdleToGiveWay = 1s;

/// Fine enough for the shortest of the time-outs, coarse enough to wake an idle broker seldom.
Duration tick_for(const ServerOptions& options) {
  const Duration shortest = std::min(options.idle_timeout, options.frame_timeout);
  return std::clamp<Duration>(shortest / 16, 5ms, 1s);
}

}  // namespace

ServerMetrics::ServerMetrics(MetricsRegistry& metrics)
    : bytes_in(metrics.counter("network_bytes_in_total", "Bytes read from connections.")),
      bytes_out(metrics.counter("network_bytes_out_total", "Bytes handed to connections.")),
      accepted(metrics.counter("connections_accepted_total", "Connections accepted.")),
      accept_failures(
          metrics.counter("connections_accept_failures_total",
                          "Times that nothing was accepted for want of descriptors or memory.")),
      refused_total(metrics.counter("connections_refused_total", "Connections refused.",
                                    {{"reason", "max_connections"}})),
      refused_address(metrics.counter("connections_refused_total", "Connections refused.",
                                      {{"reason", "max_connections_per_address"}})),
      closed_idle(metrics.counter("connections_closed_total", "Connections the broker closed.",
                                  {{"reason", "idle"}})),
      closed_stuck(metrics.counter("connections_closed_total", "Connections the broker closed.",
                                   {{"reason", "frame_without_progress"}})),
      closed_unread(metrics.counter("connections_closed_total", "Connections the broker closed.",
                                    {{"reason", "answer_not_taken"}})),
      closed_pressure(metrics.counter("connections_closed_total", "Connections the broker closed.",
                                      {{"reason", "pressure"}})),
      refused_pressure(metrics.counter("connections_refused_total", "Connections refused.",
                                       {{"reason", "memory"}})),
      delayed_produce(metrics.counter("memory_pressure_delayed_total",
                                      "Requests after which their connection was not read for a "
                                      "while, because memory was short.",
                                      {{"request", "produce"}})),
      delayed_other(metrics.counter("memory_pressure_delayed_total",
                                    "Requests after which their connection was not read for a "
                                    "while, because memory was short.",
                                    {{"request", "other"}})),
      refused_produce(metrics.counter("memory_pressure_refused_total",
                                      "Produce requests refused because memory was short.")),
      trimmed_bytes(metrics.counter("memory_pressure_trimmed_bytes_total",
                                    "Idle buffers given up because memory was short.")),
      bad_frames(metrics.counter("bad_frames_total", "Frames that do not decode.")),
      copied_bytes(metrics.counter("fetch_transfer_bytes_total", "Log bytes sent, by how.",
                                   {{"how", "copy"}})),
      sendfile_bytes(metrics.counter("fetch_transfer_bytes_total", "Log bytes sent, by how.",
                                     {{"how", "sendfile"}})),
      cold_bytes(metrics.counter(
          "fetch_cold_bytes_total",
          "Log bytes that were read from the device for clients, since they were not in memory.")),
      resident_bytes(metrics.counter("fetch_resident_bytes_total",
                                     "Log bytes sent that were in memory when it was their turn.")),
      sent_bytes(metrics.counter("fetch_sent_bytes_total", "Log bytes sent.")),
      broken_slices(metrics.counter("fetch_broken_slices_total",
                                    "Fetched pieces that ended early or could not be read.")) {}

Worker::Worker(ServerContext& context, io::Loop& loop)
    : context_(context),
      loop_(loop),
      buffers_(context.buffers),
      broker_buffers_(context.broker_buffers),
      deadlines_(loop, tick_for(context.options)) {}

Worker::~Worker() { CHECK(first_ == nullptr, "a worker outlives its connections"); }

void Worker::add(Session& session) {
  session.next_ = first_;
  session.previous_ = nullptr;
  if (first_ != nullptr) first_->previous_ = &session;
  first_ = &session;
}

void Worker::remove(Session& session) {
  (session.previous_ != nullptr ? session.previous_->next_ : first_) = session.next_;
  if (session.next_ != nullptr) session.next_->previous_ = session.previous_;
}

template <class F>
void Worker::for_each(F&& f) {
  for (Session* session = first_; session != nullptr;) {
    Session* const next = session->next_;
    f(*session);
    session = next;
  }
}

void Worker::drain() {
  for_each([](Session& session) { session.drain(); });
}

void Worker::close_all() {
  for_each([](Session& session) { session.abort(); });
}

size_t Worker::close_longest_idle() {
  const TimePoint enough = loop_.now() - kIdleToGiveWay;
  std::vector<std::pair<TimePoint, Session*>> idle;
  for_each([&](Session& session) {
    if (session.idle_since() <= enough) idle.emplace_back(session.idle_since(), &session);
  });
  const size_t most = (idle.size() + 3) / 4;
  std::ranges::partial_sort(idle, idle.begin() + static_cast<ptrdiff_t>(most));
  for (size_t i = 0; i < most; ++i) idle[i].second->abort();
  context_.metrics.closed_pressure.add(index(), most);
  return most;
}

void Worker::tend() {
  if (pressure().trim_pools) {
    context_.metrics.trimmed_bytes.add(index(), buffers_.trim() + broker_buffers_.trim());
  } else {
    buffers_.rebalance();
    broker_buffers_.rebalance();
  }
}

}  // namespace sluice::broker
