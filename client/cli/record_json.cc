#include "client/cli/record_json.h"

#include <nlohmann/json.hpp>

#include "client/cli/json_text.h"
#include "client/cli/record_parser.h"

namespace sluice::cli {
namespace {

using nlohmann::json;

void append_optional(std::string& out, std::string_view name,
                     const std::optional<std::string_view>& text) {
  if (text) {
    append_json_member(out, name, *text);
    return;
  }
  out += '"';
  out += name;
  out += "\":null";
}

/// Reads objects that append_record_json wrote, and by hand written ones.
class JsonParser final : public RecordParser {
 public:
  Result<> parse(std::string_view line, ParsedRecord& record) override {
    record = {};
    object_ = json::parse(line, nullptr, false);
    if (!object_.is_object()) {
      return fail(Errc::invalid_argument,
                  "is no JSON object; write {\"key\":\"k\",\"value\":\"v\"} on one line");
    }
    decoded_.clear();
    // Views into the strings stay valid: at most two a record and two a header are added.
    const auto headers = object_.find("headers");
    const bool has_headers = headers != object_.end() && !headers->is_null();
    if (has_headers && !headers->is_array()) return refuse("headers", "a list of {key, value}");
    decoded_.reserve(2 + 2 * (has_headers ? headers->size() : 0));
    RETURN_IF_ERROR(read_text(object_, "key", record.key));
    RETURN_IF_ERROR(read_text(object_, "value", record.value));
    RETURN_IF_ERROR(read_numbers(record));
    if (!has_headers) return {};
    for (const json& header : *headers) {
      std::optional<std::string_view> key;
      client::Header read;
      if (!header.is_object()) return refuse("headers", "a list of {key, value}");
      RETURN_IF_ERROR(read_text(header, "key", key));
      RETURN_IF_ERROR(read_text(header, "value", read.value));
      read.key = key.value_or("");
      record.headers.push_back(read);
    }
    return {};
  }

 private:
  static std::unexpected<Error> refuse(const std::string& name, const std::string& wanted) {
    return fail(Errc::invalid_argument, name + " is not " + wanted);
  }

  Result<> read_text(const json& object, const std::string& name,
                     std::optional<std::string_view>& out) {
    if (const auto found = object.find(name); found != object.end() && !found->is_null()) {
      if (!found->is_string()) return refuse(name, "a text");
      out = found->get_ref<const std::string&>();
      return {};
    }
    const auto found = object.find(name + "_base64");
    if (found == object.end()) return {};
    auto bytes =
        found->is_string() ? from_base64(found->get_ref<const std::string&>()) : std::nullopt;
    if (!bytes) return refuse(name + "_base64", "base64");
    out = decoded_.emplace_back(std::move(*bytes));
    return {};
  }

  Result<> read_numbers(ParsedRecord& record) {
    const auto partition = object_.find("partition");
    if (partition != object_.end() && !partition->is_null()) {
      if (!partition->is_number_unsigned() || partition->get<uint64_t>() > INT32_MAX) {
        return refuse("partition", "a number from 0");
      }
      record.partition = PartitionId(partition->get<int32_t>());
    }
    const auto timestamp = object_.find("timestamp");
    if (timestamp != object_.end() && !timestamp->is_null()) {
      if (!timestamp->is_number_unsigned() || timestamp->get<uint64_t>() > INT64_MAX) {
        return refuse("timestamp", "in milliseconds since 1970");
      }
      record.timestamp = Timestamp(timestamp->get<int64_t>());
    }
    return {};
  }

  json object_;
  std::vector<std::string> decoded_;
};

}  // namespace

void append_record_json(std::string& out, const client::ConsumedRecord& record) {
  out += "{\"topic\":";
  append_json_string(out, record.topic);
  out += ",\"partition\":" + std::to_string(record.partition.value());
  out += ",\"offset\":" + std::to_string(record.offset.value());
  out += ",\"timestamp\":" + std::to_string(record.timestamp.value()) + ",";
  append_optional(out, "key", record.key);
  out += ',';
  append_optional(out, "value", record.value);
  out += ",\"headers\":[";
  bool first = true;
  if (record.has_headers()) {
    for (const client::Header& header : record.headers()) {
      out += first ? "{" : ",{";
      first = false;
      append_json_member(out, "key", header.key);
      out += ',';
      append_optional(out, "value", header.value);
      out += '}';
    }
  }
  out += "]}";
}

std::unique_ptr<RecordParser> json_parser() { return std::make_unique<JsonParser>(); }

}  // namespace sluice::cli
