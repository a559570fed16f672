#pragma once

#include <memory>
#include <optional>
#include <string>

#include "base/random.h"
#include "base/result.h"
#include "broker/metadata/image.h"
#include "broker/metadata/wal.h"
#include "io/disk.h"
#include "io/task.h"

namespace sluice::broker {

/// What the metadata directory of a stopped broker holds, for a person to decide on.
struct QuorumPlan {
  std::string cluster_id;
  NodeId self{-1};
  /// As of the last entry in the log.
  GroupConfiguration group;
  uint64_t last_index = 0;
  uint64_t last_term = 0;
  /// As far as this broker knows, agreed by most voters.
  uint64_t committed = 0;
  uint64_t recoveries = 0;
  size_t brokers = 0;
  size_t topics = 0;
  uint64_t partitions = 0;
};

/// Makes the metadata of a broker go on without most of its voters, which are lost for good: all
/// that its log holds counts as agreed, and it becomes the only voter of a new history (FORMAT.md).
/// The epochs and ids that the lost ones may have given out besides are skipped.
class QuorumRecovery {
 public:
  /// Takes the directory; nothing is changed but a torn tail. Errors: locked (a broker runs on it);
  /// not_found (no metadata log); invalid_request (the only voter needs no recovery); those of
  /// Wal::open; wrong_cluster when the log is of another node.
  static io::Task<Result<std::unique_ptr<QuorumRecovery>>> open(io::Disk& disk,
                                                                std::string directory, NodeId self,
                                                                Random& random);

  const QuorumPlan& plan() const { return plan_; }
  /// Once; durable when it is done. Cut short, the directory is as before, or it is done.
  io::Task<Result<>> run();

 private:
  QuorumRecovery(io::Disk& disk, std::string directory, NodeId self, Random& random);
  io::Task<Result<>> lock();
  Result<> replay(const Wal::Content& content);

  io::Disk& disk_;
  const std::string directory_;
  const NodeId self_;
  Random& random_;
  std::unique_ptr<io::FileLock> lock_;
  std::unique_ptr<Wal> wal_;
  HardState hard_state_;
  std::shared_ptr<const MetadataImage> image_;
  QuorumPlan plan_;
};

/// The image that the survivor goes on with.
MetadataImage recovered_image(const MetadataImage& image, NodeId survivor, const Uuid& recovery);

}  // namespace sluice::broker
