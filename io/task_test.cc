#include "io/task.h"

#include <memory>
#include <string>

#include <gtest/gtest.h>

namespace sluice::io {
namespace {

/// Runs a task that waits for nothing.
template <class T>
T value_of(Task<T> task) {
  std::optional<T> value;
  start_detached([](Task<T> inner, std::optional<T>& out) -> Task<void> {
    out.emplace(co_await std::move(inner));
  }(std::move(task), value));
  return std::move(*value);
}

Task<int> add(int a, int b) { co_return a + b; }
Task<int> sum_to(int n) {
  int sum = 0;
  for (int i = 1; i <= n; ++i) sum = co_await add(sum, i);
  co_return sum;
}
Task<int> count_down(int n) {
  if (n == 0) co_return 0;
  co_return 1 + co_await count_down(n - 1);
}

TEST(Task, HandsValuesUp) { EXPECT_EQ(value_of(sum_to(10)), 55); }

TEST(Task, DoesNotGrowTheStackByAwaiting) {
  EXPECT_EQ(value_of(sum_to(60'000)), 1'800'030'000);
  EXPECT_EQ(value_of(count_down(100'000)), 100'000);
}

TEST(Task, DoesNotRunBeforeItIsAwaited) {
  bool ran = false;
  const auto body = [](bool& flag) -> Task<void> {
    flag = true;
    co_return;
  };
  {
    auto task = body(ran);
    EXPECT_FALSE(task.is_ready());
  }
  EXPECT_FALSE(ran);
  start_detached(body(ran));
  EXPECT_TRUE(ran);
}

TEST(Task, AReadyOneNeitherSuspendsNorAllocates) {
  const size_t before = frame_bytes_alive();
  auto task = Task<std::string>::ready("there");
  EXPECT_TRUE(task.is_ready());
  EXPECT_TRUE(task.await_ready());
  EXPECT_EQ(frame_bytes_alive(), before);
  EXPECT_EQ(task.await_resume(), "there");
}

struct NoDefault {
  explicit NoDefault(int v) : value(std::make_unique<int>(v)) {}
  std::unique_ptr<int> value;
};

TEST(Task, CarriesMoveOnlyValuesWithoutDefault) {
  const auto make = [](int value) -> Task<NoDefault> { co_return NoDefault(value); };
  EXPECT_EQ(*value_of(make(7)).value, 7);
  EXPECT_EQ(*value_of(Task<NoDefault>::ready(NoDefault(8))).value, 8);
}

TEST(Task, FreesItsFrameWhetherItRanOrNot) {
  const size_t before = frame_bytes_alive();
  {
    const auto never_run = sum_to(5);
  }
  EXPECT_EQ(value_of(sum_to(5)), 15);
  auto moved = sum_to(1);
  moved = sum_to(2);
  EXPECT_EQ(value_of(std::move(moved)), 3);
  EXPECT_EQ(frame_bytes_alive(), before);
}

}  // namespace
}  // namespace sluice::io
