#include "broker/metadata/founding_file.h"

#include <gmock/gmock.h>

#include "broker/metadata/directory_id.h"
#include "tests/support/peer_world.h"

namespace sluice::broker {
namespace {

using ::testing::HasSubstr;

class FoundingFile : public PeerWorld {
 protected:
  FoundingFile() {
    EXPECT_TRUE(sim.run(node->disk().create_directories("/m")));
    founding.cluster_id = "C";
    for (const int number : {1, 2, 3}) {
      ClusterMember founder = member(number);
      founder.cluster_name.clear();
      founder.cluster_id = "C";
      founding.founders.push_back(founder);
    }
  }
  void write(const std::string& path, std::string_view text) {
    const ByteView bytes = as_bytes(text);
    EXPECT_TRUE(sim.run(io::replace_file(node->disk(), path, {bytes.begin(), bytes.end()})));
  }
  Result<Uuid> directory_id() {
    return sim.run(open_directory_id(node->disk(), "/m", node->runtime().random));
  }
  /// The power is gone; the machine comes back with what its disk kept.
  void cut_power() {
    auto left = node->disk().crash(sim::CrashMode::lose_all, sim.random());
    node->kill(sim::Death::power);
    node = &sim.add_node("m", {.disk = std::move(left)});
  }

  sim::SimNode* node = &sim.add_node("m");
  Founding founding;
};

TEST_F(FoundingFile, IsReadAsItWasWrittenAlsoAfterAPowerCut) {
  EXPECT_FALSE(*sim.run(read_founding(node->disk(), "/m")));
  ASSERT_TRUE(sim.run(write_founding(node->disk(), "/m", founding)));
  cut_power();
  EXPECT_EQ(**sim.run(read_founding(node->disk(), "/m")), founding);
}

TEST_F(FoundingFile, IsRefusedWhereverItIsCut) {
  const std::string text = render_founding(founding);
  for (size_t length = 0; length < text.size(); ++length) {
    const auto parsed = parse_founding(std::string_view(text).substr(0, length));
    // A file that ends behind a whole line is cut by nobody who writes it.
    if (parsed) EXPECT_EQ(text[length - 1], '\n');
  }
  for (const char* bad : {"version=2\n", "version=1\nfounder=x y z\n", "version=1\n"}) {
    EXPECT_FALSE(parse_founding(bad)) << bad;
  }
}

TEST_F(FoundingFile, IsRefusedWithABitFlipped) {
  Founding recovered;
  recovered.cluster_id = "C";
  for (const Founding& whole : {founding, recovered}) {
    const std::string text = render_founding(whole);
    for (size_t i = 0; i < text.size() * 8; ++i) {
      std::string flipped = text;
      flipped[i / 8] = static_cast<char>(flipped[i / 8] ^ (1 << (i % 8)));
      EXPECT_FALSE(parse_founding(flipped)) << i;
    }
    const std::string earlier = text.substr(0, text.rfind("crc="));
    EXPECT_EQ(*parse_founding(earlier), whole);
  }
}

TEST_F(FoundingFile, ADamagedOneNamesItselfAndTheWayOut) {
  write("/m/founding", "nonsense\n");
  const auto read = sim.run(read_founding(node->disk(), "/m"));
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error(), Errc::corrupt_file);
  EXPECT_THAT(read.error().message(), HasSubstr("/m/founding: line 1"));
}

TEST_F(FoundingFile, ADirectoryKeepsItsId) {
  const auto id = directory_id();
  ASSERT_TRUE(id);
  cut_power();
  EXPECT_EQ(*directory_id(), *id);
}

TEST_F(FoundingFile, AnotherDirectoryHasAnotherId) {
  const auto id = directory_id();
  ASSERT_TRUE(sim.run(node->disk().remove("/m/directory.id")));
  EXPECT_NE(*directory_id(), *id);
}

TEST_F(FoundingFile, ADamagedIdIsRefused) {
  write("/m/directory.id", "what");
  EXPECT_EQ(directory_id().error(), Errc::corrupt_file);
}

TEST_F(FoundingFile, AnIdWithABitFlippedIsRefused) {
  ASSERT_TRUE(directory_id());
  const auto content = *sim.run(io::read_file(node->disk(), "/m/directory.id", 64));
  for (size_t i = 0; i < content.size() * 8; ++i) {
    std::string text(as_text(content));
    text[i / 8] = static_cast<char>(text[i / 8] ^ (1 << (i % 8)));
    write("/m/directory.id", text);
    EXPECT_EQ(directory_id().error(), Errc::corrupt_file) << i;
  }
}

TEST_F(FoundingFile, AnIdOfAnEarlierVersionHasNoChecksum) {
  const auto id = directory_id();
  write("/m/directory.id", id->text() + "\n");
  EXPECT_EQ(*directory_id(), *id);
}

}  // namespace
}  // namespace sluice::broker
