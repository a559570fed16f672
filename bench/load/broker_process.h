#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace sluice::bench {

/// CPU seconds that a process has used, user and system.
struct ProcessCpu {
  double user = 0;
  double system = 0;
  double total() const { return user + system; }
};
ProcessCpu cpu_of(int pid);
/// Bytes of a process that are in memory.
uint64_t resident_bytes(int pid);

/// A sluiced of our own on a data directory, on ports the system picks. Dies with the broker's
/// words when it does not get ready.
class BrokerProcess {
 public:
  BrokerProcess(const std::string& sluiced, const std::string& data);
  /// As SIGTERM stops it; waits.
  ~BrokerProcess();
  BrokerProcess(const BrokerProcess&) = delete;
  BrokerProcess& operator=(const BrokerProcess&) = delete;

  int pid() const { return pid_; }
  /// host:port of the listener.
  const std::string& address() const { return address_; }
  /// From exec to the line that says it is ready.
  double seconds_to_ready() const { return seconds_to_ready_; }

 private:
  std::string read_until_ready();

  int pid_ = -1;
  int words_ = -1;
  std::string address_;
  double seconds_to_ready_ = 0;
};

}  // namespace sluice::bench
