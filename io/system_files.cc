#include "io/system_files.h"

#include <algorithm>
#include <filesystem>
#include <system_error>

#include <sys/timex.h>

#include "base/bytes.h"
#include "io/console.h"

namespace sluice::io {
namespace {

namespace fs = std::filesystem;

/// /proc/self/mountinfo of a machine with thousands of containers is the largest that is read.
constexpr size_t kLargestFile = 1_MiB;

}  // namespace

std::optional<std::string> SystemFiles::read(std::string_view path) const {
  auto text = read_text_file(root_ + std::string(path), kLargestFile);
  if (!text) return std::nullopt;
  text->erase(text->find_last_not_of(" \t\n") + 1);
  return std::move(*text);
}

std::vector<std::string> SystemFiles::list(std::string_view path) const {
  std::vector<std::string> names;
  std::error_code error;
  for (fs::directory_iterator at(root_ + std::string(path), error), end; !error && at != end;
       at.increment(error)) {
    names.push_back(at->path().filename());
  }
  std::ranges::sort(names);
  return names;
}

bool SystemFiles::exists(std::string_view path) const {
  std::error_code error;
  return fs::exists(root_ + std::string(path), error);
}

std::string SystemFiles::resolve(std::string_view path) const {
  std::error_code error;
  const fs::path root = fs::weakly_canonical(root_.empty() ? "/" : root_, error);
  const fs::path full = fs::weakly_canonical(fs::absolute(root_ + std::string(path), error), error);
  if (error) return std::string(path);
  return "/" + full.lexically_relative(root).string();
}

std::optional<bool> wall_clock_synchronised() {
  timex state{};
  if (::adjtimex(&state) < 0) return std::nullopt;
  return (state.status & STA_UNSYNC) == 0;
}

}  // namespace sluice::io
