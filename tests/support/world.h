#pragma once

#include <functional>
#include <memory>
#include <string>

#include <gtest/gtest.h>

#include "io/runtime.h"

namespace sluice::io {

/// A runtime under test, real or simulated, and the way to run a task on it.
class World {
 public:
  virtual ~World() = default;
  virtual Runtime& runtime() = 0;
  /// An empty directory on the runtime's disk, removed with the world.
  virtual std::string directory() = 0;
  /// Until the task is done.
  virtual void run(Task<void> task) = 0;
};

/// A parameter of the contract suites: a name for the test and a maker of worlds.
struct WorldMaker {
  std::string name;
  std::function<std::unique_ptr<World>()> make;
};
inline std::string name_of_world(const testing::TestParamInfo<WorldMaker>& info) {
  return info.param.name;
}

/// A fixture whose tests are coroutines that get the world's runtime and directory.
class WorldTest : public testing::TestWithParam<WorldMaker> {
 protected:
  using Body = Task<void> (*)(Runtime& runtime, std::string directory);
  void check(Body body) { world_->run(body(world_->runtime(), world_->directory())); }

 private:
  std::unique_ptr<World> world_ = GetParam().make();
};

}  // namespace sluice::io

// Gtest's ASSERT_ macros return, which a coroutine cannot.
#define CO_ASSERT_TRUE(condition)  \
  do {                             \
    if (!(condition)) {            \
      ADD_FAILURE() << #condition; \
      co_return;                   \
    }                              \
  } while (0)
#define CO_ASSERT_OK(result)                                          \
  do {                                                                \
    if (auto&& checked_ = (result); !checked_) {                      \
      ADD_FAILURE() << #result << ": " << checked_.error().message(); \
      co_return;                                                      \
    }                                                                 \
  } while (0)
