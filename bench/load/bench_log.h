#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/memory_budget.h"
#include "io/system.h"
#include "storage/file_cache.h"
#include "storage/log.h"

namespace sluice::bench {

/// One log on the real disk, driven from one worker loop, without a broker around it. Its folder is
/// made below `directory` and removed at the end.
class BenchLog {
 public:
  explicit BenchLog(std::string directory);
  ~BenchLog();
  BenchLog(const BenchLog&) = delete;
  BenchLog& operator=(const BenchLog&) = delete;

  /// Appends `count` copies of a 16 KiB batch of 100-byte records, one after the other, each
  /// validated with its CRC. Bytes written.
  uint64_t append(uint64_t count);
  /// Reads from the start to the end in slices of at most `max_bytes`; how many.
  uint64_t read_all(size_t max_bytes);
  /// Finds `count` offsets spread over the log.
  void look_up(uint64_t count);
  /// Leaves the log as a killed process would and opens it again, every byte checked; how many.
  uint64_t recover();
  /// The segment that is written to.
  std::string active_file() const;
  size_t batch_size() const { return batch_.size(); }

 private:
  storage::LogPorts ports();
  storage::LogParams params() const;
  io::Task<void> create();
  io::Task<void> recover_all();
  io::Task<void> append_all(uint64_t count);
  io::Task<void> read_slices(size_t max_bytes, uint64_t& slices);
  io::Task<void> look_up_all(uint64_t count);
  io::Task<void> close();

  const std::string directory_;
  Uuid topic_id_;
  io::System system_;
  NullSink sink_;
  MemoryBudget memory_;
  storage::FileCache files_;
  storage::FileCache maps_;
  std::shared_ptr<storage::Log> log_;
  std::vector<std::byte> batch_;
};

}  // namespace sluice::bench
