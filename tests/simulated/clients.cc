#include "tests/simulated/clients.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "proto/record/builder.h"

namespace sluice::sim {
namespace {

constexpr size_t kLargestBatch = 16_KiB;

client::ClientOptions client_options(const std::vector<std::string>& brokers,
                                     const std::string& name) {
  using client::Milliseconds;
  return {.brokers = brokers,
          .client_id = name,
          .request_timeout = Milliseconds(2'000),
          .connect_timeout = Milliseconds(1'000),
          .retry_backoff = Milliseconds(20),
          .retry_backoff_longest = Milliseconds(300),
          .metadata_max_age = Milliseconds(5'000)};
}

/// Answers by which the broker says that it did not write the batch.
bool is_definite(const Error& error) {
  switch (error.code()) {
    case Errc::corrupt_batch:
    case Errc::invalid_record:
    case Errc::batch_too_large:
    case Errc::unsupported_compression:
    case Errc::invalid_timestamp:
    case Errc::not_leader:
    case Errc::fenced_leader_epoch:
    case Errc::unknown_leader_epoch:
    case Errc::pressure:
    case Errc::disk_full:
    case Errc::partition_corrupt:
    case Errc::not_enough_replicas:
      return true;
    default:
      return false;
  }
}

}  // namespace

ClientMachine::ClientMachine(const World& world, std::string name)
    : simulator_(world.simulator),
      history_(world.history),
      node_(simulator_.add_node(
          std::move(name),
          {.workers = 1,
           .clock_drift_ppm = static_cast<int64_t>(simulator_.random().below(400)) - 200,
           .wall_skew = std::chrono::milliseconds(simulator_.random().below(5'000))})),
      cluster_(node_.runtime(), node_.executor().worker(0),
               client_options(world.brokers, node_.name())) {}

ClientMachine::~ClientMachine() { CHECK(done_, "a client is done before it dies"); }

void ClientMachine::start() { simulator_.start_on(node_.executor().worker(0), run()); }

io::Task<void> ClientMachine::run() {
  co_await work();
  co_await cluster_.shut_down();
  done_ = true;
}

io::Task<void> ClientMachine::pause(Duration most) {
  return io::sleep_for(Duration(random().below(static_cast<uint64_t>(most.count()))));
}

ProducerMachine::ProducerMachine(const World& world, uint32_t number, std::vector<TopicPlan> topics,
                                 client::ProducerOptions options, Workload workload)
    : ClientMachine(world, "producer" + std::to_string(number)),
      number_(number),
      topics_(std::move(topics)),
      options_(options),
      workload_(workload),
      producer_(cluster_, options) {}

io::Task<void> ProducerMachine::work() {
  for (uint32_t burst = 0; burst < workload_.bursts && !stopping_; ++burst) {
    for (uint64_t left = 1 + random().below(6); left > 0; --left) co_await send_one();
    co_await pause(workload_.pace);
  }
  // What has no outcome after its delivery time-out is told by the callbacks.
  static_cast<void>(co_await producer_.close(options_.delivery_timeout + 10s));
}

io::Task<void> ProducerMachine::send_one() {
  const TopicPlan& topic = topics_[random().below(topics_.size())];
  const PartitionId partition(static_cast<int32_t>(random().below(topic.partitions)));
  const RecordId id{number_, sent_++};
  const std::string value = value_of(id);
  const bool for_all = options_.acks == client::Acks::all;
  history_.sent(id, {topic.name, partition}, options_.idempotence && for_all, !for_all);
  client::DeliveryCallback done = [this, id, for_all](const Result<client::Delivery>& delivery) {
    if (delivery && !for_all) {
      history_.taken(id);
    } else if (delivery) {
      history_.acknowledged(id, delivery->offset);
    } else {
      history_.failed(id, delivery.error(), false);
    }
  };
  auto taken = co_await producer_.send(topic.name, {.value = value, .partition = partition}, &done);
  if (!taken) history_.failed(id, taken.error(), true);
}

OneShotMachine::OneShotMachine(const World& world, uint32_t number, std::vector<TopicPlan> topics,
                               Workload workload)
    : ClientMachine(world, "oneshot" + std::to_string(number)),
      number_(number),
      topics_(std::move(topics)),
      workload_(workload) {}

io::Task<void> OneShotMachine::work() {
  for (uint32_t i = 0; i < workload_.bursts && !stopping_; ++i) {
    co_await send_one();
    co_await pause(workload_.pace);
  }
}

std::vector<std::byte> OneShotMachine::make_batch(RecordId id, Damage damage) {
  std::vector<std::byte> bytes;
  record::BatchBuilder builder(record::Growing{bytes});
  const std::string value = value_of(id);
  const Timestamp now = node_.clock().wall_now();
  CHECK(builder.append(std::nullopt, as_bytes(value), {}, now), "a growing batch takes anything");
  if (damage == Damage::too_large) {
    const std::string fill(2 * kLargestBatch, 'x');
    CHECK(builder.append(std::nullopt, as_bytes(fill), {}, now), "a growing batch takes anything");
  }
  static_cast<void>(builder.finish({}));
  if (damage == Damage::checksum) {
    bytes[bytes.size() - 1 - random().below(value.size())] ^= std::byte{0x10};
  }
  return bytes;
}

io::Task<Result<Offset>> OneShotMachine::ask(client::Connection& connection,
                                             native::RequestHeader request,
                                             std::vector<std::byte> batch) {
  const ByteView payload[] = {batch};
  auto answer = co_await connection.call(request, payload);
  if (!answer) co_return fail(std::move(answer).error());
  CHECK(answer->header.produce().partitions_size() == 1, "one batch has one result");
  const auto& said = answer->header.produce().partitions(0);
  if (said.error().code() != 0) {
    co_return fail(errc_from_wire(said.error().code()), said.error().message());
  }
  co_return Offset(said.base_offset());
}

io::Task<void> OneShotMachine::send_one() {
  const TopicPlan& plan = topics_[random().below(topics_.size())];
  auto topic = co_await cluster_.topic(plan.name, false);
  if (!topic) co_return;
  const PartitionId partition(static_cast<int32_t>(random().below((*topic)->leaders.size())));
  const auto leader = (*topic)->leaders[static_cast<size_t>(partition.value())];
  auto connection = co_await cluster_.to(leader.node);
  if (!connection) co_return;
  const Damage damage = random().one_in(8)   ? Damage::checksum
                        : random().one_in(8) ? Damage::too_large
                                             : Damage::none;
  const RecordId id{number_, sent_++};
  std::vector<std::byte> batch = make_batch(id, damage);
  native::RequestHeader request;
  request.mutable_produce()->set_acks(-1);
  request.mutable_produce()->set_timeout_ms(1 + static_cast<uint32_t>(random().below(1'000)));
  auto& target = *request.mutable_produce()->add_partitions();
  target.set_topic_id((*topic)->id);
  target.set_partition(partition.value());
  target.set_size(static_cast<uint32_t>(batch.size()));
  history_.sent(id, {plan.name, partition}, false);
  auto offset = co_await ask(**connection, std::move(request), std::move(batch));
  if (!offset) {
    history_.failed(id, offset.error(), is_definite(offset.error()));
  } else {
    history_.acknowledged(id, *offset);
    if (damage != Damage::none)
      history_.violated("the broken batch of " + id.to_string() + " was taken");
  }
}

ReaderMachine::ReaderMachine(const World& world, std::string name, std::string topic)
    : ClientMachine(world, std::move(name)),
      topic_(std::move(topic)),
      consumer_(cluster_, {.fetch_max_wait = client::Milliseconds(100)}) {}

io::Task<void> ReaderMachine::work() {
  bool assigned = false;
  while (!stopping_ && !assigned) {
    assigned = (co_await consumer_.assign(topic_, client::SeekBeginning{})).has_value();
    if (!assigned) co_await pause(100ms);
  }
  while (!stopping_) {
    auto records = co_await consumer_.poll(1 + random().below(20), 200ms);
    if (!records) {
      history_.note(name() + ": poll: " + std::string(records.error().message()));
      co_await pause(100ms);
      continue;
    }
    for (const auto& record : *records) {
      history_.saw(name(), {topic_, record.partition}, record.offset, record.leader_epoch,
                   record.value.value_or("no value"));
      positions_[record.partition] = record.offset + 1;
    }
    if (random().one_in(8)) co_await pause(50ms);
  }
  co_await consumer_.close();
}

WatcherMachine::WatcherMachine(const World& world, std::vector<TopicPlan> topics)
    : ClientMachine(world, "watcher"),
      topics_(std::move(topics)),
      describes_(world.brokers.size() == 1),
      admin_(cluster_) {}

io::Task<void> WatcherMachine::work() {
  while (!stopping_) {
    const TopicPlan& topic = topics_[random().below(topics_.size())];
    if (describes_ && random().one_in(2)) {
      auto described = co_await admin_.describe_topic(topic.name);
      if (described) {
        for (const auto& partition : described->partitions) check(topic.name, partition);
      }
    } else {
      co_await ask_ends(topic);
    }
    co_await pause(100ms);
  }
}

io::Task<void> WatcherMachine::ask_ends(const TopicPlan& topic) {
  std::map<PartitionId, Floor> floors;
  for (int32_t i = 0; i < static_cast<int32_t>(topic.partitions); ++i) {
    floors[PartitionId(i)] = history_.floor({topic.name, PartitionId(i)});
  }
  auto ends = co_await admin_.list_offsets(topic.name, {});
  if (!ends) co_return;
  for (const auto& end : *ends) {
    history_.was_told(name(), {topic.name, end.partition}, end.offset, floors[end.partition]);
  }
}

void WatcherMachine::check(const std::string& topic, const client::PartitionInfo& partition) {
  if (!partition.problem.empty()) return;
  const Place place{topic, partition.id};
  history_.was_told(name(), place, partition.high_watermark, {.era = history_.era(topic)});
  const Offset bound = history_.is_synced(topic) ? partition.synced_end : partition.log_end;
  if (partition.high_watermark > bound) {
    history_.violated("the high watermark of " + place.to_string() + " is " +
                      std::to_string(partition.high_watermark.value()) + ", above " +
                      std::to_string(bound.value()));
  }
}

AdminMachine::AdminMachine(const World& world, std::string name, Job job)
    : ClientMachine(world, std::move(name)), job_(std::move(job)), admin_(cluster_) {}

}  // namespace sluice::sim
