#include <cstdio>
#include <cstdlib>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "storage/log_fixture.h"
#include "tests/crash/machine.h"
#include "tests/crash/read_back.h"

// Random operations on a log with tiny segments, in step with a model that is a few containers.
namespace sluice::storage {
namespace {

enum class Op : uint8_t {
  append,
  append_many,
  read,
  sync,
  roll,
  truncate,
  advance_start,
  find_time,
  restart,
  kill,
  power_cut,
};
constexpr uint64_t kOps = 11;

struct Step {
  Op op;
  uint64_t choice;
};

/// The log and what it must hold.
class Pair {
 public:
  Pair() {
    world_->params().options = Machine::tiny_options();
    check(world_->create(), "create");
    start_epoch();
  }
  ~Pair() = default;

  void apply(const Step& step) {
    switch (step.op) {
      case Op::append:
        return append(1 + step.choice % 3);
      case Op::append_many:
        for (uint64_t i = 0; i < 10; ++i) append(1 + i % 3);
        return;
      case Op::read:
        return read(step.choice);
      case Op::sync:
        check(world_->run(world_->log().sync_to(end())), "sync");
        synced_ = end();
        return;
      case Op::roll:
        check(world_->run(world_->log().roll()), "roll");
        synced_ = end();
        return;
      case Op::truncate:
        return truncate(step.choice);
      case Op::advance_start:
        return advance_start(step.choice);
      case Op::find_time:
        return find_time(step.choice);
      case Op::restart:
      case Op::kill:
        return restart(step.op == Op::restart);
      case Op::power_cut:
        return power_cut(step.choice);
    }
  }
  const std::optional<std::string>& failure() const { return failure_; }
  void compare_all() {
    auto content = world_->run(read_back(world_->log()));
    if (!content) return fail_with("read back: " + std::string(content.error().message()));
    if (*content != records_) return fail_with("the content differs");
    check(world_->run(check_lookups(world_->log(), records_)), "lookups");
  }

 private:
  Offset end() const { return Offset(start_.value() + static_cast<int64_t>(records_.size())); }
  void fail_with(std::string what) {
    if (!failure_) failure_ = std::move(what);
  }
  void check(const Result<>& result, const std::string& what) {
    if (!result) fail_with(what + ": " + std::string(result.error().message()));
  }
  void start_epoch() {
    auto next = LeaderEpoch(world_->log().latest_epoch().value() + 1);
    check(world_->run(world_->log().start_epoch(next)), "start epoch");
  }

  void append(uint64_t count) {
    std::vector<uint64_t> values;
    Offset at = end();
    clock_ += value_ % 7 == 0 ? -3 : 2;  // timestamps mostly grow
    for (uint64_t i = 0; i < count; ++i) {
      values.push_back(++value_);
      written_[at].push_back(value_);
      records_[at] = {.value = value_, .timestamp = Timestamp(clock_)};
      ++at;
    }
    auto batch = batch_of_numbers(values, Timestamp(clock_));
    const auto appended = world_->run(world_->log().append(
        {.batch = batch, .leader_epoch = world_->log().latest_epoch(), .now = Timestamp(clock_)}));
    if (!appended) return fail_with("append: " + std::string(appended.error().message()));
    if (appended->last_offset + 1 != end()) fail_with("append: a wrong offset");
    starts_.push_back(appended->base_offset);
  }
  void read(uint64_t choice) {
    if (records_.empty()) return;
    const auto size = static_cast<uint64_t>(records_.size());
    const Offset from = start_ + static_cast<int64_t>(choice % size);
    const Offset bound = from + static_cast<int64_t>(1 + choice / 7 % (end() - from));
    const size_t most = 1 + choice / 31 % 700;
    const auto found =
        world_->run(world_->log().read({.from = from, .bound = bound, .max_bytes = most}));
    if (!found) return fail_with("read: " + std::string(found.error().message()));
    auto bytes = world_->bytes_of(found->slice);
    record::BatchCursor cursor(*bytes);
    Offset next{-1};
    for (auto batch = cursor.next(); batch && *batch; batch = cursor.next()) {
      if (next == Offset(-1) && (*batch)->header().base_offset > from)
        fail_with("read: a late start");
      next = (*batch)->header().next_offset();
    }
    if (!cursor.rest().empty()) fail_with("read: a cut batch");
    if (next > bound) fail_with("read: beyond the bound");
    // Nothing may come when the bound lies inside of the first batch.
    if (next == Offset(-1) && batch_end(from) <= bound) fail_with("read: nothing");
  }
  /// Where the batch with the offset ends.
  Offset batch_end(Offset offset) const {
    for (const Offset start : starts_) {
      if (start > offset) return start;
    }
    return end();
  }
  void truncate(uint64_t choice) {
    if (records_.empty()) return;
    const Offset to = end() - static_cast<int64_t>(choice % std::min<size_t>(records_.size(), 20));
    // Batches stay whole: what holds `to` goes.
    Offset expected = to;
    if (to < end()) {
      while (starts_.back() > to) starts_.pop_back();
      expected = starts_.back();
      starts_.pop_back();
    }
    check(world_->run(world_->log().truncate_to(to)), "truncate");
    if (world_->log().ends().end != expected) fail_with("truncate: another log end");
    adopt(world_->log().ends());
    start_epoch();
  }
  void advance_start(uint64_t choice) {
    const Offset to = start_ + static_cast<int64_t>(choice % (records_.size() + 1));
    check(world_->run(world_->log().advance_start(to)), "advance start");
    adopt(world_->log().ends());
    if (start_ != to) fail_with("advance start: another start");
  }
  void find_time(uint64_t choice) {
    const Timestamp at(static_cast<int64_t>(choice % static_cast<uint64_t>(clock_ + 5)));
    const auto found = world_->run(world_->log().find_by_time(at));
    if (!found) return fail_with("find: " + std::string(found.error().message()));
    Offset expected{-1};
    for (const auto& [offset, record] : records_) {
      if (record.timestamp < at) continue;
      expected = offset;
      break;
    }
    if (found->offset != expected) fail_with("find: another record");
  }

  void restart(bool clean) {
    if (clean) {
      check(world_->close(), "close");
      synced_ = end();
    } else {
      world_->abandon();
    }
    open_again(clean, false);
    if (end() != Offset(expected_end_)) fail_with("restart: another log end");
    compare_all();
  }
  void power_cut(uint64_t choice) {
    constexpr sim::CrashMode kModes[] = {sim::CrashMode::keep_all, sim::CrashMode::lose_all,
                                         sim::CrashMode::torn, sim::CrashMode::zero_tail,
                                         sim::CrashMode::random};
    world_->abandon();
    SeededRandom random(choice);
    auto disk = world_->disk().crash(kModes[choice % 5], random);
    world_ = std::make_unique<LogWorld>(std::move(disk));
    open_again(false, true);
    // What was not synced may be gone, or be what a truncation had cut.
    auto content = world_->run(read_back(world_->log()));
    if (!content) return fail_with("power cut: " + std::string(content.error().message()));
    if (end() < synced_) fail_with("power cut: synced records are lost");
    for (const auto& [offset, record] : *content) {
      auto& values = written_[offset];
      const bool known = std::ranges::find(values, record.value) != values.end();
      if (!known || (offset < synced_ && record.value != values.back())) {
        fail_with("power cut: a changed record at " + std::to_string(offset.value()));
      }
      values.push_back(record.value);  // whichever it was, from now on it is the one
    }
    records_ = std::move(*content);
    check(world_->run(check_lookups(world_->log(), records_)), "lookups");
    start_epoch();
    read_starts();
  }
  void open_again(bool clean, bool power_lost) {
    expected_end_ = end().value();
    LogParams& params = world_->params();
    params.options = Machine::tiny_options();
    params.clean = clean;
    params.power_lost = power_lost;
    params.synced_end = params.recovery_point = synced_;
    params.log_start = start_;
    if (auto opened = world_->open(); !opened) {
      return fail_with("open: " + std::string(opened.error().message()));
    }
    if (world_->log().damage()) fail_with("damage: " + *world_->log().damage());
    adopt(world_->log().ends());
  }
  /// The model gets the log's bounds.
  void adopt(const LogEnds& ends) {
    start_ = ends.start;
    synced_ = std::min(synced_, ends.end);
    records_.erase(records_.begin(), records_.lower_bound(ends.start));
    records_.erase(records_.lower_bound(ends.end), records_.end());
    if (records_.size() != static_cast<size_t>(ends.end - ends.start) && !failure_) {
      // Only a power cut may bring back what the model does not hold; it reads it next.
      for (Offset at = ends.start; at < ends.end; ++at) records_.try_emplace(at);
    }
  }
  void read_starts() {
    starts_.clear();
    for (const int64_t base : world_->read_all()) starts_.emplace_back(base);
  }

  std::unique_ptr<LogWorld> world_ = std::make_unique<LogWorld>();
  std::map<Offset, NumberedValue> records_;
  std::map<Offset, std::vector<uint64_t>> written_;
  std::deque<Offset> starts_;
  Offset start_{0}, synced_{0};
  uint64_t value_ = 0;
  int64_t clock_ = 1000;
  int64_t expected_end_ = 0;
  std::optional<std::string> failure_;
};

std::vector<Step> random_steps(uint64_t seed, size_t count) {
  SeededRandom random(seed);
  std::vector<Step> steps;
  for (size_t i = 0; i < count; ++i) {
    // Half of them are appends, so that there is something to do the rest to.
    const bool appends = random.one_in(2);
    steps.push_back({.op = appends ? Op::append : static_cast<Op>(random.below(kOps)),
                     .choice = random.next() >> 16});
  }
  return steps;
}

std::optional<std::string> run(const std::vector<Step>& steps) {
  Pair pair;
  for (const Step& step : steps) {
    pair.apply(step);
    if (pair.failure()) return pair.failure();
  }
  pair.compare_all();
  return pair.failure();
}

/// Drops steps for as long as it still fails.
std::vector<Step> shrink(std::vector<Step> steps) {
  for (size_t chunk = steps.size() / 2; chunk > 0; chunk /= 2) {
    for (size_t at = 0; at + chunk <= steps.size();) {
      auto fewer = steps;
      fewer.erase(fewer.begin() + static_cast<ptrdiff_t>(at),
                  fewer.begin() + static_cast<ptrdiff_t>(at + chunk));
      if (run(fewer)) {
        steps = std::move(fewer);
      } else {
        at += chunk;
      }
    }
  }
  return steps;
}

TEST(ModelLogTest, BehavesAsTheModelThroughCrashes) {
  const char* rounds = std::getenv("SLUICE_MODEL_ROUNDS");
  const uint64_t last = rounds != nullptr ? std::strtoull(rounds, nullptr, 10) : 300;
  for (uint64_t seed = 1; seed <= last; ++seed) {
    const auto steps = random_steps(seed, 100);
    if (!run(steps)) continue;
    const auto fewest = shrink(steps);
    std::string shown;
    for (const Step& step : fewest) {
      shown += " " + std::to_string(static_cast<int>(step.op)) + ":" + std::to_string(step.choice);
    }
    FAIL() << "seed " << seed << ": " << *run(fewest) << "; steps (op:choice)" << shown;
  }
}

}  // namespace
}  // namespace sluice::storage
