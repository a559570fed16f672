#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/log.h"
#include "broker/metadata/log.h"
#include "broker/metadata/wal.h"
#include "io/runtime.h"
#include "io/sync.h"

namespace sluice::broker {

struct OneVoterOptions {
  NodeId self{1};
  WalOptions wal;
  /// A snapshot is taken after so many bytes of log.
  uint64_t snapshot_every_bytes = 4_MiB;
  /// Proposals of about so much share one commit.
  size_t commit_bytes = 1_MiB;
};

/// The metadata log of a group of one: committed when it is on this broker's device. Proposals
/// that come while a commit is under way share the next one.
class OneVoterLog final : public MetadataLog {
 public:
  struct Ports {
    io::Disk& disk;
    io::Loop& control;
    Logger log;
    MetadataSubscriber subscriber;
    /// The log's device failed: nothing more can be agreed, the process must end.
    std::function<void(const Error&)> on_failed;
  };

  /// On the control loop. Replays what is on disk into the subscriber. Errors: those of Wal::open
  /// and of MetadataSubscriber::restore; unsupported when a newer version wrote an entry.
  static io::Task<Result<std::unique_ptr<OneVoterLog>>> open(Ports ports, std::string directory,
                                                             OneVoterOptions options);

  io::Task<Result<>> propose(std::vector<std::byte> command) override;
  std::optional<NodeId> leader() const override { return options_.self; }
  io::Task<void> close() override;

 private:
  struct Proposal {
    std::vector<std::byte> command;
    io::OneShot<Result<>> done;
  };

  OneVoterLog(Ports ports, OneVoterOptions options, Wal::Opened opened);
  Result<> replay(const Wal::Content& content);
  io::Task<void> commit_all();
  std::vector<Proposal*> next_group();
  io::Task<void> commit(std::vector<Proposal*> proposals);
  io::Task<void> take_snapshot();

  Ports ports_;
  const OneVoterOptions options_;
  std::unique_ptr<Wal> wal_;
  uint64_t last_index_ = 0;
  std::vector<Proposal*> waiting_;
  bool committing_ = false;
  bool closed_ = false;
  io::Scope commits_;
};

}  // namespace sluice::broker
