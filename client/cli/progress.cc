#include "client/cli/progress.h"

#include <chrono>

#include "client/cli/words.h"
#include "io/console.h"

namespace sluice::cli {
namespace {

constexpr Duration kFirstAfter = 500ms;
constexpr Duration kInterval = 200ms;

}  // namespace

Progress::Progress(const Shell& shell)
    : clock_(shell.clock()),
      shown_(!shell.flags().quiet && io::is_terminal(io::StandardStream::err)),
      started_(clock_.now()),
      next_(started_ + kFirstAfter) {}

Progress::~Progress() {
  if (drawn_ != 0) draw("");
}

void Progress::update(uint64_t records, uint64_t bytes) {
  if (!shown_) return;
  const TimePoint now = clock_.now();
  if (now < next_) return;
  next_ = now + kInterval;
  draw(throughput_line(records, bytes, std::chrono::duration<double>(now - started_).count()));
}

void Progress::draw(const std::string& line) {
  std::string text = "\r" + line;
  if (line.size() < drawn_) text += std::string(drawn_ - line.size(), ' ') + "\r" + line;
  drawn_ = line.size();
  // Nobody to tell when standard error is gone.
  static_cast<void>(io::write_all(io::StandardStream::err, text));
}

}  // namespace sluice::cli
