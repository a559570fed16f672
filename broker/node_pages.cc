#include <utility>

#include "broker/memory_metrics.h"
#include "broker/node.h"

// What a node shows on its admin port.
namespace sluice::broker {
namespace {

AdminServer::Page page_of(std::function<HttpResponse()> make) {
  return [make = std::move(make)](const HttpRequest&) {
    return io::Task<HttpResponse>::ready(make());
  };
}

}  // namespace

void Node::add_pages() {
  admin_.add("/ready", page_of([this] {
               Readiness now = readiness();
               if (now.state == "fenced") now.reasons = {control_.why_fenced()};
               if (now.state == "joining" || now.state == "registering")
                 now.reasons = control_.waits_for();
               return ready_page(now);
             }));
  admin_.add("/health", page_of([this] { return health_page(health()); }));
  admin_.add("/memory", [this](const HttpRequest&) -> io::Task<HttpResponse> {
    co_return memory_page(co_await look_at_memory_and_owners());
  });
  // Off the control loop: there may be thousands of series.
  admin_.add("/metrics", [this](const HttpRequest&) -> io::Task<HttpResponse> {
    *sight_.lock() = control_.sight();
    MemorySight memory = co_await look_at_memory();
    *memory_sight_.lock() = std::move(memory);
    std::string text =
        co_await ports_.runtime.executor.offload([this] { return metrics_.prometheus(); });
    co_return HttpResponse{.content_type = "text/plain; version=0.0.4; charset=utf-8",
                           .body = std::move(text)};
  });
}

void Node::add_gauges() {
  metrics_.gauge("ready", "Whether clients are served: 1 or 0.", {},
                 [this] { return readiness().ready ? 1.0 : 0.0; });
  metrics_.gauge("partitions", "Partitions that this broker serves.", {},
                 [this] { return static_cast<double>(table_.size()); });
  metrics_.gauge("topics", "Topics of the cluster.", {},
                 [this] { return static_cast<double>(store_.image()->topics.size()); });
  metrics_.gauge("metadata_version", "Index of the last metadata entry applied.", {},
                 [this] { return static_cast<double>(store_.image()->version); });
  metrics_.gauge("memory_cap_bytes", "The cap on the broker's memory.", {},
                 [this] { return static_cast<double>(memory_.cap()); });
  metrics_.gauge("memory_reserved_bytes", "Memory that is reserved from the cap.", {},
                 [this] { return static_cast<double>(memory_.used()); });
  metrics_.gauge("memory_allocated_bytes", "Memory that the allocator has given out.", {},
                 [] { return static_cast<double>(io::allocator_use().in_use); });
  metrics_.collect([this] {
    auto families = memory_metrics(*memory_sight_.lock());
    families.push_back(leak_metrics(*leaks_.lock()));
    return families;
  });
}

void Node::add_cluster_metrics() {
  metrics_.gauge("replica_fetcher_memory_bytes", "What was fetched from leaders, in memory.", {},
                 [this] { return static_cast<double>(fetcher_memory_.used()); });
  metrics_.gauge("replica_fetcher_memory_limit_bytes", "The most that may be.", {},
                 [this] { return static_cast<double>(fetcher_memory_.cap()); });
  metrics_.collect([this] { return control_metrics(*store_.image(), *sight_.lock()); });
  metrics_.collect([this] {
    return partition_metrics(*store_.image(), table_, options_.topics, options_.node_id,
                             ports_.runtime.clock.now());
  });
}

/// Once the start is over, what is asked is whether it acknowledges.
Readiness Node::readiness() const {
  Readiness readiness = *readiness_.lock();
  if (!readiness.ready || control_.lease().holds(ports_.runtime.clock.now())) return readiness;
  readiness.ready = false;
  readiness.state = "fenced";
  return readiness;
}

Health Node::health() const {
  Health health;
  if (logs_ != nullptr) health.directories = logs_->directories();
  for (const auto& directory : health.directories) {
    if (directory.offline_because) {
      health.problems.push_back(directory.path + ": " + *directory.offline_because);
    }
  }
  return health;
}

}  // namespace sluice::broker
