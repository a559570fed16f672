#include "tests/cluster/witness.h"

#include <algorithm>

#include <gtest/gtest.h>

#include "tests/cluster/load.h"
#include "tests/simulated/invariants.h"

namespace sluice::cluster {
namespace {

using std::chrono::milliseconds;

constexpr size_t kProducers = 3;
constexpr size_t kReaders = 2;
/// Slow enough that the history of minutes is checked in seconds.
constexpr int kBurst = 8;
constexpr milliseconds kBetweenBursts{10};
constexpr size_t kBrokenShown = 20;
constexpr size_t kLinesShown = 60;

}  // namespace

Witness::Witness(std::string topic, uint32_t partitions)
    : topic_(std::move(topic)),
      partitions_(partitions),
      history_([this] { return Clock::now() - begun_; }) {
  // Nothing that befalls the cluster excuses a loss: topics either sync or have two brokers left.
  history_.add_topic(topic_, sim::Promise::synced);
}

uint32_t Witness::next_producer() {
  const std::lock_guard lock(mutex_);
  return producers_++;
}

void Witness::sent(sim::RecordId id, PartitionId partition) {
  const std::lock_guard lock(mutex_);
  history_.sent(id, place(partition), true);
}

void Witness::acknowledged(sim::RecordId id, Offset offset) {
  const std::lock_guard lock(mutex_);
  history_.acknowledged(id, offset);
  ++acknowledged_count_;
  note_acknowledgement(Clock::now());
}

void Witness::note_acknowledgement(Clock::time_point now) {
  longest_pause_ = std::max(longest_pause_, now - last_acknowledgement_);
  last_acknowledgement_ = now;
}

void Witness::failed(sim::RecordId id, const Error& why, bool definite) {
  const std::lock_guard lock(mutex_);
  history_.failed(id, why, definite);
  ++failed_count_;
}

void Witness::saw(const std::string& reader, const client::ConsumedRecord& record) {
  const std::lock_guard lock(mutex_);
  history_.saw(reader, place(record.partition), record.offset, record.leader_epoch,
               record.value.value_or("no value"));
}

std::vector<sim::Floor> Witness::floors() {
  const std::lock_guard lock(mutex_);
  std::vector<sim::Floor> floors;
  for (uint32_t i = 0; i < partitions_; ++i) {
    floors.push_back(history_.floor(place(PartitionId(static_cast<int32_t>(i)))));
  }
  return floors;
}

void Witness::was_told(const std::string& reader, const std::vector<client::PartitionOffset>& ends,
                       const std::vector<sim::Floor>& floors) {
  const std::lock_guard lock(mutex_);
  for (const client::PartitionOffset& end : ends) {
    history_.was_told(reader, place(end.partition), end.offset,
                      floors.at(static_cast<size_t>(end.partition.value())));
  }
}

void Witness::note(std::string text) {
  const std::lock_guard lock(mutex_);
  history_.note(std::move(text));
}

size_t Witness::acknowledged_count() {
  const std::lock_guard lock(mutex_);
  return acknowledged_count_;
}

size_t Witness::failed_count() {
  const std::lock_guard lock(mutex_);
  return failed_count_;
}

bool Witness::wait_for_more(size_t records, milliseconds limit) {
  const size_t wanted = acknowledged_count() + records;
  const auto until = Clock::now() + limit;
  while (acknowledged_count() < wanted) {
    if (Clock::now() > until) return false;
    std::this_thread::sleep_for(milliseconds(2));
  }
  return true;
}

void Witness::watch_pauses() {
  const std::lock_guard lock(mutex_);
  last_acknowledgement_ = Clock::now();
  longest_pause_ = {};
}

milliseconds Witness::longest_pause() {
  const std::lock_guard lock(mutex_);
  const auto since = Clock::now() - last_acknowledgement_;
  return std::chrono::duration_cast<milliseconds>(std::max(longest_pause_, since));
}

std::vector<std::string> Witness::broken(client::Client& client) {
  const Records records = read_all(client, topic_);
  const std::lock_guard lock(mutex_);
  for (const auto& [at, value] : records) {
    history_.found(place(PartitionId(at.first)), Offset(at.second), LeaderEpoch(-1), value);
  }
  history_.set_log_complete();
  return sim::broken_invariants(history_);
}

std::string Witness::to_text(size_t lines) {
  const std::lock_guard lock(mutex_);
  return history_.to_text(lines);
}

WitnessedProducer::WitnessedProducer(Witness& witness, std::unique_ptr<client::Client> client,
                                     client::ProducerOptions options)
    : witness_(witness),
      number_(witness.next_producer()),
      client_(std::move(client)),
      producer_(client_->producer(options)),
      thread_([this](const std::stop_token& stopping) { run(stopping); }) {}

WitnessedProducer::~WitnessedProducer() { stop(); }

void WitnessedProducer::run(const std::stop_token& stopping) {
  while (!stopping.stop_requested()) {
    for (int i = 0; i < kBurst && !stopping.stop_requested(); ++i) {
      // No memory left: who waits for outcomes need not hurry.
      if (!send_one()) break;
    }
    std::this_thread::sleep_for(kBetweenBursts);
  }
}

bool WitnessedProducer::send_one() {
  const sim::RecordId id{number_, sent_++};
  const PartitionId partition(static_cast<int32_t>(id.number % witness_.partitions()));
  const std::string value = sim::value_of(id);
  witness_.sent(id, partition);
  const auto sent = producer_->send(witness_.topic(), {.value = value, .partition = partition},
                                    [this, id](const Result<client::Delivery>& delivery) {
                                      if (delivery) {
                                        ++acknowledged_;
                                        witness_.acknowledged(id, delivery->offset);
                                      } else {
                                        witness_.failed(id, delivery.error(), false);
                                      }
                                    });
  if (!sent) witness_.failed(id, sent.error(), true);
  return sent.has_value();
}

void WitnessedProducer::stop() {
  thread_.request_stop();
  if (thread_.joinable()) thread_.join();
  static_cast<void>(producer_->close(milliseconds(30'000)));
}

WitnessedReader::WitnessedReader(Witness& witness, std::string name,
                                 std::unique_ptr<client::Client> client)
    : witness_(witness),
      name_(std::move(name)),
      client_(std::move(client)),
      thread_([this](const std::stop_token& stopping) { run(stopping); }) {}

void WitnessedReader::run(const std::stop_token& stopping) {
  const auto consumer = client_->consumer({.fetch_max_wait = milliseconds(100)});
  while (!stopping.stop_requested() && !consumer->assign(witness_.topic())) {
    std::this_thread::sleep_for(milliseconds(50));
  }
  while (!stopping.stop_requested()) {
    const auto polled = consumer->poll(500, milliseconds(200));
    if (!polled) {
      witness_.note(name_ + ": poll: " + std::string(polled.error().message()));
      std::this_thread::sleep_for(milliseconds(20));
      continue;
    }
    for (const client::ConsumedRecord& record : *polled) {
      witness_.saw(name_, record);
      const std::lock_guard lock(mutex_);
      positions_[record.partition] = record.offset + 1;
    }
  }
}

bool WitnessedReader::reaches(const std::vector<sim::Floor>& ends, milliseconds limit) {
  const auto until = std::chrono::steady_clock::now() + limit;
  const auto is_there = [&] {
    const std::lock_guard lock(mutex_);
    for (size_t i = 0; i < ends.size(); ++i) {
      if (positions_[PartitionId(static_cast<int32_t>(i))] < ends[i].end) return false;
    }
    return true;
  };
  while (!is_there()) {
    if (std::chrono::steady_clock::now() > until) return false;
    std::this_thread::sleep_for(milliseconds(5));
  }
  return true;
}

WitnessedWatcher::WitnessedWatcher(Witness& witness, std::string name,
                                   std::unique_ptr<client::Client> client)
    : witness_(witness),
      name_(std::move(name)),
      client_(std::move(client)),
      thread_([this](const std::stop_token& stopping) { run(stopping); }) {}

void WitnessedWatcher::run(const std::stop_token& stopping) {
  const auto admin = client_->admin();
  while (!stopping.stop_requested()) {
    const std::vector<sim::Floor> floors = witness_.floors();
    const auto ends = admin->list_offsets(witness_.topic(), {client::OffsetSpec::Kind::latest});
    if (ends) {
      witness_.was_told(name_, *ends, floors);
    } else {
      witness_.note(name_ + ": ends: " + std::string(ends.error().message()));
    }
    std::this_thread::sleep_for(milliseconds(10));
  }
}

WitnessedLoad::WitnessedLoad(std::string topic, uint32_t partitions, Open open)
    : witness_(std::move(topic), partitions), open_(std::move(open)) {
  for (size_t i = 0; i < kReaders; ++i) {
    readers_.push_back(
        std::make_unique<WitnessedReader>(witness_, "reader" + std::to_string(i), open_()));
  }
  watcher_ = std::make_unique<WitnessedWatcher>(witness_, "watcher", open_());
  for (size_t i = 0; i < kProducers; ++i) {
    producers_.push_back(
        std::make_unique<WitnessedProducer>(witness_, open_(), client::ProducerOptions{}));
  }
}

void WitnessedLoad::expect_sound() {
  producers_.clear();
  const std::vector<sim::Floor> ends = witness_.floors();
  for (const auto& reader : readers_) {
    EXPECT_TRUE(reader->reaches(ends, milliseconds(15'000))) << "a reader did not get to the end";
  }
  readers_.clear();
  watcher_.reset();
  const std::vector<std::string> broken = witness_.broken(*open_());
  for (size_t i = 0; i < std::min(broken.size(), kBrokenShown); ++i) ADD_FAILURE() << broken[i];
  if (!broken.empty()) {
    ADD_FAILURE() << broken.size() << " broken invariants; the history ends with\n"
                  << witness_.to_text(kLinesShown);
  }
}

}  // namespace sluice::cluster
