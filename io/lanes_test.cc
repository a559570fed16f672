#include "io/lanes.h"

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "io/sync.h"
#include "io/system.h"

namespace sluice::io {
namespace {

using testing::HasSubstr;

/// What the files of a ScriptedDisk do: each call ends at once, or when the test says so.
struct Script {
  bool at_once = true;
  /// Operations that began and have not ended.
  std::vector<OneShot<Result<>>*> pending{};
  Errc sync_error = Errc::internal;
  bool sync_fails = false;
  /// What changes of the directory end with.
  std::optional<Errc> directory_error{};

  Task<Result<>> operation() {
    if (at_once) return Task<Result<>>::ready();
    return [](Script& script) -> Task<Result<>> {
      OneShot<Result<>> end;
      script.pending.push_back(&end);
      co_return co_await end;
    }(*this);
  }
  void end_first() {
    auto* first = pending.front();
    pending.erase(pending.begin());
    first->set({});
  }
};

class ScriptedFile final : public File {
 public:
  ScriptedFile(std::string path, Script& script) : path_(std::move(path)), script_(script) {}
  Task<Result<size_t>> read_at(uint64_t, MutableBytes out, Lane) override {
    if (script_.at_once) return Task<Result<size_t>>::ready(out.size());
    return [](Script& script, size_t size) -> Task<Result<size_t>> {
      CO_RETURN_IF_ERROR(co_await script.operation());
      co_return size;
    }(script_, out.size());
  }
  Task<Result<>> write_at(uint64_t, std::span<const ByteView>, Lane) override {
    return script_.operation();
  }
  Task<Result<>> sync(Lane) override {
    if (!script_.sync_fails) return script_.operation();
    return Task<Result<>>::ready(fail(script_.sync_error, "sync " + path_ + ": scripted"));
  }
  Task<Result<>> start_write_back(uint64_t, uint64_t) override { return script_.operation(); }
  Task<Result<>> allocate(uint64_t, uint64_t) override { return script_.operation(); }
  Task<Result<>> truncate(uint64_t) override { return script_.operation(); }
  Result<uint64_t> size() const override { return 0; }
  Result<std::unique_ptr<MappedFile>> map(size_t) override { return fail(Errc::unsupported); }
  Result<uint64_t> resident(uint64_t, uint64_t length) const override { return length; }
  Task<Result<>> read_ahead(uint64_t, uint64_t) override { return script_.operation(); }
  Task<Result<size_t>> read_through(uint64_t position, MutableBytes out) override {
    return read_at(position, out, Lane::cold);
  }
  void drop_cache(uint64_t, uint64_t) override {}
  const std::string& path() const override { return path_; }

 private:
  const std::string path_;
  Script& script_;
};

class ScriptedDisk final : public Disk {
 public:
  explicit ScriptedDisk(Script& script) : script_(script) {}
  Task<Result<std::unique_ptr<File>>> open(std::string path, OpenMode) override {
    return Task<Result<std::unique_ptr<File>>>::ready(
        std::make_unique<ScriptedFile>(std::move(path), script_));
  }
  Task<Result<>> rename(std::string, std::string) override { return script_.operation(); }
  Task<Result<>> remove(std::string) override { return script_.operation(); }
  Task<Result<>> remove_directory(std::string, bool) override { return script_.operation(); }
  Task<Result<>> create_directories(std::string path) override { return change(path); }
  Task<Result<>> sync_directory(std::string path) override { return change(path); }
  Task<Result<std::vector<DirectoryEntry>>> list(std::string) override {
    return Task<Result<std::vector<DirectoryEntry>>>::ready();
  }
  Task<Result<bool>> exists(std::string) override { return Task<Result<bool>>::ready(true); }
  Result<DiskSpace> space(const std::string&) override { return DiskSpace{}; }
  Task<Result<std::unique_ptr<FileLock>>> lock(std::string) override {
    return Task<Result<std::unique_ptr<FileLock>>>::ready();
  }

 private:
  Task<Result<>> change(const std::string& path) {
    if (!script_.directory_error) return script_.operation();
    return Task<Result<>>::ready(fail(*script_.directory_error, path + ": scripted"));
  }

  Script& script_;
};

class LanesTest : public testing::Test {
 protected:
  struct Fixture {
    Script script{};
    ScriptedDisk inner{script};
    std::vector<std::string> causes{};
    std::unique_ptr<LaneDisk> disk{};
    std::unique_ptr<File> file{};
  };
  using Body = Task<void> (*)(Fixture& fixture);

  void check(Body body) {
    system_.run([](LanesTest& test, Body steps) -> Task<void> {
      auto& fixture = test.fixture_;
      test.options_.on_offline = [&](const Error& cause) {
        fixture.causes.emplace_back(cause.message());
      };
      fixture.disk = std::make_unique<LaneDisk>(fixture.inner, test.system_.runtime().clock,
                                                "/data1", std::move(test.options_));
      fixture.file = std::move(*co_await fixture.disk->open("/data1/f", OpenMode::create));
      co_await steps(fixture);
    }(*this, body));
  }

  System system_{{.workers = 1, .pool_threads = 1}};
  LaneOptions options_{.in_flight = {2, 2, 2, 2}};
  Fixture fixture_;
};

Task<void> write_and_count(File& file, Lane lane, size_t& done, size_t& failed) {
  const auto result = co_await file.write_at(0, {}, lane);
  ++(result ? done : failed);
}

TEST_F(LanesTest, BoundsEachLaneByItself) {
  check([](Fixture& fixture) -> Task<void> {
    fixture.script.at_once = false;
    size_t done = 0, failed = 0;
    Scope scope;
    for (int i = 0; i < 5; ++i) {
      scope.start(write_and_count(*fixture.file, Lane::cold, done, failed));
    }
    EXPECT_EQ(fixture.script.pending.size(), 2u);
    EXPECT_EQ(fixture.disk->in_flight(Lane::cold), 2u);
    scope.start(write_and_count(*fixture.file, Lane::commit, done, failed));
    EXPECT_EQ(fixture.script.pending.size(), 3u);
    while (scope.running() > 0) {
      if (!fixture.script.pending.empty()) fixture.script.end_first();
      EXPECT_LE(fixture.disk->in_flight(Lane::cold), 2u);
      co_await Loop::current()->yield();
    }
    co_await scope.join();
    EXPECT_EQ(done, 6u);
    EXPECT_EQ(fixture.disk->in_flight(Lane::cold), 0u);
  });
}

TEST_F(LanesTest, WhatIsDoneAtOnceNeedsNeitherLaneNorFrame) {
  check([](Fixture& fixture) -> Task<void> {
    const size_t before = frame_bytes_alive();
    auto task = fixture.file->write_at(0, {}, Lane::hot);
    EXPECT_TRUE(task.is_ready());
    EXPECT_EQ(frame_bytes_alive(), before);
    EXPECT_TRUE(co_await std::move(task));
  });
}

TEST_F(LanesTest, AFailedSyncIsFinal) {
  check([](Fixture& fixture) -> Task<void> {
    fixture.script.sync_fails = true;
    fixture.script.sync_error = Errc::disk_full;
    const auto first = co_await fixture.file->sync(Lane::commit);
    EXPECT_EQ(first.error().code(), Errc::disk_offline) << "a retry would believe the page cache";
    EXPECT_TRUE(fixture.disk->offline());
    fixture.script.sync_fails = false;
    const auto again = co_await fixture.file->sync(Lane::commit);
    EXPECT_EQ(again.error().code(), Errc::disk_offline);
    EXPECT_THAT(std::string(again.error().message()), HasSubstr("/data1 is offline"));
    EXPECT_THAT(std::string(again.error().message()), HasSubstr("sync /data1/f: scripted"));
    EXPECT_EQ(fixture.causes, std::vector<std::string>{"sync /data1/f: scripted"});
  });
}

TEST_F(LanesTest, ADirectoryThatCannotBeOpenedForItsSyncLeavesTheOthersOnline) {
  check([](Fixture& fixture) -> Task<void> {
    for (const Errc reason : {Errc::too_many, Errc::file_not_found}) {
      fixture.script.directory_error = reason;
      const auto synced = co_await fixture.disk->sync_directory("/data1/t-0");
      EXPECT_EQ(synced.error().code(), reason);
      EXPECT_FALSE(fixture.disk->offline());
    }
    fixture.script.directory_error.reset();
    EXPECT_TRUE(co_await fixture.disk->sync_directory("/data1/t-0"));
    fixture.script.directory_error = Errc::disk_full;
    EXPECT_FALSE(co_await fixture.disk->sync_directory("/data1/t-0"));
    EXPECT_TRUE(fixture.disk->offline());
  });
}

TEST_F(LanesTest, AFailedSyncOfWhatIsMadeIsFinalAndNoRoomForItIsNot) {
  check([](Fixture& fixture) -> Task<void> {
    fixture.script.directory_error = Errc::disk_full;
    const auto full = co_await fixture.disk->create_directories("/data1/t-0");
    EXPECT_EQ(full.error().code(), Errc::disk_full);
    EXPECT_FALSE(fixture.disk->offline());
    fixture.script.directory_error = Errc::disk_failed;
    EXPECT_FALSE(co_await fixture.disk->create_directories("/data1/t-0"));
    EXPECT_TRUE(fixture.disk->offline());
  });
}

TEST_F(LanesTest, OfflineEverythingFailsWithTheFirstCause) {
  check([](Fixture& fixture) -> Task<void> {
    fixture.disk->take_offline(Error(Errc::disk_failed, "first"));
    fixture.disk->take_offline(Error(Errc::disk_failed, "second"));
    const auto offline = [](const auto& result) {
      EXPECT_FALSE(result.has_value());
      EXPECT_EQ(result.error().code(), Errc::disk_offline);
      EXPECT_THAT(std::string(result.error().message()), HasSubstr("first"));
    };
    std::array<std::byte, 8> out;
    offline(co_await fixture.file->read_at(0, out, Lane::hot));
    offline(co_await fixture.file->write_at(0, {}, Lane::hot));
    offline(co_await fixture.file->truncate(0));
    offline(co_await fixture.file->allocate(0, 1));
    offline(co_await fixture.file->read_ahead(0, 1));
    offline(fixture.file->resident(0, 1));
    offline(co_await fixture.disk->open("/data1/g", OpenMode::read));
    offline(co_await fixture.disk->rename("/data1/g", "/data1/h"));
    offline(co_await fixture.disk->sync_directory("/data1"));
    offline(co_await fixture.disk->list("/data1"));
    offline(fixture.disk->space("/data1"));
    EXPECT_EQ(fixture.causes, std::vector<std::string>{"first"});
  });
}

TEST_F(LanesTest, AnOperationThatHangsTakesTheDirectoryOffline) {
  options_.timeout = 1ms;
  check([](Fixture& fixture) -> Task<void> {
    fixture.script.at_once = false;
    size_t done = 0, failed = 0;
    Scope scope;
    for (int i = 0; i < 4; ++i) {
      scope.start(write_and_count(*fixture.file, Lane::cold, done, failed));
    }
    while (failed < 2) co_await sleep_for(1ms);  // who waited for a turn is turned away
    EXPECT_EQ(done, 0u);
    EXPECT_EQ(fixture.causes.size(), 1u);
    EXPECT_THAT(fixture.causes.front(), HasSubstr("/data1/f took longer than disk.timeout.ms (1)"));
    fixture.script.end_first();  // the kernel gives the buffers back at last
    fixture.script.end_first();
    co_await scope.join();
    EXPECT_EQ(fixture.disk->in_flight(Lane::cold), 0u);
  });
}

TEST_F(LanesTest, AnOrdinaryErrorLeavesTheDirectoryOnline) {
  check([](Fixture& fixture) -> Task<void> {
    const auto result = fixture.file->map(10);
    EXPECT_EQ(result.error().code(), Errc::unsupported);
    EXPECT_FALSE(fixture.disk->offline());
    EXPECT_TRUE(co_await fixture.file->write_at(0, {}, Lane::hot));
  });
}

TEST_F(LanesTest, CountsTimesByKindOfWork) {
  Histogram reads(2), writes(2), syncs(2);
  options_.times = {&reads, &writes, &syncs};
  check([](Fixture& fixture) -> Task<void> {
    std::array<std::byte, 8> out;
    for (int i = 0; i < 3; ++i) EXPECT_TRUE(co_await fixture.file->read_at(0, out, Lane::hot));
    for (int i = 0; i < 2; ++i) EXPECT_TRUE(co_await fixture.file->write_at(0, {}, Lane::hot));
    EXPECT_TRUE(co_await fixture.file->sync(Lane::commit));
    EXPECT_TRUE(co_await fixture.file->truncate(0));
  });
  EXPECT_EQ(reads.snapshot().count, 3u);
  EXPECT_EQ(writes.snapshot().count, 2u);
  EXPECT_EQ(syncs.snapshot().count, 1u);
}

}  // namespace
}  // namespace sluice::io
