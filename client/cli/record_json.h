#pragma once

#include <string>

#include "client/include/sluice/consumer.h"

namespace sluice::cli {

/// Appends the record as one JSON object without a newline: topic, partition, offset, timestamp,
/// key, value (null when missing; key_base64, value_base64 when not UTF-8), headers as a list of
/// {key, value}.
void append_record_json(std::string& out, const client::ConsumedRecord& record);

}  // namespace sluice::cli
