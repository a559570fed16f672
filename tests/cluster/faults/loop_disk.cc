#include "tests/cluster/faults/loop_disk.h"

#include <fstream>
#include <stdexcept>
#include <string>
#include <thread>

#include <sys/ioctl.h>

#include <fcntl.h>
#include <unistd.h>

#include "tests/cluster/process.h"

namespace sluice::cluster {
namespace {

namespace fs = std::filesystem;

/// EXT4_IOC_SHUTDOWN, and EXT4_GOING_FLAGS_NOLOGFLUSH.
constexpr unsigned long kShutDown = 0x8004587d;
constexpr uint32_t kWithoutLogFlush = 2;

constexpr int kUnmountTries = 200;

void insist(const std::vector<std::string>& arguments) {
  if (run_command(arguments) != 0) throw std::runtime_error("failed: " + arguments[0]);
}

}  // namespace

LoopDisk::LoopDisk(const fs::path& folder, uint64_t megabytes)
    : image_(folder / "image"), mounted_at_(folder / "disk") {
  fs::create_directories(mounted_at_);
  std::ofstream(image_).flush();
  fs::resize_file(image_, megabytes << 20);
  insist({"mkfs.ext4", "-q", "-F", image_.string()});
  mount();
}

LoopDisk::~LoopDisk() { run_command({"umount", "-l", mounted_at_.string()}); }

void LoopDisk::mount() { insist({"mount", "-o", "loop", image_.string(), mounted_at_.string()}); }

void LoopDisk::unmount() {
  // The last of a killed process may hold it for a moment.
  for (int i = 0; i < kUnmountTries; ++i) {
    if (run_command({"umount", mounted_at_.string()}) == 0) return;
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  throw std::runtime_error("cannot unmount " + mounted_at_.string());
}

void LoopDisk::fill() {
  const std::string filler = (mounted_at_ / "filler").string();
  const std::string space = std::to_string(fs::space(mounted_at_).available >> 20);
  run_command({"fallocate", "-l", space + "MiB", filler});
  run_command({"dd", "if=/dev/zero", "of=" + filler + ".rest", "bs=4k"});
}

void LoopDisk::free() {
  fs::remove(mounted_at_ / "filler");
  fs::remove(mounted_at_ / "filler.rest");
}

void LoopDisk::cut_power() {
  const int root = ::open(mounted_at_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  const bool done = root >= 0 && ::ioctl(root, kShutDown, &kWithoutLogFlush) == 0;
  ::close(root);
  if (!done) throw std::runtime_error("cannot cut the power of " + mounted_at_.string());
}

void LoopDisk::power_on() {
  unmount();
  mount();
}

}  // namespace sluice::cluster
