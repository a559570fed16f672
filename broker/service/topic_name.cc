#include "broker/service/topic_name.h"

#include <algorithm>
#include <string>

namespace sluice::broker {
namespace {

constexpr size_t kMaxLength = 249;

bool allowed(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
         c == '_' || c == '-';
}

std::string shown(char c) {
  constexpr std::string_view kHex = "0123456789abcdef";
  const auto byte = static_cast<unsigned char>(c);
  if (byte > 0x20 && byte < 0x7f) return std::string("'") + c + "'";
  return std::string("byte 0x") + kHex[byte >> 4] + kHex[byte & 15];
}

std::string quoted(std::string_view name) {
  std::string text = "topic name \"";
  for (const char c : name.substr(0, 64)) text += allowed(c) ? c : '?';
  return text + (name.size() > 64 ? "...\"" : "\"");
}

}  // namespace

Result<> check_topic_name(std::string_view name) {
  if (name.empty()) return fail(Errc::invalid_topic_name, "a topic needs a name");
  if (name.size() > kMaxLength) {
    return fail(Errc::invalid_topic_name, quoted(name) + " has " + std::to_string(name.size()) +
                                              " characters; at most " + std::to_string(kMaxLength) +
                                              " are allowed");
  }
  if (name == "." || name == "..") {
    return fail(Errc::invalid_topic_name, quoted(name) + " means a directory; choose another name");
  }
  const auto bad = std::ranges::find_if_not(name, allowed);
  if (bad == name.end()) return {};
  return fail(Errc::invalid_topic_name, quoted(name) + ": " + shown(*bad) +
                                            " is not allowed; use letters, digits, '.', '_', '-'");
}

}  // namespace sluice::broker
