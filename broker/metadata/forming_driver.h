#pragma once

#include <string>
#include <vector>

#include "base/log.h"
#include "base/memory_budget.h"
#include "broker/metadata/forming.h"
#include "broker/metadata/introductions.h"
#include "broker/metadata/membership.h"
#include "broker/metadata/peer_connection.h"
#include "io/runtime.h"

namespace sluice::broker {

struct FormingPorts {
  io::Runtime& runtime;
  /// Of the metadata directory.
  io::Disk& disk;
  /// Presents this broker, its address included; told of the cluster once that is durable.
  Membership& membership;
  MemoryBudget& memory;
  Logger log;
};

struct FormingOptions {
  /// Of the metadata; exists.
  std::string directory;
  std::vector<io::Endpoint> seeds;
  /// Of the cluster that a broker without seeds is.
  std::string own_cluster_id;
  Duration ask_every = 200ms;
  Duration say_every = 3s;
  Duration join_timeout = 10s;
  PeerConnectionOptions connection;
};

/// Brings a broker to its cluster before its metadata log is opened, while it answers discover
/// itself. On one loop.
class FormingDriver {
 public:
  FormingDriver(FormingPorts ports, FormingOptions options);

  /// What was decided once is decided for ever: read from disk, or agreed on with the seeds, which
  /// may take as long as they do. Without seeds it is its own founder. A broker with a log and no
  /// founding began alone with an earlier version: then it is empty. wrong_cluster when the
  /// configurations contradict each other; what a cluster refused to take it for; shutting_down.
  io::Task<Result<Founding>> run();
  /// While run() goes on: what it waits for, a line each.
  std::vector<std::string> waits_for() const { return forming_.waits_for(); }
  /// run() ends soon.
  void stop();

 private:
  io::Task<Result<bool>> has_log();
  io::Task<Result<Founding>> agree();
  io::Task<void> ask(io::Endpoint seed);
  io::Task<Result<Founding>> join(Forming::Join with);
  io::Task<Result<Founding>> join_at(const ClusterMember& member);
  io::Task<Result<>> keep(Founding founding);
  void say_what_is_missing();

  FormingPorts ports_;
  const FormingOptions options_;
  Introductions introductions_;
  Forming forming_;
  std::optional<Error> join_failure_;
  TimePoint say_at_{};
  bool ended_ = false;
  bool stopped_ = false;
  io::Signal changed_;
  io::Scope asking_;
};

}  // namespace sluice::broker
