#include "io/frame_pool.h"

#include <cstring>
#include <thread>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

namespace sluice::io {
namespace {

TEST(FramePool, CountsWhatIsAlive) {
  const size_t before = frame_bytes_alive();
  void* const small = allocate_frame(100);
  void* const large = allocate_frame(10'000);
  EXPECT_GE(frame_bytes_alive(), before + 10'100);
  EXPECT_LE(frame_bytes_alive(), before + 10'100 + 64);
  free_frame(small, 100);
  free_frame(large, 10'000);
  EXPECT_EQ(frame_bytes_alive(), before);
}

TEST(FramePool, FramesOfAllSizesDoNotOverlap) {
  std::vector<std::pair<unsigned char*, size_t>> frames;
  for (int round = 0; round < 3; ++round) {
    for (size_t size = 1; size <= 2'200; size += 13) {
      auto* const frame = static_cast<unsigned char*>(allocate_frame(size));
      std::memset(frame, static_cast<int>(size % 251), size);
      frames.emplace_back(frame, size);
    }
    for (const auto& [frame, size] : frames) {
      for (size_t i = 0; i < size; ++i) ASSERT_EQ(frame[i], size % 251);
      free_frame(frame, size);
    }
    frames.clear();
  }
}

TEST(FramePool, FramesMayBeFreedOnAnotherThread) {
  const size_t before = frame_bytes_alive();
  std::vector<void*> frames;
  for (int i = 0; i < 5'000; ++i) frames.push_back(allocate_frame(500));
  std::thread([&frames] {
    for (void* frame : frames) free_frame(frame, 500);
  }).join();
  EXPECT_EQ(frame_bytes_alive(), before);
}

}  // namespace
}  // namespace sluice::io
