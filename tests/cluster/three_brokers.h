#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "client/include/sluice/client.h"
#include "tests/cluster/node.h"

namespace sluice::cluster {

/// HOST:PORT taken by nobody a moment ago. Seeds must be known before anybody listens.
std::vector<std::string> free_addresses(size_t count);

/// Brokers 1 to N, each a process of its own with the same seeds. At the end all are stopped and
/// what they leave must be sound.
class ThreeBrokers {
 public:
  explicit ThreeBrokers(size_t count = 3);
  ~ThreeBrokers();

  /// Of one broker besides what all get, from its next start on.
  std::map<int, std::vector<std::string>> arguments_of;
  /// As `--set KEY=VALUE`, for whoever starts from now on; {data} is the broker's own directory.
  std::vector<std::string> settings;
  std::filesystem::path data(int id) const { return options_of(id).data; }

  /// Starts those that are not running, and waits until each is ready.
  void start();
  Broker& broker(int id) { return *brokers_.at(static_cast<size_t>(id - 1)).process; }
  void kill(int id);
  void pause(int id);
  /// Goes on after a pause, starts again after a kill.
  void restart(int id);
  /// SIGTERM; the exit code.
  int stop(int id);

  /// Of a broker that is stopped or killed.
  std::filesystem::path data_of(int id) const { return options_of(id).data; }
  std::filesystem::path folder() const { return dir_.path(); }
  /// Comma separated.
  std::string addresses() const;
  std::unique_ptr<client::Client> client() const;
  /// The broker that leads a partition now; 0 when none does.
  int leader_of(const std::string& topic, int32_t partition = 0) const;
  /// Runs `sluice ARGUMENTS` with all brokers as bootstrap.
  Said sluice(std::vector<std::string> arguments, std::string_view input = "");

 private:
  struct Member {
    std::unique_ptr<Broker> process;
    bool paused = false;
  };
  BrokerOptions options_of(int id) const;
  void launch(int id);

  TempDir dir_;
  std::vector<std::string> listen_;
  std::vector<Member> brokers_;
  int files_ = 0;
};

}  // namespace sluice::cluster
