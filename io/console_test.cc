#include "io/console.h"

#include <filesystem>
#include <fstream>
#include <string>

#include <gtest/gtest.h>
#include <unistd.h>

namespace sluice::io {
namespace {

class TextFile : public ::testing::Test {
 protected:
  TextFile() { std::ofstream(path_) << "one\ntwo\n"; }
  ~TextFile() override { std::filesystem::remove(path_); }

  const std::string path_ =
      (std::filesystem::temp_directory_path() / ("sluice-console-" + std::to_string(::getpid())))
          .string();
};

TEST_F(TextFile, IsReadWhole) { EXPECT_EQ(read_text_file(path_, 8).value(), "one\ntwo\n"); }

TEST_F(TextFile, LargerThanTheLimitIsRefusedWithItsName) {
  const auto text = read_text_file(path_, 7);
  ASSERT_FALSE(text);
  EXPECT_EQ(text.error().code(), Errc::invalid_argument);
  EXPECT_NE(text.error().message().find(path_), std::string_view::npos);
}

TEST_F(TextFile, StreamsInPiecesAndThenSaysEnd) {
  auto stream = InputStream::open(path_).value();
  std::array<std::byte, 5> buffer;
  EXPECT_EQ(stream.read(buffer).value(), 5u);
  EXPECT_EQ(stream.read(buffer).value(), 3u);
  EXPECT_EQ(stream.read(buffer).value(), 0u);
}

TEST_F(TextFile, MissingIsNotFound) {
  std::filesystem::remove(path_);
  EXPECT_EQ(InputStream::open(path_).error().code(), Errc::file_not_found);
}

TEST(InputStream, RefusesADirectory) {
  EXPECT_EQ(InputStream::open("/").error().code(), Errc::invalid_argument);
}

}  // namespace
}  // namespace sluice::io
