#include "base/guarded.h"

#include <map>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

namespace sluice {
namespace {

TEST(Guarded, LetsOneThreadAtATimeAtTheData) {
  Guarded<std::map<int, int>> counts;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&counts] {
      for (int i = 0; i < 1000; ++i) ++(*counts.lock())[i % 7];
    });
  }
  for (auto& thread : threads) thread.join();
  int sum = 0;
  for (const auto& [key, count] : *counts.lock()) sum += count;
  EXPECT_EQ(sum, 4000);
}

TEST(Guarded, GivesConstDataThroughAConstGuard) {
  const Guarded<std::vector<int>> numbers(3, 9);
  EXPECT_EQ(numbers.lock()->size(), 3U);
  static_assert(std::is_const_v<std::remove_reference_t<decltype(*numbers.lock())>>);
}

}  // namespace
}  // namespace sluice
