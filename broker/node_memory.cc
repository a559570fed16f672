#include <algorithm>
#include <tuple>
#include <utility>

#include "base/size_text.h"
#include "broker/memory_metrics.h"
#include "broker/node.h"
#include "broker/replication/partition.h"
#include "io/frame_pool.h"
#include "storage/producer_state.h"

// How a node sees its own memory.
namespace sluice::broker {
namespace {

/// Of each kind, on /memory.
constexpr size_t kOwnersShown = 10;

}  // namespace

/// On the control loop, which adds to the tree.
io::Task<MemorySight> Node::look_at_memory() {
  MemorySight sight{.faults = io::page_faults()};
  // It walks all that malloc keeps free.
  sight.allocator = co_await ports_.runtime.executor.offload(io::allocator_use);
  if (const auto process = co_await io::process_memory(ports_.runtime.disk)) {
    sight.process = *process;
  }
  sight.budget = part_of(memory_);
  sight.frames = io::frame_bytes_alive();
  sight.at_start = memory_at_start_;
  if (server_ != nullptr) sight.pools = server_->buffer_stats();
  co_return sight;
}

io::Task<MemorySight> Node::look_at_memory_and_owners() {
  MemorySight sight = co_await look_at_memory();
  if (server_ != nullptr) sight.addresses = server_->largest_addresses(kOwnersShown);
  // Off the control loop: there may be thousands of partitions.
  sight.partitions =
      co_await ports_.runtime.executor.offload([this] { return partitions_by_memory(); });
  co_return sight;
}

std::vector<MemorySight::Partition> Node::partitions_by_memory() const {
  std::vector<MemorySight::Partition> found;
  for (const auto& partition : table_.all()) {
    const storage::Log& log = partition->log();
    const size_t producers = log.known_producers();
    if (producers == 0) continue;
    const auto& name = log.partition();
    found.push_back({name.topic, name.partition.value(), producers,
                     producers * storage::ProducerState::kBytesPerProducer});
  }
  const size_t kept = std::min(kOwnersShown, found.size());
  std::ranges::partial_sort(
      found, found.begin() + static_cast<std::ptrdiff_t>(kept), [](const auto& a, const auto& b) {
        return std::tie(b.bytes, a.topic, a.partition) < std::tie(a.bytes, b.topic, b.partition);
      });
  found.resize(kept);
  return found;
}

size_t Node::producers() const {
  size_t all = 0;
  for (const auto& partition : table_.all()) all += partition->log().known_producers();
  return all;
}

/// Until the broker stops.
io::Task<void> Node::watch_for_leaks() {
  if (options_.leak_growth_percent == 0) co_return;
  LeakWatch watch({.growth_percent = options_.leak_growth_percent});
  const Duration interval = options_.leak_interval;
  uint64_t moved_before = server_->bytes_moved();
  TimePoint next = io::Loop::current()->now() + interval;
  while (!unfollowed_) {
    const uint64_t ticket = published_.ticket();
    if (io::Loop::current()->now() < next) {
      co_await published_.wait(ticket, next);
      continue;
    }
    next = io::Loop::current()->now() + interval;
    const MemorySight sight = co_await look_at_memory();
    const size_t known = co_await ports_.runtime.executor.offload([this] { return producers(); });
    const uint64_t moved = server_->bytes_moved();
    const LeakScales scales{.connections = static_cast<double>(server_->connections()),
                            .partitions = static_cast<double>(table_.size()),
                            .producers = static_cast<double>(known),
                            .traffic = static_cast<double>(moved - moved_before)};
    moved_before = moved;
    for (const Leak& leak : watch.add(leak_sample(sight, scales))) warn_of(leak);
    *leaks_.lock() = watch.suspects();
  }
}

void Node::warn_of(const Leak& leak) {
  leak_warnings_.add(io::Loop::current()->index());
  ports_.log.warning(
      "memory grows and its load does not",
      {{"node", leak.node},
       {"before_bytes", leak.before},
       {"now_bytes", leak.now},
       {"growing_for", format_rough_duration(leak.windows * LeakOptions{}.samples_in_window *
                                             Duration(options_.leak_interval))},
       {"load", leak.measured_by},
       {"way_out",
        "look at sluice memory top; if it goes on, keep what /memory says for a report, "
        "and restart the broker before the cap is reached"}});
}

}  // namespace sluice::broker
