// How brokers come to their cluster, and come back to it.

#include <algorithm>
#include <chrono>
#include <map>
#include <thread>

#include <gtest/gtest.h>

#include "tests/cluster/three_brokers.h"

namespace sluice::cluster {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using std::chrono::steady_clock;

/// Brokers that are started one by one, each with seeds of its own, where the test says.
class Forming : public testing::Test {
 protected:
  ~Forming() override {
    for (auto& [id, broker] : running_) EXPECT_EQ(broker->stop(), 0) << "broker " << id;
  }

  std::string address(int id) const { return addresses_.at(static_cast<size_t>(id - 1)); }
  std::vector<std::string> everybody() const { return addresses_; }
  /// The next start of the broker listens elsewhere.
  void move(int id) { addresses_.at(static_cast<size_t>(id - 1)) = free_addresses(1).front(); }
  std::filesystem::path data(int id) const { return dir_.path() / std::to_string(id); }

  std::unique_ptr<Broker> launch(int id, const std::vector<std::string>& seeds) {
    BrokerOptions options{.data = data(id),
                          .listen = address(id),
                          .arguments = {"--set", "node.id=" + std::to_string(id)}};
    std::string list;
    for (const std::string& seed : seeds) list += (list.empty() ? "" : ",") + seed;
    if (!seeds.empty()) {
      options.arguments.insert(options.arguments.end(), {"--set", "seeds=" + list});
    }
    return std::make_unique<Broker>(options, dir_.path() / ("log-" + std::to_string(files_++)));
  }
  void start(int id, const std::vector<std::string>& seeds) { running_[id] = launch(id, seeds); }
  void wait_ready(int id) {
    EXPECT_TRUE(running_[id]->wait_until_ready()) << "broker " << id << "\n" << running_[id]->log();
  }
  void start_all(const std::vector<std::string>& seeds) {
    for (const int id : {1, 2, 3}) start(id, seeds);
    for (const int id : {1, 2, 3}) wait_ready(id);
  }
  void kill(int id) {
    running_.at(id)->kill();
    running_.erase(id);
  }
  void stop(int id) {
    EXPECT_EQ(running_.at(id)->stop(), 0) << running_.at(id)->log();
    running_.erase(id);
  }
  /// Of the line that says that it is ready.
  std::string cluster_of(int id) {
    const std::string log = running_.at(id)->log();
    const size_t at = log.find(" cluster=", log.find("event=ready"));
    return at == std::string::npos ? "" : log.substr(at + 9, log.find_first_of(" \n", at + 9) - at);
  }
  /// Starts a broker that is expected to give up: its exit code, and what it said.
  std::pair<int, std::string> refusal(int id) {
    const auto broker = launch(id, everybody());
    const auto ending = broker->process().wait(milliseconds(15'000));
    return {ending ? ending->code : -1, broker->log()};
  }
  std::unique_ptr<client::Client> client() const {
    client::ClientOptions options;
    options.brokers = addresses_;
    return client::Client::open(options).value();
  }
  Said sluice(std::vector<std::string> arguments, std::string_view input = "") {
    std::string list;
    for (const std::string& at : addresses_) list += (list.empty() ? "" : ",") + at;
    return run_sluice(dir_.path() / ("call-" + std::to_string(files_++)), dir_.path(), list,
                      std::move(arguments), input);
  }
  /// Until so many brokers vote and serve.
  bool wait_voters(std::ptrdiff_t count) {
    const auto until = steady_clock::now() + seconds(20);
    while (steady_clock::now() < until) {
      const auto status = client()->admin()->cluster_status();
      if (status && std::ranges::count_if(status->brokers, [](const auto& broker) {
                      return broker.voter && !broker.fenced;
                    }) == count) {
        return true;
      }
      std::this_thread::sleep_for(milliseconds(100));
    }
    return false;
  }

 private:
  TempDir dir_;
  std::vector<std::string> addresses_ = free_addresses(3);
  std::map<int, std::unique_ptr<Broker>> running_;
  int files_ = 0;
};

TEST_F(Forming, ALoneBrokerThatWasRestartedGrowsToThreeAndEachMayBeRestarted) {
  start(1, {});
  wait_ready(1);
  const std::string cluster = cluster_of(1);
  stop(1);
  start(1, {});
  wait_ready(1);
  EXPECT_EQ(cluster_of(1), cluster);
  for (const int id : {2, 3}) start(id, everybody());
  for (const int id : {2, 3}) wait_ready(id);
  for (const int id : {2, 3}) EXPECT_EQ(cluster_of(id), cluster);
  ASSERT_TRUE(wait_voters(3));
  for (const int id : {1, 2, 3, 3, 2, 1}) {
    kill(id);
    start(id, id == 1 ? std::vector<std::string>{} : everybody());
    wait_ready(id);
    EXPECT_EQ(cluster_of(id), cluster);
  }
  for (const int id : {1, 2, 3}) kill(id);
  for (const int id : {3, 1, 2}) start(id, id == 1 ? std::vector<std::string>{} : everybody());
  for (const int id : {1, 2, 3}) wait_ready(id);
  EXPECT_TRUE(wait_voters(3));
}

TEST_F(Forming, ALoneBrokerThatIsKilledOnceAnotherVotesComesBack) {
  start(1, {});
  wait_ready(1);
  start(2, {address(1)});
  wait_ready(2);
  ASSERT_TRUE(wait_voters(2));
  kill(1);
  start(1, {});
  wait_ready(1);
  EXPECT_TRUE(wait_voters(2));
}

TEST_F(Forming, ABrokerOnAnotherAddressComesBackByItself) {
  const auto seeds = everybody();
  start_all(seeds);
  for (const int id : {2, 1}) {
    kill(id);
    move(id);
    // It knows whom it had, and its seeds still name where it was.
    start(id, seeds);
    wait_ready(id);
  }
  EXPECT_TRUE(wait_voters(3));
}

TEST_F(Forming, AllOnOtherAddressesAtOnceFindEachOtherBySeeds) {
  start_all(everybody());
  ASSERT_EQ(sluice({"topic", "create", "t", "-p", "3", "-r", "3"}).code, 0);
  ASSERT_EQ(sluice({"produce", "t"}, "one\ntwo\n").code, 0);
  for (const int id : {1, 2, 3}) kill(id);
  for (const int id : {1, 2, 3}) move(id);
  start_all(everybody());
  EXPECT_TRUE(wait_voters(3));
  const Said said = sluice({"consume", "t", "--until", "end", "-f", "%s\n"});
  EXPECT_EQ(std::ranges::count(said.out, '\n'), 2) << said.out << said.err;
}

TEST_F(Forming, WhoLeftIsToldSoWhenItStartsAgain) {
  start_all(everybody());
  stop(3);
  Said left{.code = 1, .out = "", .err = ""};
  for (int attempt = 0; attempt < 20 && left.code != 0; ++attempt) {
    left = sluice({"cluster", "leave", "3", "--yes"});
    if (left.code != 0) std::this_thread::sleep_for(milliseconds(200));
  }
  ASSERT_EQ(left.code, 0) << left.out << left.err;
  const auto [code, said] = refusal(3);
  EXPECT_EQ(code, 5) << said;
  EXPECT_NE(said.find("sluice cluster leave 3"), std::string::npos) << said;
  // What it was told to do helps.
  std::filesystem::remove_all(data(3) / "metadata");
  start(3, everybody());
  wait_ready(3);
  EXPECT_TRUE(wait_voters(3));
}

TEST_F(Forming, AWipedFounderIsRefusedWithBothIds) {
  start_all(everybody());
  kill(2);
  const auto id_of = [&] { return read_file(data(2) / "metadata" / "directory.id").substr(0, 22); };
  const std::string before = id_of();
  std::filesystem::remove_all(data(2));
  const auto [code, said] = refusal(2);
  EXPECT_EQ(code, 5) << said;
  EXPECT_NE(before, id_of());
  EXPECT_NE(said.find(before), std::string::npos) << before << " in " << said;
  EXPECT_NE(said.find(id_of()), std::string::npos) << id_of() << " in " << said;
}

}  // namespace
}  // namespace sluice::cluster
