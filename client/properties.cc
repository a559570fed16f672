#include "client/properties.h"

#include <map>
#include <string>

namespace sluice::client {
namespace {

using std::chrono::hours;

SettingsTable<ClientOptions> make_client_properties() {
  using O = ClientOptions;
  SettingsTable<O> table;
  table.add("bootstrap.servers", &O::brokers, "Brokers to begin with, host:port each.");
  table.add("client.id", &O::client_id, "What the broker's logs call this client.");
  table.add("request.timeout.ms", &O::request_timeout,
            "How long an answer may take before the connection is given up.",
            between(Milliseconds(1), hours(1)));
  table.add("socket.connection.setup.timeout.ms", &O::connect_timeout,
            "How long connecting may take.", between(Milliseconds(1), hours(1)));
  table.add(
      "retry.backoff.ms", &O::retry_backoff,
      "The pause before the first retry; where a leader moved, another is looked for without one.",
      between(Milliseconds(1), hours(1)));
  table.add("retry.backoff.max.ms", &O::retry_backoff_longest, "The longest pause between retries.",
            between(Milliseconds(1), hours(1)));
  table.add("metadata.max.age.ms", &O::metadata_max_age,
            "How old what is known of a topic may get before it is asked for again.",
            between(Milliseconds(1), hours(24)));
  return table;
}

SettingsTable<ProducerOptions> make_producer_properties() {
  using O = ProducerOptions;
  SettingsTable<O> table;
  table.add_choice("acks", &O::acks,
                   {{"all", Acks::all}, {"-1", Acks::all}, {"0", Acks::none}, {"1", Acks::leader}},
                   "When a produce counts as done: all in-sync replicas, the leader (1), or never "
                   "asked (0).");
  table.add_bytes("batch.size", &O::batch_size, "Bytes of a batch.", between(256, 512_MiB));
  table.add_bytes("buffer.memory", &O::buffer_memory, "Bytes that unacknowledged records may take.",
                  between(256, 1_GiB * 64));
  table.add("linger.ms", &O::linger, "How long a batch that is not full waits for more records.",
            between(Milliseconds(0), hours(1)));
  table.add("max.block.ms", &O::max_block,
            "How long send waits for memory or for a topic's metadata.",
            between(Milliseconds(0), hours(24)));
  table.add("delivery.timeout.ms", &O::delivery_timeout,
            "From send to the outcome, retries included.", between(Milliseconds(1), hours(24)));
  table.add_choice("compression.type", &O::compression,
                   {{"none", Compression::none},
                    {"gzip", Compression::gzip},
                    {"snappy", Compression::snappy},
                    {"lz4", Compression::lz4},
                    {"zstd", Compression::zstd}},
                   "How batches are compressed.");
  table.add("enable.idempotence", &O::idempotence,
            "Retries neither repeat nor reorder records; off with acks=0.");
  table.add("max.in.flight.requests.per.connection", &O::max_in_flight,
            "Requests under way per partition; at most 5 with idempotence.", between(1, 5));
  return table;
}

SettingsTable<ConsumerOptions> make_consumer_properties() {
  using O = ConsumerOptions;
  SettingsTable<O> table;
  table.add("fetch.min.bytes", &O::fetch_min_bytes, "A fetch waits for this many bytes.",
            between(0, 1_GiB));
  table.add("fetch.max.wait.ms", &O::fetch_max_wait, "The longest that a fetch waits for them.",
            between(Milliseconds(0), hours(1)));
  table.add("max.partition.fetch.bytes", &O::fetch_partition_bytes,
            "Bytes of one partition in an answer.", between(1, 1_GiB));
  table.add("fetch.max.bytes", &O::fetch_max_bytes, "Bytes of an answer.", between(1, 1_GiB));
  table.add_bytes("fetch.buffer.memory", &O::fetch_buffer_memory,
                  "Bytes of fetched data that the consumer holds.", between(1, 1_GiB * 64));
  table.add_choice("auto.offset.reset", &O::offset_reset,
                   {{"earliest", OffsetReset::earliest},
                    {"latest", OffsetReset::latest},
                    {"none", OffsetReset::fail}},
                   "Where to go on when the offset is no longer in the log.");
  table.add_choice("on.truncation", &O::on_truncation,
                   {{"report", OnTruncation::report},
                    {"resume", OnTruncation::resume},
                    {"fail", OnTruncation::fail}},
                   "What to do when records that were read are no longer in the log: say so once "
                   "and go on where the logs part, just go on, or fail until a seek.");
  table.add_choice("isolation.level", &O::isolation,
                   {{"read_uncommitted", Isolation::read_uncommitted},
                    {"read_committed", Isolation::read_committed}},
                   "Whether records of open and aborted transactions are seen.");
  table.add("client.rack", &O::rack,
            "Where the client stands: replicas in that rack are read from, not leaders elsewhere.");
  table.add("check.crcs", &O::check_crcs, "Whether each batch's checksum is checked.");
  return table;
}

template <class Options>
Result<> set(const SettingsTable<Options>& table, Options& options, std::string_view name,
             std::string_view value) {
  if (table.find(name) == nullptr) {
    const std::string near = nearest_key(table.specs(), name);
    return fail(Errc::not_found, "there is no property '" + std::string(name) + "'" +
                                     (near.empty() ? "" : "; did you mean '" + near + "'?"));
  }
  const std::map<std::string, std::string> one{{std::string(name), std::string(value)}};
  auto changed = table.apply(one, options);
  if (!changed) return fail(Errc::invalid_argument, std::string(changed.error().message()));
  options = std::move(*changed);
  return {};
}

}  // namespace

const SettingsTable<ClientOptions>& client_properties() {
  static const auto table = make_client_properties();
  return table;
}
const SettingsTable<ProducerOptions>& producer_properties() {
  static const auto table = make_producer_properties();
  return table;
}
const SettingsTable<ConsumerOptions>& consumer_properties() {
  static const auto table = make_consumer_properties();
  return table;
}

Result<> set_property(ClientOptions& options, std::string_view name, std::string_view value) {
  return set(client_properties(), options, name, value);
}
Result<> set_property(ProducerOptions& options, std::string_view name, std::string_view value) {
  return set(producer_properties(), options, name, value);
}
Result<> set_property(ConsumerOptions& options, std::string_view name, std::string_view value) {
  return set(consumer_properties(), options, name, value);
}

}  // namespace sluice::client
