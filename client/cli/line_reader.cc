#include "client/cli/line_reader.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/check.h"

namespace sluice::cli {
namespace {

constexpr size_t kFirstBuffer = 1_MiB;
constexpr size_t kLongestLine = 256_MiB;

}  // namespace

LineReader::LineReader(Source source, std::string delimiter)
    : source_(std::move(source)), delimiter_(std::move(delimiter)), buffer_(kFirstBuffer) {
  CHECK(!delimiter_.empty(), "lines end with something");
}

std::string_view LineReader::unread() const { return {buffer_.data() + begin_, end_ - begin_}; }

Result<std::optional<std::string_view>> LineReader::next() {
  while (true) {
    const size_t found = unread().find(delimiter_, searched_ - begin_);
    if (found != std::string_view::npos) {
      const std::string_view line = unread().substr(0, found);
      begin_ += found + delimiter_.size();
      searched_ = begin_;
      ++line_number_;
      return line;
    }
    if (at_end_) break;
    // The delimiter's first letters may be the last that are here.
    searched_ = std::max(begin_, end_ - std::min(end_, delimiter_.size() - 1));
    RETURN_IF_ERROR(fill());
  }
  if (begin_ == end_) return std::nullopt;
  const std::string_view line = unread();
  begin_ = searched_ = end_;
  ++line_number_;
  return line;
}

Result<> LineReader::fill() {
  if (begin_ > 0) {
    std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
    end_ -= begin_;
    searched_ -= begin_;
    begin_ = 0;
  }
  if (end_ == buffer_.size()) {
    if (end_ >= kLongestLine) {
      return fail(Errc::invalid_argument, "line " + std::to_string(line_number_ + 1) +
                                              " is longer than 256 MiB; is the delimiter right?");
    }
    buffer_.resize(buffer_.size() * 2);
  }
  const std::span<char> room(buffer_.data() + end_, buffer_.size() - end_);
  ASSIGN_OR_RETURN(const size_t got, source_(std::as_writable_bytes(room)));
  at_end_ = got == 0;
  end_ += got;
  return {};
}

}  // namespace sluice::cli
