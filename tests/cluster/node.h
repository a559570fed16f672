#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "client/include/sluice/client.h"
#include "tests/cluster/process.h"

namespace sluice::cluster {

struct BrokerOptions {
  std::filesystem::path data;
  /// HOST:PORT; port 0 takes a free one.
  std::string listen = "127.0.0.1:0";
  std::vector<std::string> arguments;
  bool without_uring = false;
  /// As in ProcessOptions.
  int network = -1;
  std::filesystem::path boot_id = {};
};

/// A sluiced of its own.
class Broker {
 public:
  /// Starts it; it may not be ready yet.
  Broker(const BrokerOptions& options, const std::filesystem::path& log);

  /// Waits for the line that says so; false when it ended before, or after ten seconds.
  bool wait_until_ready();
  /// HOST:PORT for clients, and of the admin port; once it is ready.
  const std::string& address() const { return address_; }
  const std::string& admin_address() const { return admin_address_; }
  Process& process() { return process_; }
  std::string log() const { return read_file(log_); }
  std::chrono::milliseconds time_to_ready() const { return time_to_ready_; }

  /// SIGTERM and its exit code; -1 when it did not end within ten seconds.
  int stop();
  void kill();

 private:
  std::filesystem::path log_;
  std::chrono::steady_clock::time_point started_;
  std::chrono::milliseconds time_to_ready_{0};
  std::string address_;
  std::string admin_address_;
  Process process_;
};

/// What a run of the command line said.
struct Said {
  int code = 0;
  std::string out;
  std::string err;
};

/// Runs `sluice ARGUMENTS` with these brokers, if any; what goes in and out lies in `folder`, which
/// is made, and contexts in `config`.
Said run_sluice(const std::filesystem::path& folder, const std::filesystem::path& config,
                const std::string& brokers, std::vector<std::string> arguments,
                std::string_view input);

/// A folder, brokers in it, and the command line that talks to the one started last. At the end
/// every broker is stopped and `sluice log dump --verify` must find its data sound.
class Node {
 public:
  Node();
  ~Node();

  const std::filesystem::path& folder() const { return dir_.path(); }
  std::filesystem::path data() const { return dir_.path() / "data"; }

  /// Starts a broker on data() and waits until it is ready; the one before must be gone.
  Broker& start(std::vector<std::string> arguments = {}, bool without_uring = false);
  /// A second broker beside the first; not stopped at the end, its end is the test's affair.
  std::unique_ptr<Broker> start_other(const BrokerOptions& options);
  Broker& broker() { return *broker_; }
  int stop();

  /// Runs `sluice ARGUMENTS`, with `input` on its standard input.
  Said sluice(std::vector<std::string> arguments, std::string_view input = "");
  std::unique_ptr<client::Client> client();
  /// Another folder of data to be verified at the end instead of data().
  void verify_instead(std::filesystem::path data) { verified_ = std::move(data); }
  void expect_damage() { damage_expected_ = true; }

 private:
  TempDir dir_;
  std::unique_ptr<Broker> broker_;
  std::filesystem::path verified_;
  bool damage_expected_ = false;
  int files_ = 0;
};

}  // namespace sluice::cluster
