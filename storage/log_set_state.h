#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "storage/background.h"
#include "storage/data_directory.h"
#include "storage/discarder.h"
#include "storage/file_cache.h"
#include "storage/log_set.h"
#include "storage/log_table.h"

namespace sluice::storage {

/// What a LogSet is made of. Stays where it is: the parts point to each other.
struct LogSetState {
  LogSetState(LogSetPorts to, LogSetOptions chosen);
  ~LogSetState();
  LogSetState(const LogSetState&) = delete;
  LogSetState& operator=(const LogSetState&) = delete;

  LogPorts log_ports(DataDirectory& directory, const TopicPartition& partition);
  DataDirectory::Ports directory_ports();
  /// Renames the folder of a log that is closed, durably, and has it removed in the background.
  io::Task<Result<>> remove_folder(DataDirectory& directory, TopicPartition partition);
  /// The first half of it: the folder's new name.
  io::Task<Result<std::string>> hide_folder(DataDirectory& directory, TopicPartition partition);
  /// As that, under a name that nobody removes.
  io::Task<Result<std::string>> put_aside(DataDirectory& directory, TopicPartition partition);
  /// The second.
  void discard_folder(DataDirectory& directory, std::string path);
  /// From here on a killed process is told from a power cut, unless a log there was not opened.
  io::Task<void> note_boot(DataDirectory& directory);
  /// Of those online, the one with the fewest logs; null when there is none.
  DataDirectory* roomiest() const;

  const LogSetPorts ports;
  const LogSetOptions options;
  FileCache files;
  FileCache maps;
  MemoryBudget& producer_memory;
  MemoryBudget& compaction_memory;
  Discarder discarder;
  std::vector<std::unique_ptr<DataDirectory>> directories;
  /// Directories that could not be used, and why.
  std::vector<std::pair<std::string, std::string>> left_out;
  LogTable table;
  Compactor compactor;
  /// After everything it works on.
  std::unique_ptr<Background> background;
  bool closed = false;
  /// See LogSet::stop_is_known.
  bool stop_is_known = false;
};

}  // namespace sluice::storage
