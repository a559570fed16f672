#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace sluice::cli {

bool is_utf8(std::string_view text);
/// Appends `text`, which must be UTF-8, as a JSON string with its quotes.
void append_json_string(std::string& out, std::string_view text);
/// Appends `"name":"text"`, or `"name_base64":"..."` when the text is not UTF-8.
void append_json_member(std::string& out, std::string_view name, std::string_view text);

/// RFC 4648, padded.
std::string to_base64(std::string_view bytes);
/// Nothing when the text is not padded RFC 4648.
std::optional<std::string> from_base64(std::string_view text);

}  // namespace sluice::cli
