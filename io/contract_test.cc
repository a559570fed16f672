#include <filesystem>
#include <string>

#include <stdlib.h>

#include "io/system.h"
#include "tests/support/disk_contract.h"
#include "tests/support/network_contract.h"

namespace sluice::io {
namespace {

class RealWorld final : public World {
 public:
  explicit RealWorld(SystemOptions::DiskBackend backend)
      : system_({.workers = 1, .pool_threads = 2, .disk_backend = backend}) {}
  ~RealWorld() override { std::filesystem::remove_all(directory_); }

  Runtime& runtime() override { return system_.runtime(); }
  std::string directory() override { return directory_; }
  void run(Task<void> task) override { system_.run(std::move(task)); }

 private:
  static std::string make_directory() {
    std::string path = std::filesystem::temp_directory_path() / "sluice_contract_XXXXXX";
    return mkdtemp(path.data());
  }
  System system_;
  const std::string directory_ = make_directory();
};

WorldMaker threads() {
  return {"Threads",
          [] { return std::make_unique<RealWorld>(SystemOptions::DiskBackend::threads); }};
}
WorldMaker uring() {
  return {"Uring", [] { return std::make_unique<RealWorld>(SystemOptions::DiskBackend::uring); }};
}

INSTANTIATE_TEST_SUITE_P(Real, DiskContract, testing::Values(threads(), uring()), name_of_world);
INSTANTIATE_TEST_SUITE_P(Real, NetworkContract, testing::Values(threads()), name_of_world);

}  // namespace
}  // namespace sluice::io
