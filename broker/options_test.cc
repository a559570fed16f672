#include "broker/options.h"

#include <fstream>
#include <iterator>
#include <string>

#include <gtest/gtest.h>

#include "broker/command_line.h"

namespace sluice::broker {
namespace {

std::string config_text(const std::string& name) {
  std::ifstream file(std::string(SLUICE_CONFIG_DIR) + "/" + name);
  EXPECT_TRUE(file.is_open()) << name;
  return {std::istreambuf_iterator<char>(file), {}};
}

Result<SettingsTable<BrokerOptions>::Loaded> load(const CommandLine& line,
                                                  std::string_view text = {},
                                                  const std::vector<std::string>& variables = {}) {
  std::vector<std::string> warnings;
  return load_options(line, text, variables, warnings);
}

std::string refusal_of(const CommandLine& line, std::string_view text = {}) {
  auto loaded = load(line, text);
  return loaded ? "" : std::string(loaded.error().message());
}

TEST(Options, ShippedFileDocumentsEveryKeyAtItsBuiltInValue) {
  EXPECT_EQ(config_text("sluiced.toml"), broker_settings().render_documented());
}

TEST(Options, EveryProfileLoads) {
  for (const char* name :
       {"development", "production-small", "production-medium", "production-large"}) {
    const std::string path = std::string("profiles/") + name + ".toml";
    const auto loaded = load({.data = "/d", .config = path}, config_text(path));
    EXPECT_TRUE(loaded) << path << ": " << (loaded ? "" : loaded.error().message());
  }
}

TEST(Options, TheCommandLineWinsOverVariablesAndTheyOverTheFile) {
  const std::string file = "workers = 1\npool.threads = 2\nnode.id = 3\n";
  const auto loaded = load({.data = "/d", .config = "f.toml", .set = {"node.id=30"}}, file,
                           {"SLUICE_POOL_THREADS=20", "SLUICE_NODE_ID=29"});
  ASSERT_TRUE(loaded) << loaded.error().message();
  EXPECT_EQ(loaded->options.system.workers, 1u);
  EXPECT_EQ(loaded->options.system.pool_threads, 20u);
  EXPECT_EQ(loaded->options.node_id, NodeId{30});
}

TEST(Options, FlagsForDirectoryAndAddressesAreSettings) {
  const auto loaded = load({.data = "/d", .listen = "10.0.0.1:1", .admin = "[::1]:2"});
  ASSERT_TRUE(loaded) << loaded.error().message();
  EXPECT_EQ(loaded->options.data_directories, std::vector<std::string>{"/d"});
  EXPECT_EQ(loaded->options.listen, "10.0.0.1:1");
  EXPECT_EQ(loaded->options.admin_listen, "[::1]:2");
}

TEST(Options, PoolsHaveALimitForEachTier) {
  const auto loaded = load({.data = "/d", .set = {"pool.worker.4k=1", "pool.shared.1m=7"}});
  ASSERT_TRUE(loaded);
  const BufferPoolOptions& pools = loaded->options.server.pools;
  EXPECT_EQ(pools.local_free, (std::array<size_t, 3>{1, 64, 16}));
  EXPECT_EQ(pools.shared_free, (std::array<size_t, 3>{1024, 256, 7}));
}

TEST(Options, TopicDefaultsStandUnderTheLogPrefix) {
  const auto loaded = load({.data = "/d", .set = {"log.retention.ms=1d", "log.flush=every"}});
  ASSERT_TRUE(loaded) << loaded.error().message();
  const storage::LogOptions& log = loaded->options.topics.options.log;
  EXPECT_EQ(log.retention_ms, 86'400'000);
  EXPECT_EQ(log.flush, storage::FlushPolicy::every);
}

TEST(Options, RefusesAnUnknownKeyWithFileLineAndTheNearestKey) {
  const std::string refusal =
      refusal_of({.data = "/d", .config = "f.toml"}, "workers = 2\nmemory.mx = 5\n");
  EXPECT_NE(refusal.find("f.toml:2"), std::string::npos) << refusal;
  EXPECT_NE(refusal.find("memory.max"), std::string::npos) << refusal;
}

TEST(Options, RefusesABadValueWithTheValueAndTheAllowedRange) {
  const std::string refusal = refusal_of({.data = "/d", .config = "f.toml"}, "\nworkers = 5000\n");
  EXPECT_NE(refusal.find("f.toml:2"), std::string::npos) << refusal;
  EXPECT_NE(refusal.find("5000"), std::string::npos) << refusal;
  EXPECT_NE(refusal.find("1024"), std::string::npos) << refusal;
}

TEST(Options, RefusesAnAddressThatIsNone) {
  const std::string refusal = refusal_of({.data = "/d", .listen = "nowhere"});
  EXPECT_NE(refusal.find("listen"), std::string::npos) << refusal;
  EXPECT_NE(refusal.find("nowhere"), std::string::npos) << refusal;
}

TEST(Options, RefusesToTellClientsAnAddressThatIsEveryAddress) {
  for (const char* address : {"0.0.0.0:9092", "[::]:9092"}) {
    const std::string refusal = refusal_of({.data = "/d", .listen = address});
    for (const char* part : {"listen", address, "advertised"}) {
      EXPECT_NE(refusal.find(part), std::string::npos) << refusal;
    }
    const std::string advertised = std::string("advertised=") + address;
    EXPECT_NE(refusal_of({.data = "/d", .set = {advertised}}).find(address), std::string::npos);
    EXPECT_EQ(refusal_of({.data = "/d", .listen = address, .set = {"advertised=here:9092"}}), "");
  }
}

TEST(Options, SeedsComeFromTheFileAVariableOrTheCommandLine) {
  const std::string file = "cluster.name = \"east\"\nseeds = [\"a:1\", \"b:2\"]\n";
  const auto from_file = load({.data = "/d", .config = "f.toml"}, file);
  ASSERT_TRUE(from_file) << from_file.error().message();
  EXPECT_EQ(from_file->options.cluster_name, "east");
  EXPECT_EQ(from_file->options.seeds, (std::vector<std::string>{"a:1", "b:2"}));
  const std::vector<std::string> three = {"a:1", "b:2", "c:3"};
  EXPECT_EQ(load({.data = "/d"}, "", {"SLUICE_SEEDS=a:1,b:2,c:3"})->options.seeds, three);
  EXPECT_EQ(load({.data = "/d", .set = {"seeds=a:1,b:2,c:3"}})->options.seeds, three);
}

TEST(Options, RefusesSeedsThatNobodyCanConnectTo) {
  for (const char* seed : {"nowhere", "0.0.0.0:9092"}) {
    const std::string refusal = refusal_of({.data = "/d", .set = {std::string("seeds=") + seed}});
    EXPECT_NE(refusal.find("seeds"), std::string::npos) << refusal;
    EXPECT_NE(refusal.find(seed), std::string::npos) << refusal;
  }
}

TEST(Options, AsksForADataDirectory) {
  EXPECT_NE(refusal_of({}).find("--data"), std::string::npos);
}

TEST(Options, RefusesADirectoryNamedTwice) {
  const std::string refusal = refusal_of({.set = {"data.directories=/a,/b,/a"}});
  EXPECT_NE(refusal.find("/a"), std::string::npos) << refusal;
}

TEST(Options, WarnsOfAVariableThatNamesNoSetting) {
  std::vector<std::string> warnings;
  ASSERT_TRUE(load_options({.data = "/d"}, "", {"SLUICE_WORKER=3"}, warnings));
  ASSERT_EQ(warnings.size(), 1u);
  EXPECT_NE(warnings.front().find("SLUICE_WORKER"), std::string::npos);
}

}  // namespace
}  // namespace sluice::broker
