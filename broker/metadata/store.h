#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "base/guarded.h"
#include "base/random.h"
#include "base/result.h"
#include "broker/metadata/image.h"
#include "broker/metadata/log.h"
#include "io/task.h"
#include "proto/cluster/metadata.pb.h"

namespace sluice::broker {

/// The cluster's metadata as this broker knows it: the log, folded. image() from any thread.
class MetadataStore {
 public:
  explicit MetadataStore(Random& random);

  /// What a log is opened with; the store outlives that log.
  MetadataSubscriber subscriber();
  /// Before the first commit.
  void use(MetadataLog& log) { log_ = &log; }

  std::shared_ptr<const MetadataImage> image() const { return *image_.lock(); }

  /// Commits records as one command; done when image() shows them. Errors: those of fold and of
  /// MetadataLog::propose.
  io::Task<Result<>> commit(std::vector<cluster::MetadataRecord> records,
                            std::optional<uint64_t> term = std::nullopt);
  std::optional<NodeId> controller() const;

  /// Called on the control loop after each publish, with what image() shows since. Before the log
  /// is opened; what it uses outlives the log.
  void on_image(std::function<void(const std::shared_ptr<const MetadataImage>&)> callback) {
    callbacks_.push_back(std::move(callback));
  }

 private:
  void publish(MetadataImage image);
  Result<> apply(uint64_t index, ByteView bytes);
  static Result<> check(ByteView bytes);

  Random& random_;
  MetadataLog* log_ = nullptr;
  Guarded<std::shared_ptr<const MetadataImage>> image_;
  std::vector<std::function<void(const std::shared_ptr<const MetadataImage>&)>> callbacks_;
};

}  // namespace sluice::broker
