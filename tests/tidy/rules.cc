#include "tests/tidy/rules.h"

#include <algorithm>
#include <cctype>
#include <regex>
#include <string_view>

namespace sluice::tidy {
namespace {

constexpr size_t kMostLines = 500;
constexpr size_t kMostLinesOfATest = 400;

std::string at(const SourceFile& file, size_t line, std::string_view what) {
  return file.path + ":" + std::to_string(line) + ": " + std::string(what);
}

struct Ban {
  std::regex pattern;
  std::string_view instead;
};

const std::vector<Ban>& bans() {
  static const auto ban = [](const char* pattern, std::string_view instead) {
    return Ban{std::regex(pattern, std::regex::optimize), instead};
  };
  // A call of a system function is written ::name( in this house; members of the same name are not
  // meant.
  static const std::vector<Ban> table = {
      ban(R"((steady|system|high_resolution)_clock::now|clock_gettime|gettimeofday|\btime\(nullptr)",
          "take the time from a Clock"),
      ban(R"(random_device|mt19937|getrandom|\brand\(\))", "take randomness from a Random"),
      ban(R"(std::j?thread\b|std::async\b|pthread_create|std::this_thread)",
          "threads belong to io::Executor"),
      ban(R"(\bthread_local\b)", "state of a thread belongs to io/"),
      ban(R"(\b(fsync|fdatasync|sync_file_range|fallocate|posix_fadvise|mmap|munmap|msync|pread|pwrite|preadv2?|pwritev2?)\()",
          "files belong to io::Disk"),
      ban(R"((^|[^\w:])::(open|openat|read|write|close|unlink|rename|stat|fstat|mkdir|flock|ftruncate)\()",
          "files belong to io::Disk"),
      ban(R"(std::(i|o)?fstream|\bfopen\(|std::filesystem)", "files belong to io::Disk"),
      ban(R"((^|[^\w:])::(socket|bind|listen|accept4?|connect|send|recv|sendmsg|recvmsg|sendfile|splice|setsockopt|poll|select)\(|epoll_)",
          "sockets belong to io::Network"),
      ban(R"(\basio::|\bio_uring_)", "Asio and liburing stay inside io/"),
      ban(R"(\busleep\(|nanosleep\()", "wait with io::sleep_for on a loop"),
  };
  return table;
}

struct Exception {
  std::string_view file;
  std::string_view because;
};

/// Files outside of io/ that may touch the system.
constexpr Exception kSeamExceptions[] = {
    {"base/buffer_pool.cc", "its memory is mapped, not from a file, and its lists are per thread"},
    {"base/log.cc", "a log line is one write(2), below every seam"},
    {"broker/main.cc", "the configuration is read before there is a runtime to read it with"},
};

bool may_touch_the_system(const SourceFile& file) {
  // Tests may look at what the real system did; the layers below do not depend on them.
  if (file.is_in("io") || file.is_in("tests") || file.is_in("bench") || file.is_test()) return true;
  return std::ranges::find(kSeamExceptions, file.path, &Exception::file) !=
         std::end(kSeamExceptions);
}

std::vector<std::string> words_of(std::string_view name) {
  std::vector<std::string> words(1);
  for (const char letter : name) {
    if (letter == '_' || letter == '/' || letter == '.') {
      words.emplace_back();
    } else {
      words.back() += static_cast<char>(std::tolower(static_cast<unsigned char>(letter)));
    }
  }
  return words;
}

}  // namespace

std::vector<std::string> check_seams(const std::vector<SourceFile>& tree) {
  std::vector<std::string> found;
  for (const SourceFile& file : tree) {
    if (may_touch_the_system(file)) continue;
    for (size_t i = 0; i < file.code.size(); ++i) {
      for (const Ban& ban : bans()) {
        if (std::regex_search(file.code[i], ban.pattern)) {
          found.push_back(at(file, i + 1, ban.instead));
        }
      }
    }
  }
  return found;
}

std::vector<std::string> check_header_guards(const std::vector<SourceFile>& tree) {
  std::vector<std::string> found;
  for (const SourceFile& file : tree) {
    if (!file.is_header()) continue;
    const auto first = std::ranges::find_if(file.code, [](const std::string& line) {
      return line.find_first_not_of(" \t") != std::string::npos;
    });
    if (first == file.code.end() || *first != "#pragma once") {
      found.push_back(at(file, 1, "begins with #pragma once"));
    }
  }
  return found;
}

std::vector<std::string> check_sizes(const std::vector<SourceFile>& tree) {
  std::vector<std::string> found;
  for (const SourceFile& file : tree) {
    const size_t most = file.is_test() ? kMostLinesOfATest : kMostLines;
    if (file.text.size() <= most) continue;
    found.push_back(
        at(file, most + 1,
           "is longer than " + std::to_string(most) + " lines; split it by what it is about"));
  }
  return found;
}

std::vector<std::string> check_names(const std::vector<SourceFile>& tree) {
  static constexpr std::string_view kEmptyWords[] = {"util",   "utils",  "manager", "managers",
                                                     "common", "helper", "helpers", "misc"};
  std::vector<std::string> found;
  for (const SourceFile& file : tree) {
    for (const std::string& word : words_of(file.path)) {
      if (std::ranges::find(kEmptyWords, word) != std::end(kEmptyWords)) {
        found.push_back(at(file, 1, "'" + word + "' says nothing; name what it does"));
      }
    }
    const std::string leaf = file.path.substr(file.path.find_last_of('/') + 1);
    if (std::ranges::any_of(leaf,
                            [](char c) { return std::isupper(static_cast<unsigned char>(c)); })) {
      found.push_back(at(file, 1, "file names are snake_case"));
    }
  }
  return found;
}

std::vector<std::string> check_loose_ends(const std::vector<SourceFile>& tree) {
  // Put together, so that this file does not find itself.
  static const std::regex later(
      "\\b(TO"
      "DO|FIX"
      "ME|XX"
      "X|HA"
      "CK)\\b");
  static const std::regex off(
      "\\bDISABLED"
      "_\\w");
  std::vector<std::string> found;
  for (const SourceFile& file : tree) {
    for (size_t i = 0; i < file.text.size(); ++i) {
      if (std::regex_search(file.text[i], later)) {
        found.push_back(at(file, i + 1, "do it now or open an issue"));
      }
      if (std::regex_search(file.code[i], off)) {
        found.push_back(
            at(file, i + 1, "a test that does not run proves nothing; mend or delete it"));
      }
    }
  }
  return found;
}

std::vector<std::string> check_includes(const std::vector<SourceFile>& tree) {
  static constexpr std::string_view kRoots[] = {
      "base/", "io/", "proto/", "storage/", "client/", "broker/", "tests/", "bench/", "sluice/"};
  std::vector<std::string> found;
  for (const SourceFile& file : tree) {
    for (const Include& include : file.includes) {
      const bool ours = std::ranges::any_of(
          kRoots, [&](std::string_view root) { return include.path.starts_with(root); });
      const bool installed = file.is_in("client/examples");
      if (include.quoted && !ours) {
        found.push_back(at(file, include.line,
                           "\"" + include.path +
                               "\" is not named from the root; ours are in "
                               "quotes with their full path, others in <>"));
      } else if (!include.quoted && ours && !installed) {
        found.push_back(at(file, include.line, "<" + include.path + "> is ours; put it in quotes"));
      }
    }
  }
  return found;
}

}  // namespace sluice::tidy
