#pragma once

#include <functional>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/log.h"
#include "broker/metadata/introductions.h"
#include "broker/metadata/membership.h"
#include "io/sync.h"
#include "io/task.h"

namespace sluice::broker {

struct ReunionPorts {
  Introductions& introductions;
  Membership& membership;
  Logger log;
  /// The consensus has a leader, as far as this broker hears, and its answers reach that one.
  std::function<bool()> has_leader;
  /// This broker has some of the metadata.
  std::function<bool()> has_log;
  /// A member of our cluster does not take us back: it left, or its directory is another one.
  std::function<void(const Error&)> on_refused;
};

struct ReunionOptions {
  std::vector<io::Endpoint> seeds;
  /// Without a leader, before others are asked; an election takes less.
  Duration patience = 2s;
  Duration look_every = 200ms;
  Duration ask_every = 1s;
  Duration say_every = 10s;
  Duration join_timeout = 2s;
};

/// Brings a member back that the others no longer reach. The consensus only pushes, to where a
/// broker registered: one that was started on another address, or that was taken out meanwhile,
/// would wait for ever; and one that does not know where its leader is cannot answer it, and so
/// gets nothing that says where. So while it has no leader it tells its seeds and all whom it
/// knows, and whom they know, where it is, and learns where they are. On one loop.
class Reunion {
 public:
  Reunion(ReunionPorts ports, ReunionOptions options);

  /// Until stop().
  io::Task<void> run();
  void stop();

 private:
  io::Task<void> ask_all();
  void ask_soon(const io::Endpoint& at);
  io::Task<void> ask(io::Endpoint at);
  void failed(const Error& why);
  io::Task<void> pause(Duration duration);

  ReunionPorts ports_;
  const ReunionOptions options_;
  bool stopped_ = false;
  /// In this round.
  std::set<std::string> asked_;
  std::optional<Error> last_failure_;
  TimePoint say_at_{};
  bool was_silent_ = false;
  io::Signal changed_;
  io::Scope asking_;
};

}  // namespace sluice::broker
