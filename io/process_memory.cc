#include "io/process_memory.h"

#include <array>
#include <charconv>
#include <string>

#include <sys/resource.h>

#include <malloc.h>

#include "base/bytes.h"

namespace sluice::io {
namespace {

constexpr const char* kStatus = "/proc/self/status";

/// The number behind "\nNAME:", which is told in KiB.
Result<size_t> line_of(std::string_view text, std::string_view name) {
  const std::string front = "\n" + std::string(name) + ":";
  const size_t at = text.find(front);
  if (at == std::string_view::npos) {
    return fail(Errc::unsupported, std::string(kStatus) + " has no line " + std::string(name));
  }
  std::string_view rest = text.substr(at + front.size());
  rest.remove_prefix(std::min(rest.find_first_not_of(" \t"), rest.size()));
  size_t kib = 0;
  const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), kib);
  const bool is_kib = rest.substr(static_cast<size_t>(end - rest.data())).starts_with(" kB");
  if (error != std::errc() || !is_kib) {
    return fail(Errc::unsupported, std::string(kStatus) + " tells no size at " + std::string(name));
  }
  return kib * 1_KiB;
}

}  // namespace

Result<ProcessMemory> parse_process_status(std::string_view text) {
  ProcessMemory memory;
  ASSIGN_OR_RETURN(memory.resident_anonymous, line_of(text, "RssAnon"));
  ASSIGN_OR_RETURN(const size_t file, line_of(text, "RssFile"));
  ASSIGN_OR_RETURN(const size_t shared, line_of(text, "RssShmem"));
  ASSIGN_OR_RETURN(memory.address_space, line_of(text, "VmSize"));
  ASSIGN_OR_RETURN(const size_t data, line_of(text, "VmData"));
  ASSIGN_OR_RETURN(const size_t stack, line_of(text, "VmStk"));
  ASSIGN_OR_RETURN(memory.swapped, line_of(text, "VmSwap"));
  memory.resident_file = file + shared;
  memory.mapped = data + stack;
  return memory;
}

Task<Result<ProcessMemory>> process_memory(Disk& disk) {
  CO_ASSIGN_OR_RETURN(const auto file, co_await disk.open(kStatus, OpenMode::read));
  // The system makes the text as it is read, and all of it fits.
  std::array<std::byte, 4096> text;
  CO_ASSIGN_OR_RETURN(const size_t count, co_await file->read_at(0, text, Lane::hot));
  co_return parse_process_status(as_text(ByteView(text).first(count)));
}

PageFaults page_faults() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  return {static_cast<uint64_t>(usage.ru_majflt), static_cast<uint64_t>(usage.ru_minflt)};
}

AllocatorUse allocator_use() {
  const struct mallinfo2 info = ::mallinfo2();
  return {info.uordblks + info.hblkhd, info.fordblks, info.hblkhd};
}

}  // namespace sluice::io
