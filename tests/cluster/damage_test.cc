#include <algorithm>

#include <sys/mount.h>

#include <gtest/gtest.h>
#include <unistd.h>

#include "tests/cluster/node.h"

namespace sluice::cluster {
namespace {

namespace fs = std::filesystem;

/// Thousands of lines of 100 bytes, each a batch's worth now and then.
std::string lines_of(size_t bytes) {
  std::string text;
  while (text.size() < bytes) {
    std::string line = std::to_string(text.size());
    line.resize(100, '.');
    text += line + "\n";
  }
  return text;
}

fs::path first_file(const fs::path& folder, const std::string& extension) {
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (entry.path().extension() == extension) return entry.path();
  }
  return {};
}

/// A small disk of its own for the data; unmounted when it dies.
class SmallDisk {
 public:
  SmallDisk(const fs::path& at, const std::string& size) : at_(at) {
    fs::create_directories(at);
    mounted_ = ::mount("tmpfs", at.c_str(), "tmpfs", 0, ("size=" + size).c_str()) == 0;
  }
  ~SmallDisk() {
    if (mounted_) ::umount2(at_.c_str(), MNT_DETACH);
  }
  SmallDisk(const SmallDisk&) = delete;
  SmallDisk& operator=(const SmallDisk&) = delete;

  bool mounted() const { return mounted_; }
  bool grow(const std::string& size) {
    return ::mount("tmpfs", at_.c_str(), "tmpfs", MS_REMOUNT, ("size=" + size).c_str()) == 0;
  }

 private:
  const fs::path at_;
  bool mounted_ = false;
};

TEST(Damage, AFullDiskRefusesRecordsServesReadsAndRecovers) {
  const TempDir dir;
  SmallDisk disk(dir.path() / "disk", "24m");
  if (!disk.mounted()) GTEST_SKIP() << "may not mount a small tmpfs; run as root";
  Node node;
  node.verify_instead(dir.path() / "disk" / "data");
  node.start();
  ASSERT_EQ(node.sluice({"topic", "create", "t", "-p", "1"}).code, 0);
  const std::string lines = lines_of(48u << 20);
  const Said full = node.sluice({"produce", "t", "-X", "delivery.timeout.ms=2000"}, lines);
  EXPECT_NE(full.code, 0);
  EXPECT_NE(full.err.find("space"), std::string::npos) << full.err;
  EXPECT_EQ(std::ranges::count(full.err, '\n'), 1) << full.err;

  const Said read = node.sluice({"consume", "t", "--until", "end"});
  EXPECT_EQ(read.code, 0) << read.err;
  EXPECT_GT(read.out.size(), 4u << 20);
  EXPECT_TRUE(lines.starts_with(read.out));

  ASSERT_TRUE(disk.grow("128m"));
  const Said again = node.sluice({"produce", "t"}, "after\n");
  EXPECT_EQ(again.code, 0) << again.err;
  EXPECT_EQ(node.sluice({"consume", "t", "--from", "-1", "--until", "end"}).out, "after\n");
  EXPECT_EQ(node.stop(), 0);
  EXPECT_EQ(
      node.sluice({"log", "dump", (dir.path() / "disk" / "data").string(), "--verify", "-q"}).code,
      0);
}

TEST(Damage, ACorruptedIndexIsBuiltAgain) {
  Node node;
  node.start();
  ASSERT_EQ(node.sluice({"topic", "create", "t", "-p", "1"}).code, 0);
  const std::string lines = lines_of(4u << 20);
  ASSERT_EQ(node.sluice({"produce", "t"}, lines).code, 0);
  // The indexes are written when a log is closed, and trusted after that if they look sane.
  ASSERT_EQ(node.stop(), 0);
  const fs::path index = first_file(node.data() / "t-0", ".index");
  ASSERT_FALSE(index.empty());
  write_file(index, std::string(8'003, '\x7f'));
  node.start();
  EXPECT_TRUE(node.sluice({"consume", "t", "--until", "end"}).out == lines);
  EXPECT_EQ(node.sluice({"consume", "t", "--from", "20000", "-n", "1"}).out,
            lines.substr(20'000 * 101, 101));
}

TEST(Damage, ACorruptedBatchInTheMiddleIsKeptAndTheLogReadOnly) {
  Node node;
  node.start();
  ASSERT_EQ(node.sluice({"topic", "create", "t", "-p", "1"}).code, 0);
  const std::string lines = lines_of(1u << 20);
  ASSERT_EQ(node.sluice({"produce", "t"}, lines).code, 0);
  node.broker().kill();
  const fs::path segment = first_file(node.data() / "t-0", ".log");
  std::string bytes = read_file(segment);
  bytes.at(bytes.size() / 2) ^= 1;
  write_file(segment, bytes);
  node.expect_damage();
  node.start();

  const Said read = node.sluice({"consume", "t", "--until", "end"});
  EXPECT_GT(read.out.size(), 100'000u);
  EXPECT_LT(read.out.size(), lines.size());
  EXPECT_TRUE(lines.starts_with(read.out));
  const Said refused = node.sluice({"produce", "t", "-X", "delivery.timeout.ms=2000"}, "more\n");
  EXPECT_NE(refused.code, 0);
  EXPECT_NE(refused.err.find("damaged"), std::string::npos) << refused.err;
  const Said described = node.sluice({"topic", "describe", "t", "-o", "json"});
  EXPECT_EQ(described.out.find("\"problem\": \"\""), std::string::npos) << described.out;
  const Said dump = node.sluice({"log", "dump", node.data().string(), "--verify", "-q"});
  EXPECT_EQ(dump.code, 1);
  EXPECT_NE(dump.out.find(segment.filename().string()), std::string::npos) << dump.out;
}

TEST(Damage, ATornTailIsCutAndWritingGoesOn) {
  Node node;
  node.start();
  ASSERT_EQ(node.sluice({"topic", "create", "t", "-p", "1"}).code, 0);
  ASSERT_EQ(node.sluice({"produce", "t"}, "one\ntwo\n").code, 0);
  node.broker().kill();
  const fs::path segment = first_file(node.data() / "t-0", ".log");
  write_file(segment, read_file(segment) + std::string(40, '\x01'));
  node.start();
  ASSERT_EQ(node.sluice({"produce", "t"}, "three\n").code, 0);
  EXPECT_EQ(node.sluice({"consume", "t", "--until", "end"}).out, "one\ntwo\nthree\n");
}

}  // namespace
}  // namespace sluice::cluster
