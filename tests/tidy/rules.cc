#include "tests/tidy/rules.h"

#include <algorithm>
#include <cctype>
#include <string_view>

namespace sluice::tidy {
namespace {

constexpr size_t kMostLines = 500;
constexpr size_t kMostLinesOfATest = 400;

std::string at(const SourceFile& file, size_t line, std::string_view what) {
  return file.path + ":" + std::to_string(line) + ": " + std::string(what);
}

bool is_word(char letter) {
  return std::isalnum(static_cast<unsigned char>(letter)) != 0 || letter == '_';
}

/// Whether `token` stands in the line as itself: no longer word, and, when it begins with "::", no
/// member of something.
bool has_token(std::string_view line, std::string_view token) {
  for (size_t at = line.find(token); at != std::string_view::npos; at = line.find(token, at + 1)) {
    const char before = at == 0 ? ' ' : line[at - 1];
    const size_t end = at + token.size();
    const char after = end == line.size() ? ' ' : line[end];
    const bool starts = token.starts_with("::") ? !is_word(before) && before != '>'
                                                : !is_word(token.front()) || !is_word(before);
    const bool ends = !is_word(token.back()) || !is_word(after);
    if (starts && ends) return true;
  }
  return false;
}

struct Ban {
  /// As in code; a call of a system function is written ::name( in this house, members of the same
  /// name are not meant.
  std::vector<std::string_view> tokens;
  std::string_view instead;
};

const std::vector<Ban>& bans() {
  static const std::vector<Ban> table = {
      {{"steady_clock::now", "system_clock::now", "high_resolution_clock::now", "clock_gettime",
        "gettimeofday", "time(nullptr)"},
       "take the time from a Clock"},
      {{"random_device", "mt19937", "mt19937_64", "getrandom", "rand()"},
       "take randomness from a Random"},
      {{"std::thread", "std::jthread", "std::async", "pthread_create", "std::this_thread"},
       "threads belong to io::Executor"},
      {{"thread_local"}, "state of a thread belongs to io/"},
      {{"fsync(",         "fdatasync(",    "sync_file_range(", "fallocate(",   "posix_fadvise(",
        "mmap(",          "munmap(",       "msync(",           "pread(",       "pwrite(",
        "preadv(",        "preadv2(",      "pwritev(",         "pwritev2(",    "::open(",
        "::openat(",      "::read(",       "::write(",         "::close(",     "::unlink(",
        "::rename(",      "::stat(",       "::fstat(",         "::mkdir(",     "::flock(",
        "::ftruncate(",   "std::ifstream", "std::ofstream",    "std::fstream", "fopen(",
        "std::filesystem"},
       "files belong to io::Disk"},
      {{"::socket(", "::bind(", "::listen(", "::accept(", "::accept4(", "::connect(", "::send(",
        "::recv(", "::sendmsg(", "::recvmsg(", "::sendfile(", "::splice(", "::setsockopt(",
        "::poll(", "::select(", "epoll_create1", "epoll_ctl", "epoll_wait"},
       "sockets belong to io::Network"},
      {{"asio::io_context", "asio::ip", "asio::post", "asio::awaitable", "io_uring_get_sqe",
        "io_uring_submit", "io_uring_queue_init"},
       "Asio and liburing stay inside io/"},
      {{"usleep(", "nanosleep(", "clock_nanosleep("}, "wait with io::sleep_for on a loop"},
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
        if (std::ranges::any_of(ban.tokens, [&](std::string_view token) {
              return has_token(file.code[i], token);
            })) {
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
  static constexpr std::string_view kLater[] = {
      "TO"
      "DO",
      "FIX"
      "ME",
      "XX"
      "X",
      "HA"
      "CK"};
  static constexpr std::string_view kOff =
      "DISABLED"
      "_";
  std::vector<std::string> found;
  for (const SourceFile& file : tree) {
    for (size_t i = 0; i < file.text.size(); ++i) {
      if (std::ranges::any_of(
              kLater, [&](std::string_view word) { return has_token(file.text[i], word); })) {
        found.push_back(at(file, i + 1, "do it now or open an issue"));
      }
      if (file.code[i].find(kOff) != std::string::npos) {
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
