#include "broker/metadata/shared_map.h"

#include <map>
#include <utility>

#include <gtest/gtest.h>

#include "base/random.h"

namespace sluice::broker {
namespace {

using Map = SharedMap<int, int>;

std::map<int, int> content_of(const Map& map) {
  std::map<int, int> content;
  map.for_each([&](int key, int value) { content[key] = value; });
  return content;
}

TEST(SharedMap, AgreesWithAnOrdinaryMapUnderRandomChanges) {
  SeededRandom random(1);
  Map map;
  std::map<int, int> model;
  for (int i = 0; i < 20'000; ++i) {
    const int key = static_cast<int>(random.below(500));
    if (random.one_in(3)) {
      map.erase(key);
      model.erase(key);
    } else {
      map.set(key, i);
      model[key] = i;
    }
    ASSERT_EQ(map.size(), model.size());
  }
  EXPECT_EQ(content_of(map), model);
}

TEST(SharedMap, ACopyKeepsWhatItHad) {
  Map map;
  map.set(1, 10);
  const Map copy = map;
  map.set(1, 11);
  map.set(2, 20);
  EXPECT_EQ(content_of(copy), (std::map<int, int>{{1, 10}}));
}

TEST(SharedMap, TellsExactlyWhatChanged) {
  Map before;
  for (int i = 0; i < 1000; ++i) before.set(i, i);
  Map after = before;
  after.set(5, 55);
  after.set(2000, 1);
  after.erase(7);
  after.set(9, 9);
  std::map<int, std::pair<int, int>> changes;
  before.for_each_change(after, [&](const int* from, const int* to) {
    changes[from != nullptr ? *from : -1] = {from ? *from : -1, to ? *to : -1};
  });
  EXPECT_EQ(changes,
            (std::map<int, std::pair<int, int>>{{5, {5, 55}}, {-1, {-1, 1}}, {7, {7, -1}}}));
}

}  // namespace
}  // namespace sluice::broker
