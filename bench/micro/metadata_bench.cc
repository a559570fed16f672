#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <benchmark/benchmark.h>
#include <malloc.h>

#include "base/check.h"
#include "base/random.h"
#include "broker/metadata/controller.h"
#include "broker/metadata/fold.h"
#include "broker/metadata/partition_codec.h"
#include "broker/metadata/placement.h"
#include "broker/metadata/snapshot_codec.h"

namespace sluice::bench {
namespace {

using broker::MetadataImage;

constexpr int32_t kBrokers = 100;
constexpr uint32_t kPartitionsOfATopic = 100;

/// The commands that make a large cluster, one a topic, folded one after the other.
class LargeCluster {
 public:
  void fold_brokers() {
    for (int32_t id = 1; id <= kBrokers; ++id) {
      cluster::MetadataCommand command = fresh();
      auto& broker = *command.add_records()->mutable_broker_registered();
      broker.set_node_id(id);
      broker.set_host("broker-" + std::to_string(id) + ".cluster.example");
      broker.set_rack("rack-" + std::to_string(id % 3));
      fold(command);
      command = fresh();
      auto& unfenced = *command.add_records()->mutable_broker_unfenced();
      unfenced.set_node_id(id);
      unfenced.set_epoch(image.version);
      fold(command);
    }
  }
  void fold_topics(uint32_t partitions) {
    for (uint32_t made = 0; made < partitions; made += kPartitionsOfATopic) {
      cluster::MetadataCommand command = fresh();
      auto& topic = *command.add_records()->mutable_topic_created();
      topic.set_id(std::string(as_text(Uuid::random(random_).bytes())));
      topic.set_name("topic-" + std::to_string(made));
      for (const auto& partition : *broker::place(image, kPartitionsOfATopic, 3, made)) {
        broker::partition_to(partition, *topic.add_partitions());
      }
      fold(command);
    }
  }

  MetadataImage image;
  /// The commands so far, as they lie in a log.
  std::vector<std::string> log;

 private:
  cluster::MetadataCommand fresh() {
    cluster::MetadataCommand command;
    command.set_id(std::string(as_text(Uuid::random(random_).bytes())));
    return command;
  }
  void fold(const cluster::MetadataCommand& command) {
    auto next = broker::fold(image, command, image.version + 1);
    CHECK(next.has_value(), "the commands are sound");
    image = std::move(*next);
    log.push_back(command.SerializeAsString());
  }

  SeededRandom random_{1};
};

/// What the allocator has given out.
size_t allocated() {
  const struct mallinfo2 info = mallinfo2();
  return info.uordblks + info.hblkhd;
}

/// As a broker does that starts on a log without a snapshot: the entries as they lie in it.
void fold_large_cluster(benchmark::State& state) {
  LargeCluster written;
  written.fold_brokers();
  written.fold_topics(static_cast<uint32_t>(state.range(0)));
  const std::vector<std::string> log = std::move(written.log);
  written = {};
  size_t bytes = 0;
  for (auto _ : state) {
    const size_t before = allocated();
    MetadataImage image;
    for (const std::string& entry : log) {
      cluster::MetadataCommand command;
      CHECK(command.ParseFromString(entry), "it was written so");
      auto next = broker::fold(image, command, image.version + 1);
      CHECK(next.has_value(), "the commands are sound");
      image = std::move(*next);
    }
    bytes = allocated() - before;
    CHECK(image.partitions == static_cast<uint64_t>(state.range(0)), "all are there");
  }
  state.counters["image_bytes"] = static_cast<double>(bytes);
}
BENCHMARK(fold_large_cluster)->Arg(200'000)->Unit(benchmark::kMillisecond)->UseRealTime();

void restore_large_cluster(benchmark::State& state) {
  LargeCluster cluster;
  cluster.fold_brokers();
  cluster.fold_topics(static_cast<uint32_t>(state.range(0)));
  const auto bytes = broker::encode_snapshot(cluster.image);
  for (auto _ : state) {
    benchmark::DoNotOptimize(broker::decode_snapshot(bytes, cluster.image.version));
  }
  state.counters["snapshot_bytes"] = static_cast<double>(bytes.size());
}
BENCHMARK(restore_large_cluster)->Arg(200'000)->Unit(benchmark::kMillisecond)->UseRealTime();

/// What the controller decides when one of the brokers is silent.
void fail_over_a_broker(benchmark::State& state) {
  LargeCluster cluster;
  cluster.fold_brokers();
  cluster.fold_topics(static_cast<uint32_t>(state.range(0)));
  const auto image = std::make_shared<const MetadataImage>(cluster.image);
  const broker::TopicOptions defaults;
  size_t records = 0;
  for (auto _ : state) {
    state.PauseTiming();
    TimePoint now{std::chrono::hours(1)};
    broker::Controller controller({.self = NodeId{1}}, defaults, *image, now);
    for (int tick = 0; tick < 5; ++tick) {
      for (int32_t id = 1; id < kBrokers; ++id) {
        const broker::Heartbeat beat{NodeId{id}, image->broker(NodeId{id})->epoch, image->version};
        CHECK(controller.heartbeat(*image, beat, now), "the broker is registered");
      }
      CHECK(controller.tick(image, now).empty(), "all are there or may be");
      now += std::chrono::milliseconds(200);
    }
    state.ResumeTiming();
    records = controller.tick(image, now).size();
  }
  state.counters["records"] = static_cast<double>(records);
}
BENCHMARK(fail_over_a_broker)->Arg(200'000)->Unit(benchmark::kMillisecond)->UseRealTime();

}  // namespace
}  // namespace sluice::bench
