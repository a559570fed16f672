#include "tests/sim/crash_points.h"

#include <array>
#include <optional>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sluice::sim {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;

/// The last value that was acknowledged, and the one being written, which may be there instead.
struct Ledger {
  std::string acknowledged;
  std::string attempted;
  bool operator==(const Ledger&) const = default;
};

enum class Recipe { safe, no_data_sync, no_name_sync, in_place };

io::Task<Result<>> put(io::Disk& disk, std::string path, std::string text, bool sync) {
  CO_ASSIGN_OR_RETURN(auto file, co_await disk.open(path, io::OpenMode::create));
  CO_RETURN_IF_ERROR(co_await file->truncate(0));
  const std::array parts = {as_bytes(text)};
  CO_RETURN_IF_ERROR(co_await file->write_at(0, parts, io::Lane::hot));
  if (sync) CO_RETURN_IF_ERROR(co_await file->sync(io::Lane::commit));
  co_return Result<>();
}

/// Replaces a file's content, correctly or with one step left out.
io::Task<Result<>> replace(io::Disk& disk, std::string text, Recipe recipe) {
  const std::string path = recipe == Recipe::in_place ? "value" : "value.tmp";
  CO_RETURN_IF_ERROR(co_await put(disk, path, std::move(text), recipe != Recipe::no_data_sync));
  if (recipe != Recipe::in_place) CO_RETURN_IF_ERROR(co_await disk.rename(path, "value"));
  if (recipe != Recipe::no_name_sync) CO_RETURN_IF_ERROR(co_await disk.sync_directory(""));
  co_return Result<>();
}

io::Task<Result<>> script(SimNode& node, Ledger& ledger, Recipe recipe) {
  for (int i = 0; i < 4; ++i) {
    ledger.attempted = std::string(600, static_cast<char>('a' + i));
    CO_RETURN_IF_ERROR(co_await replace(node.disk(), ledger.attempted, recipe));
    ledger.acknowledged = ledger.attempted;
  }
  co_return Result<>();
}

/// Reads the value, and then writes it back as a recovery may.
io::Task<Result<>> check(SimNode& node, const Ledger& ledger, Recipe recipe) {
  std::string found;
  auto bytes = co_await io::read_file(node.disk(), "value", 1_MiB);
  if (bytes) found = as_text(*bytes);
  if (!bytes && bytes.error() != Errc::file_not_found) co_return fail(std::move(bytes).error());
  if (found != ledger.acknowledged && found != ledger.attempted) {
    co_return fail(Errc::corrupt_file, "found " + std::to_string(found.size()) + " bytes of '" +
                                           found.substr(0, 1) + "'");
  }
  if (!found.empty()) CO_RETURN_IF_ERROR(co_await replace(node.disk(), found, recipe));
  co_return Result<>();
}

CrashScenario<Ledger> scenario(Recipe recipe) {
  return {[recipe](SimNode& node, Ledger& ledger) { return script(node, ledger, recipe); },
          [recipe](SimNode& node, const Ledger& ledger) { return check(node, ledger, recipe); }};
}

TEST(CrashPointsTest, FindsNothingInARecipeThatIsSafe) {
  const auto report = enumerate_crashes(scenario(Recipe::safe), {.nested = 2});
  EXPECT_THAT(report.failures, IsEmpty()) << report.to_string();
  EXPECT_GT(report.points, 40u);
  EXPECT_GT(report.states, 40u);
  EXPECT_GT(report.duplicates, report.states);
}

TEST(CrashPointsTest, FindsEveryMissingStep) {
  for (const Recipe recipe : {Recipe::no_data_sync, Recipe::no_name_sync, Recipe::in_place}) {
    const auto report = enumerate_crashes(scenario(recipe), {.nested = 0});
    EXPECT_THAT(report.failures, Not(IsEmpty())) << static_cast<int>(recipe);
  }
}

TEST(CrashPointsTest, TellsTheCrashThatBreaks) {
  const auto report = enumerate_crashes(scenario(Recipe::no_name_sync),
                                        {.modes = {CrashMode::lose_all}, .random_crashes = 0});
  ASSERT_THAT(report.failures, Not(IsEmpty()));
  EXPECT_EQ(report.failures.front(),
            "crash before open value.tmp (call 6), all lost: found 0 bytes of ''");
  EXPECT_THAT(report.to_string(), HasSubstr("found 0 bytes"));
}

TEST(CrashPointsTest, CrashesTheCheckToo) {
  // Its recovery destroys the value before it has written it again.
  auto broken = scenario(Recipe::safe);
  broken.check = [](SimNode& node, const Ledger& ledger) {
    return check(node, ledger, Recipe::in_place);
  };
  EXPECT_THAT(enumerate_crashes(broken, {.nested = 0}).failures, IsEmpty());
  const auto nested = enumerate_crashes(broken, {.nested = 1});
  ASSERT_THAT(nested.failures, Not(IsEmpty()));
  EXPECT_THAT(nested.failures.front(), HasSubstr("; then "));
}

TEST(CrashPointsTest, StopsAtTheLimitAndSaysSo) {
  const auto report = enumerate_crashes(scenario(Recipe::safe), {.states_max = 5});
  EXPECT_EQ(report.states, 5u);
  EXPECT_TRUE(report.stopped);
  EXPECT_THAT(report.to_string(), HasSubstr("stopped at the limit"));
}

TEST(CrashPointsTest, TheSameSeedVisitsTheSameStates) {
  const auto first = enumerate_crashes(scenario(Recipe::in_place), {.seed = 3});
  const auto again = enumerate_crashes(scenario(Recipe::in_place), {.seed = 3});
  EXPECT_EQ(first.to_string(), again.to_string());
}

TEST(FailEachCallTest, FailsEveryCallOnceAndChecksWhatItLeaves) {
  const auto report = fail_each_call(scenario(Recipe::safe), {.errors = {Errc::disk_failed}});
  EXPECT_THAT(report.failures, IsEmpty()) << report.to_string();
  EXPECT_EQ(report.faults, 4u * 6u);
  EXPECT_EQ(report.checks, 4u * 6u * 4u);
}

TEST(FailEachCallTest, AFullDiskRefusesOnlyWhatTakesSpace) {
  const auto report = fail_each_call(scenario(Recipe::safe), {.errors = {Errc::disk_full}});
  EXPECT_EQ(report.faults, 4u * 5u);
}

TEST(FailEachCallTest, FindsAnErrorThatIsIgnored) {
  auto careless = scenario(Recipe::safe);
  careless.script = [](SimNode& node, Ledger& ledger) -> io::Task<Result<>> {
    ledger.attempted = "value";
    const auto ignored = co_await replace(node.disk(), ledger.attempted, Recipe::safe);
    ledger.acknowledged = ledger.attempted;
    co_return Result<>();
  };
  const auto report = fail_each_call(careless);
  ASSERT_THAT(report.failures, Not(IsEmpty()));
  EXPECT_THAT(report.failures.front(), HasSubstr("failed with disk_failed, process restarted"));
}

}  // namespace
}  // namespace sluice::sim
