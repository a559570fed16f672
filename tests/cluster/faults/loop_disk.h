#pragma once

#include <filesystem>

namespace sluice::cluster {

/// An ext4 of its own on a file, mounted below a folder. Needs root and loop devices.
class LoopDisk {
 public:
  LoopDisk(const std::filesystem::path& folder, uint64_t megabytes);
  ~LoopDisk();
  LoopDisk(const LoopDisk&) = delete;
  LoopDisk& operator=(const LoopDisk&) = delete;

  const std::filesystem::path& path() const { return mounted_at_; }
  /// Takes all space that is left, until free().
  void fill();
  void free();
  /// What is not on the disk is gone, and everything fails from now on.
  void cut_power();
  /// After a power cut; nobody has a file open any more.
  void power_on();

 private:
  void mount();
  void unmount();

  const std::filesystem::path image_;
  const std::filesystem::path mounted_at_;
};

}  // namespace sluice::cluster
