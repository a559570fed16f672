#include "bench/load/broker_process.h"

#include <array>
#include <chrono>
#include <csignal>
#include <fstream>
#include <iostream>
#include <sstream>

#include <sys/wait.h>

#include <fcntl.h>
#include <spawn.h>
#include <unistd.h>

#include "base/check.h"

extern char** environ;

namespace sluice::bench {

ProcessCpu cpu_of(int pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
  std::string text((std::istreambuf_iterator<char>(file)), {});
  // The second field is the name in parentheses, which may hold blanks.
  std::istringstream rest(text.substr(text.rfind(')') + 2));
  std::string skipped;
  for (int field = 3; field < 14; ++field) rest >> skipped;
  long user = 0;
  long system = 0;
  rest >> user >> system;
  const auto ticks = static_cast<double>(sysconf(_SC_CLK_TCK));
  return {.user = static_cast<double>(user) / ticks, .system = static_cast<double>(system) / ticks};
}

uint64_t resident_bytes(int pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/statm");
  uint64_t all = 0;
  uint64_t resident = 0;
  file >> all >> resident;
  return resident * static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
}

BrokerProcess::BrokerProcess(const std::string& sluiced, const std::string& data) {
  std::array<int, 2> pipe{};
  CHECK(::pipe2(pipe.data(), O_CLOEXEC) == 0, "the system has pipes");
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, pipe[1], STDERR_FILENO);
  std::vector<std::string> words = {sluiced,       "--data",  data,         "--listen",
                                    "127.0.0.1:0", "--admin", "127.0.0.1:0"};
  std::vector<char*> arguments;
  for (auto& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  const auto start = std::chrono::steady_clock::now();
  const int failed =
      ::posix_spawn(&pid_, sluiced.c_str(), &actions, nullptr, arguments.data(), environ);
  CHECK(failed == 0, "sluiced can be run");
  posix_spawn_file_actions_destroy(&actions);
  ::close(pipe[1]);
  words_ = pipe[0];
  const std::string said = read_until_ready();
  seconds_to_ready_ =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  const size_t at = said.find(" listen=") + std::string_view(" listen=").size();
  address_ = said.substr(at, said.find(' ', at) - at);
}

std::string BrokerProcess::read_until_ready() {
  std::string said;
  std::array<char, 4096> buffer;
  for (;;) {
    const size_t ready = said.find("event=ready");
    if (ready != said.npos && said.find('\n', ready) != said.npos) return said.substr(ready);
    const ssize_t n = ::read(words_, buffer.data(), buffer.size());
    if (n <= 0) {
      std::cerr << "bench: the broker did not get ready:\n" << said;
      _exit(1);
    }
    said.append(buffer.data(), static_cast<size_t>(n));
  }
}

BrokerProcess::~BrokerProcess() {
  ::kill(pid_, SIGTERM);
  // What it still says must have room, or it would not end.
  std::array<char, 4096> buffer;
  while (::read(words_, buffer.data(), buffer.size()) > 0) {
  }
  ::close(words_);
  ::waitpid(pid_, nullptr, 0);
}

}  // namespace sluice::bench
