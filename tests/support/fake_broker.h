#pragma once

#include <algorithm>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "io/runtime.h"
#include "proto/native/framing.h"
#include "proto/native/protocol.pb.h"
#include "proto/record/batch.h"
#include "proto/record/records.h"

namespace sluice::client {

/// A broker that does what a test tells it to, on a simulated node: keeps batches in memory, knows
/// sequences as a real one, and fails on demand. On one loop only.
class FakeBroker {
 public:
  static constexpr uint16_t kPort = 9092;

  struct Partition {
    std::vector<std::string> batches;
    int64_t next_offset = 0;
    int64_t log_start = 0;
    /// Next sequence and remembered batches (first sequence, base offset) by producer id.
    std::map<int64_t, int32_t> sequences;
    std::map<std::pair<int64_t, int32_t>, int64_t> known;
    int32_t leader = 1;
    /// Besides the leader: who serves readers that take it.
    std::vector<int32_t> followers;
    int32_t leader_epoch = 0;
    /// Where the epochs before this one end.
    std::map<int32_t, int64_t> epoch_ends;
  };
  struct Topic {
    std::string id;
    uint32_t max_message_bytes = 1'048'588;
    std::vector<Partition> partitions;
  };
  /// What happens to the next produce requests, one after the other.
  enum class Fault : uint8_t {
    none,
    refuse,       ///< `refusal` instead of the append
    drop,         ///< the connection ends before the append
    lose_answer,  ///< the connection ends after the append
    swallow,      ///< appended, and the answer to it and all behind it never comes
    garble,       ///< appended, and the answer is no frame
  };

  FakeBroker(io::Runtime& runtime, std::string host, int32_t id = 1)
      : runtime_(runtime), host_(std::move(host)), id_(id) {}

  Topic& add_topic(const std::string& name, size_t partitions) {
    Topic& topic = topics[name];
    topic.id = name + std::string(16, '.');
    topic.id.resize(16);
    topic.partitions.resize(partitions);
    return topic;
  }

  io::Task<Result<>> start() {
    auto listener = co_await runtime_.network.listen({host_, kPort});
    if (!listener) co_return fail(std::move(listener).error());
    listener_ = std::move(*listener);
    stopping_ = false;
    scope_.start(accept());
    co_return Result<>{};
  }
  io::Task<void> stop() {
    listener_->close();
    drop_connections();
    changed_.notify_all();
    stopping_ = true;
    co_await scope_.join();
  }
  void drop_connections() {
    for (io::Socket* socket : sockets_) socket->close();
  }
  /// Wakes fetches that wait.
  void changed() { changed_.notify_all(); }

  /// The values of a partition's records, in the order of the log.
  std::vector<std::string> values(const std::string& topic, size_t partition) {
    std::vector<std::string> out;
    for (const auto& bytes : topics.at(topic).partitions.at(partition).batches) {
      const auto batch = record::BatchView::parse(as_bytes(bytes));
      record::RecordReader reader(batch->header(), batch->payload());
      record::RecordView record;
      while (reader.next(record).value_or(false)) {
        out.emplace_back(as_text(record.value.value_or(ByteView())));
      }
    }
    return out;
  }
  /// Another leader epoch begins, whose leader has nothing from `end` on.
  void begin_epoch(const std::string& topic, size_t id, int64_t end) {
    Partition& partition = topics.at(topic).partitions.at(id);
    std::erase_if(partition.batches, [&](const std::string& batch) {
      return record::load_header(as_bytes(batch).data()).base_offset.value() >= end;
    });
    for (auto& [epoch, ended] : partition.epoch_ends) ended = std::min(ended, end);
    partition.epoch_ends[partition.leader_epoch++] = end;
    partition.next_offset = end;
    changed();
  }
  /// Appends a batch as a producer without identity would.
  void append(const std::string& topic, size_t partition, ByteView batch) {
    store(topics.at(topic).partitions.at(partition), batch);
    changed();
  }

  std::map<std::string, Topic> topics;
  std::deque<Fault> faults;
  Errc refusal = Errc::pressure;
  /// Whom it takes for the controller, and whether it is one.
  int32_t controller = 1;
  bool controls = false;
  /// Requests are read and never answered.
  bool mute = false;
  /// After a question for an offset by time was answered.
  std::function<void()> after_time_query = [] {};
  /// Answers of fetches that lose a bit of their last byte on their way.
  int rotten_answers = 0;
  /// Before a produce is answered.
  Duration produce_delay{};
  int produces = 0, metadatas = 0, identities = 0, fetches = 0, connections = 0;
  /// The largest max_bytes that a fetch asked for.
  size_t largest_fetch = 0;
  uint32_t max_frame_bytes = 100'000'000;
  std::string cluster_id = "fake";
  /// Of the same cluster, their hosts by node id.
  std::map<int32_t, std::string> others;
  /// Of all brokers that have one.
  std::map<int32_t, std::string> racks;
  /// Records that were fetched from here.
  int served = 0;
  /// Says that every reader's log parts from its own where the reader stands.
  bool diverges_always = false;
  /// It does not serve yet.
  bool recovering = false;

 private:
  struct Fetching {
    int64_t offset = 0;
    uint32_t max_bytes = 0;
    std::optional<int32_t> last_epoch;
  };
  struct Peer {
    io::Socket& socket;
    std::map<std::pair<std::string, int32_t>, Fetching> session;
    bool swallowing = false;
  };

  io::Task<void> accept() {
    while (true) {
      auto socket = co_await listener_->accept();
      if (!socket) co_return;
      ++connections;
      scope_.start(serve(std::move(*socket)));
    }
  }

  io::Task<void> serve(std::unique_ptr<io::Socket> socket) {
    socket->attach(*io::Loop::current());
    sockets_.push_back(socket.get());
    Peer peer{.socket = *socket, .session = {}};
    std::string magic(native::kMagic.size(), ' ');
    if (co_await io::read_exactly(*socket, as_writable(magic))) {
      while (co_await serve_one(peer)) {
      }
    }
    std::erase(sockets_, socket.get());
    socket->close();
  }

  static MutableBytes as_writable(std::string& text) {
    return {reinterpret_cast<std::byte*>(text.data()), text.size()};
  }

  io::Task<bool> serve_one(Peer& peer) {
    std::byte prefix[native::kPrefixSize];
    if (!co_await io::read_exactly(peer.socket, prefix)) co_return false;
    const auto sizes = native::decode_prefix(prefix, max_frame_bytes);
    if (!sizes) co_return false;
    std::string head(sizes->header_size, ' ');
    std::string payload(sizes->payload_size, ' ');
    if (!co_await io::read_exactly(peer.socket, as_writable(head))) co_return false;
    if (!co_await io::read_exactly(peer.socket, as_writable(payload))) co_return false;
    native::RequestHeader request;
    if (!request.ParseFromString(head)) co_return false;
    native::ResponseHeader response;
    response.set_correlation_id(request.correlation_id());
    std::string records;
    if (request.has_produce()) {
      ++produces;
      const Fault fault = next_fault();
      if (fault == Fault::drop) co_return false;
      produce(request.produce(), as_bytes(payload), fault, *response.mutable_produce());
      if (fault == Fault::lose_answer) co_return false;
      if (fault == Fault::swallow) peer.swallowing = true;
      if (fault == Fault::garble) co_return co_await write_garbage(peer);
      if (produce_delay != Duration::zero()) co_await io::sleep_for(produce_delay);
      if (request.produce().acks() == 0) co_return true;
    } else if (request.has_fetch()) {
      ++fetches;
      co_await fetch(peer, request.fetch(), *response.mutable_fetch(), records);
    } else {
      answer(request, response);
    }
    if (mute || peer.swallowing) co_return true;
    co_return co_await write(peer, response, records);
  }

  static io::Task<bool> write(Peer& peer, const native::ResponseHeader& response,
                              const std::string& records) {
    const std::string head = response.SerializeAsString();
    std::byte prefix[native::kPrefixSize];
    native::encode_prefix({.header_size = static_cast<uint32_t>(head.size()),
                           .payload_size = static_cast<uint32_t>(records.size())},
                          prefix);
    const std::array<ByteView, 3> parts = {ByteView(prefix), as_bytes(head), as_bytes(records)};
    co_return (co_await io::write_all(peer.socket, parts)).has_value();
  }

  static io::Task<bool> write_garbage(Peer& peer) {
    const std::string garbage(native::kPrefixSize, '\xff');
    const ByteView parts[] = {as_bytes(garbage)};
    co_return (co_await io::write_all(peer.socket, parts)).has_value();
  }

  Fault next_fault() {
    if (faults.empty()) return Fault::none;
    const Fault fault = faults.front();
    faults.pop_front();
    return fault;
  }

  void answer(const native::RequestHeader& request, native::ResponseHeader& response) {
    if (request.has_hello()) {
      response.mutable_hello()->set_version(1);
      response.mutable_hello()->set_max_frame_bytes(max_frame_bytes);
    } else if (recovering) {
      response.mutable_error()->set_code(static_cast<uint32_t>(Errc::recovering));
    } else if (request.has_metadata()) {
      ++metadatas;
      metadata(request.metadata(), *response.mutable_metadata());
    } else if (request.has_init_producer()) {
      response.mutable_init_producer()->set_producer_id(1000 + identities++);
    } else if (request.has_list_offsets()) {
      list_offsets(request.list_offsets(), *response.mutable_list_offsets());
    } else if (request.has_delete_records()) {
      delete_records(request.delete_records(), *response.mutable_delete_records());
    } else if (!request.has_leave_cluster()) {
      response.mutable_error()->set_code(static_cast<uint32_t>(Errc::unsupported));
    } else if (!controls) {
      response.mutable_error()->set_code(static_cast<uint32_t>(Errc::not_controller));
    }
  }

  void metadata(const native::MetadataRequest& request, native::MetadataResponse& response) {
    response.set_cluster_id(cluster_id);
    response.set_controller(controller);
    auto brokers = others;
    brokers[id_] = host_;
    for (const auto& [id, host] : brokers) {
      auto& broker = *response.add_brokers();
      broker.set_node_id(id);
      broker.set_host(host);
      broker.set_port(kPort);
      if (racks.contains(id)) broker.set_rack(racks.at(id));
    }
    for (const auto& asked : request.topics()) {
      auto& topic = *response.add_topics();
      topic.set_name(asked.name());
      const auto found = topics.find(asked.name());
      if (found == topics.end()) {
        topic.mutable_error()->set_code(static_cast<uint32_t>(Errc::unknown_topic_or_partition));
        continue;
      }
      topic.set_id(found->second.id);
      topic.set_max_message_bytes(found->second.max_message_bytes);
      for (size_t i = 0; i < found->second.partitions.size(); ++i) {
        auto& partition = *topic.add_partitions();
        partition.set_id(static_cast<int32_t>(i));
        partition.set_leader(found->second.partitions[i].leader);
        partition.add_in_sync(found->second.partitions[i].leader);
        for (const int32_t id : found->second.partitions[i].followers) partition.add_in_sync(id);
        partition.set_leader_epoch(found->second.partitions[i].leader_epoch);
      }
    }
  }

  Partition* find(const std::string& topic_id, int32_t partition) {
    for (auto& [name, topic] : topics) {
      if (topic.id == topic_id) return &topic.partitions.at(static_cast<size_t>(partition));
    }
    return nullptr;
  }

  static int64_t store(Partition& partition, ByteView bytes) {
    std::string batch(as_text(bytes));
    const int64_t base = partition.next_offset;
    record::stamp(as_writable(batch), Offset(base), LeaderEpoch(partition.leader_epoch));
    partition.next_offset = record::load_header(as_writable(batch).data()).next_offset().value();
    partition.batches.push_back(std::move(batch));
    return base;
  }

  void produce(const native::ProduceRequest& request, ByteView payload, Fault fault,
               native::ProduceResponse& response) {
    for (const auto& asked : request.partitions()) {
      auto& said = *response.add_partitions();
      const ByteView bytes = payload.first(asked.size());
      payload = payload.subspan(asked.size());
      Partition* partition = find(asked.topic_id(), asked.partition());
      const Errc error = fault == Fault::refuse ? refusal : append(partition, bytes, said);
      if (error == Errc{}) continue;
      said.mutable_error()->set_code(static_cast<uint32_t>(error));
      said.mutable_error()->set_message("the test says so");
    }
    changed();
  }

  Errc append(Partition* partition, ByteView bytes, native::ProduceResponse::Partition& said) {
    if (partition == nullptr) return Errc::unknown_topic_id;
    if (partition->leader != id_) return Errc::not_leader;
    const auto batch = record::BatchView::parse(bytes);
    if (!batch || batch->bytes().size() != bytes.size() || !batch->crc_matches()) {
      return Errc::corrupt_batch;
    }
    const auto& header = batch->header();
    const std::pair name(header.producer_id.value(), header.base_sequence);
    if (const auto known = partition->known.find(name); known != partition->known.end()) {
      said.set_duplicate(true);
      said.set_base_offset(known->second);
      return Errc{};
    }
    if (header.has_producer()) {
      const auto producer = partition->sequences.find(name.first);
      const bool is_new = producer == partition->sequences.end();
      if (is_new && name.second != 0) return Errc::unknown_producer;
      if (!is_new && producer->second != name.second) return Errc::out_of_order_sequence;
      partition->sequences[name.first] = header.last_sequence() + 1;
    }
    const int64_t base = store(*partition, bytes);
    if (header.has_producer()) partition->known[name] = base;
    said.set_base_offset(base);
    said.mutable_receipt()->set_level(native::Receipt::WRITTEN);
    return Errc{};
  }

  void list_offsets(const native::ListOffsetsRequest& request,
                    native::ListOffsetsResponse& response) {
    for (const auto& asked : request.partitions()) {
      auto& said = *response.add_partitions();
      const Partition* partition = find(asked.topic_id(), asked.partition());
      if (partition == nullptr) {
        said.mutable_error()->set_code(static_cast<uint32_t>(Errc::unknown_topic_id));
      } else if (partition->leader != id_) {
        said.mutable_error()->set_code(static_cast<uint32_t>(Errc::not_leader));
      } else if (asked.special() == native::ListOffsetsRequest::EARLIEST) {
        said.set_offset(partition->log_start);
      } else if (asked.special() == native::ListOffsetsRequest::LATEST) {
        said.set_offset(partition->next_offset);
      } else {
        said.set_offset(at_or_after(*partition, Timestamp(asked.timestamp())));
        after_time_query();
      }
    }
  }

  void delete_records(const native::DeleteRecordsRequest& request,
                      native::DeleteRecordsResponse& response) {
    for (const auto& asked : request.partitions()) {
      auto& said = *response.add_partitions();
      Partition* partition = find(asked.topic_id(), asked.partition());
      if (partition == nullptr) {
        said.mutable_error()->set_code(static_cast<uint32_t>(Errc::unknown_topic_id));
        continue;
      }
      if (asked.before() > partition->next_offset) {
        said.mutable_error()->set_code(static_cast<uint32_t>(Errc::offset_out_of_range));
        continue;
      }
      const int64_t before = asked.before() < 0 ? partition->next_offset : asked.before();
      partition->log_start = std::max(partition->log_start, before);
      said.set_log_start(partition->log_start);
    }
  }

  static int64_t at_or_after(const Partition& partition, Timestamp timestamp) {
    for (const auto& batch : partition.batches) {
      const auto header = record::load_header(as_bytes(batch).data());
      if (header.max_timestamp >= timestamp) return header.base_offset.value();
    }
    return -1;
  }

  io::Task<void> fetch(Peer& peer, const native::FetchRequest& request,
                       native::FetchResponse& response, std::string& records) {
    largest_fetch = std::max<size_t>(largest_fetch, request.max_bytes());
    if (request.session_epoch() == 0) peer.session.clear();
    for (const auto& gone : request.forgotten()) {
      peer.session.erase({gone.topic_id(), gone.partition()});
    }
    for (const auto& asked : request.partitions()) {
      auto& place = peer.session[{asked.topic_id(), asked.partition()}];
      place = {.offset = asked.offset(), .max_bytes = asked.max_bytes()};
      if (asked.has_last_fetched_epoch()) place.last_epoch = asked.last_fetched_epoch();
    }
    const TimePoint deadline =
        io::Loop::current()->now() + std::chrono::milliseconds(request.max_wait_ms());
    while (true) {
      const uint64_t ticket = changed_.ticket();
      for (const auto& [name, place] : peer.session) read(name, place, request, response, records);
      if (response.partitions_size() > 0 || stopping_) co_return;
      if (!co_await changed_.wait(ticket, deadline)) co_return;
    }
  }

  /// The largest epoch at or below the reader's last one, and its end, where that tells that the
  /// reader has read something else.
  static std::optional<std::pair<int32_t, int64_t>> parting(const Partition& partition,
                                                            const Fetching& place, bool always) {
    if (!place.last_epoch) return std::nullopt;
    if (always) return std::pair(*place.last_epoch, place.offset);
    std::pair<int32_t, int64_t> found{partition.leader_epoch, partition.next_offset};
    if (*place.last_epoch < partition.leader_epoch) {
      auto at = partition.epoch_ends.upper_bound(*place.last_epoch);
      if (at == partition.epoch_ends.begin()) return std::nullopt;
      found = *--at;
    }
    if (found.first == *place.last_epoch && found.second >= place.offset) return std::nullopt;
    return found;
  }

  void read(const std::pair<std::string, int32_t>& name, const Fetching& place,
            const native::FetchRequest& request, native::FetchResponse& response,
            std::string& records) {
    const Partition* partition = find(name.first, name.second);
    native::FetchResponse::Partition said;
    said.set_topic_id(name.first);
    said.set_partition(name.second);
    size_t size = 0;
    const bool serves = partition != nullptr &&
                        (partition->leader == id_ ||
                         (request.from_follower() && std::ranges::find(partition->followers, id_) !=
                                                         partition->followers.end()));
    if (!serves) {
      said.mutable_error()->set_code(static_cast<uint32_t>(Errc::not_leader));
    } else if (const auto parts = parting(*partition, place, diverges_always)) {
      said.set_diverging_epoch(parts->first);
      said.set_diverging_end(parts->second);
    } else if (place.offset < partition->log_start || place.offset > partition->next_offset) {
      said.mutable_error()->set_code(static_cast<uint32_t>(Errc::offset_out_of_range));
    } else {
      said.set_high_watermark(partition->next_offset);
      said.set_log_start(partition->log_start);
      for (const auto& batch : partition->batches) {
        const auto header = record::load_header(as_bytes(batch).data());
        if (header.last_offset().value() < place.offset) continue;
        const bool first = records.empty();
        if (!first && (size + batch.size() > place.max_bytes ||
                       records.size() + batch.size() > request.max_bytes())) {
          break;
        }
        records += batch;
        size += batch.size();
        served += header.last_offset_delta + 1;
      }
      if (size == 0) return;
      if (rotten_answers > 0) {
        --rotten_answers;
        records.back() ^= 1;
      }
    }
    said.set_size(static_cast<uint32_t>(size));
    *response.add_partitions() = std::move(said);
  }

  io::Runtime& runtime_;
  const std::string host_;
  const int32_t id_;
  std::unique_ptr<io::Listener> listener_;
  std::vector<io::Socket*> sockets_;
  io::Signal changed_;
  bool stopping_ = false;
  io::Scope scope_;
};

}  // namespace sluice::client
