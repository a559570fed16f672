#include "tests/cluster/process.h"

#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <sstream>
#include <stdexcept>

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <unistd.h>

extern char** environ;

namespace sluice::cluster {
namespace {

constexpr int kCouldNotStart = 127;

void redirect(const std::filesystem::path& path, int flags, int to) {
  const char* name = path.empty() ? "/dev/null" : path.c_str();
  const int from = ::open(name, flags, 0644);
  if (from < 0 || ::dup2(from, to) < 0) ::_exit(kCouldNotStart);
  ::close(from);
}

/// From here on io_uring_setup fails with EPERM, as under Docker's default profile.
void forbid_uring() {
  sock_filter code[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_io_uring_setup, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  const sock_fprog program{.len = std::size(code), .filter = code};
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
      ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0) {
    ::_exit(kCouldNotStart);
  }
}

/// In a view of the file system of its own, which sees what is unmounted in ours.
void pretend_booted(const std::filesystem::path& boot_id) {
  if (::unshare(CLONE_NEWNS) != 0 ||
      ::mount(nullptr, "/", nullptr, MS_REC | MS_SLAVE, nullptr) != 0 ||
      ::mount(boot_id.c_str(), "/proc/sys/kernel/random/boot_id", nullptr, MS_BIND, nullptr) != 0) {
    ::_exit(kCouldNotStart);
  }
}

std::vector<char*> pointers_to(std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  for (std::string& text : texts) pointers.push_back(text.data());
  pointers.push_back(nullptr);
  return pointers;
}

[[noreturn]] void become(const ProcessOptions& options, char** arguments, char** environment) {
  redirect(options.input, O_RDONLY, STDIN_FILENO);
  redirect(options.output, O_WRONLY | O_CREAT | O_TRUNC, STDOUT_FILENO);
  redirect(options.error, O_WRONLY | O_CREAT | O_TRUNC, STDERR_FILENO);
  // A test that dies takes its children along.
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (options.network >= 0 && ::setns(options.network, CLONE_NEWNET) != 0) ::_exit(kCouldNotStart);
  if (!options.boot_id.empty()) pretend_booted(options.boot_id);
  if (options.without_uring) forbid_uring();
  ::execvpe(arguments[0], arguments, environment);
  ::_exit(kCouldNotStart);
}

}  // namespace

TempDir::TempDir() {
  std::string name = (std::filesystem::temp_directory_path() / "sluice-XXXXXX").string();
  if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("no temporary folder");
  path_ = name;
}

TempDir::~TempDir() {
  std::error_code ignored;  // A mount that did not go must not end the other tests.
  std::filesystem::remove_all(path_, ignored);
}

Process::Process(const ProcessOptions& options) {
  std::vector<std::string> arguments = options.arguments;
  std::vector<std::string> environment;
  for (char** at = environ; *at != nullptr; ++at) environment.emplace_back(*at);
  environment.insert(environment.end(), options.environment.begin(), options.environment.end());
  const std::vector<char*> argument_pointers = pointers_to(arguments);
  const std::vector<char*> environment_pointers = pointers_to(environment);
  id_ = ::fork();
  if (id_ == 0) {
    become(options, const_cast<char**>(argument_pointers.data()),
           const_cast<char**>(environment_pointers.data()));
  }
  if (id_ < 0) throw std::runtime_error("fork failed");
  handle_ = static_cast<int>(::syscall(SYS_pidfd_open, id_, 0));
}

Process::~Process() {
  if (!ending_) {
    ::kill(id_, SIGKILL);
    wait(std::chrono::seconds(30));
  }
  ::close(handle_);
}

void Process::send(int signal) const {
  if (!ending_) ::kill(id_, signal);
}

std::optional<Ending> Process::wait(std::chrono::milliseconds limit) {
  if (ending_) return ending_;
  pollfd ended{.fd = handle_, .events = POLLIN, .revents = 0};
  if (::poll(&ended, 1, static_cast<int>(limit.count())) != 1) return std::nullopt;
  int status = 0;
  rusage usage{};
  if (::wait4(id_, &status, 0, &usage) != id_) return std::nullopt;
  const auto milliseconds = [](const timeval& time) {
    return std::chrono::milliseconds(time.tv_sec * 1000 + time.tv_usec / 1000);
  };
  ending_ = Ending{WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status),
                   milliseconds(usage.ru_utime) + milliseconds(usage.ru_stime)};
  return ending_;
}

size_t Process::resident() const {
  std::istringstream status(read_file("/proc/" + std::to_string(id_) + "/statm"));
  size_t total = 0;
  size_t resident = 0;
  status >> total >> resident;
  return resident * static_cast<size_t>(::sysconf(_SC_PAGESIZE));
}

int run_command(std::vector<std::string> arguments, int network) {
  Process process({.arguments = std::move(arguments), .network = network});
  const auto ending = process.wait(std::chrono::seconds(60));
  return ending ? ending->code : kCouldNotStart;
}

std::string read_file(const std::filesystem::path& path) {
  std::ifstream stream(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(stream), {}};
}

void write_file(const std::filesystem::path& path, std::string_view content) {
  std::ofstream(path, std::ios::binary) << content;
}

}  // namespace sluice::cluster
