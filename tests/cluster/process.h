#pragma once

#include <chrono>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include <sys/types.h>

namespace sluice::cluster {

/// A folder of one's own below the system's temporary one; removed at the end.
class TempDir {
 public:
  TempDir();
  ~TempDir();
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

struct ProcessOptions {
  std::vector<std::string> arguments;
  /// Added to what we have ourselves, "NAME=value".
  std::vector<std::string> environment = {};
  /// Where standard input comes from and output goes; /dev/null when empty.
  std::filesystem::path input = {}, output = {}, error = {};
  /// io_uring_setup fails with EPERM, as in a container.
  bool without_uring = false;
  /// Descriptor of the network namespace to live in; -1 is ours.
  int network = -1;
  /// A file that the process reads where the machine tells when it was booted; empty is the truth.
  std::filesystem::path boot_id = {};
};

/// How a process ended.
struct Ending {
  /// The exit code, or 128 plus the signal.
  int code = 0;
  std::chrono::milliseconds cpu_time{0};
};

/// A child process; killed when this dies before it has ended.
class Process {
 public:
  explicit Process(const ProcessOptions& options);
  ~Process();
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  pid_t id() const { return id_; }
  void send(int signal) const;
  /// Nothing when it is still running after `limit`.
  std::optional<Ending> wait(std::chrono::milliseconds limit);
  /// Resident memory in bytes.
  size_t resident() const;

 private:
  pid_t id_ = -1;
  int handle_ = -1;
  std::optional<Ending> ending_;
};

/// Runs a command to its end and returns its exit code; `network` as above.
int run_command(std::vector<std::string> arguments, int network = -1);

std::string read_file(const std::filesystem::path& path);
void write_file(const std::filesystem::path& path, std::string_view content);

}  // namespace sluice::cluster
