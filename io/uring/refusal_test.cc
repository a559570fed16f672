#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include <gtest/gtest.h>
#include <unistd.h>

#include "io/system.h"

namespace sluice::io {
namespace {

/// Denies this process io_uring and hides cachestat from it, as container engines do.
void enter_container() {
  constexpr uint32_t kCachestat = 451;
  const sock_filter load = BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr));
  std::array<sock_filter, 6> program = {{
      load,
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_io_uring_setup, 2, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, kCachestat, 2, 0),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
  }};
  const sock_fprog filter{program.size(), program.data()};
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) std::exit(2);
  if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) != 0) std::exit(3);
}

/// Writes, syncs and looks at the page cache; what went wrong.
Task<std::string> use_disk(Disk& disk) {
  std::string path = "refusal_test_XXXXXX";
  ::close(mkstemp(path.data()));
  auto file = co_await disk.open(path, OpenMode::write);
  if (!file) co_return "open";
  const std::vector<std::byte> content(300'000, std::byte{1});
  const std::array<ByteView, 1> parts = {content};
  if (!co_await (*file)->write_at(0, parts, Lane::background)) co_return "write";
  if (!co_await (*file)->sync(Lane::commit)) co_return "sync";
  if (!co_await (*file)->read_ahead(0, content.size())) co_return "read_ahead";
  if ((*file)->resident(0, 1 << 20).value_or(0) != content.size()) co_return "resident";
  if (!co_await disk.remove(path)) co_return "remove";
  co_return "";
}

[[noreturn]] void serve_in_container() {
  enter_container();
  std::string wrong;
  std::string refusal;
  {
    System system({.workers = 1, .pool_threads = 1});
    refusal = system.uring_refusal();
    system.run([](Disk& disk, std::string& out) -> Task<void> { out = co_await use_disk(disk); }(
                                                    system.runtime().disk, wrong));
  }
  std::fprintf(stderr, "wrong: '%s', refusal: %s\n", wrong.c_str(), refusal.c_str());
  std::exit(0);
}

TEST(UringRefusalDeathTest, ThreadsServeWhereAContainerForbidsTheRing) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(serve_in_container(), testing::ExitedWithCode(0),
              "wrong: '', refusal: io_uring_setup: Operation not permitted");
}

}  // namespace
}  // namespace sluice::io
