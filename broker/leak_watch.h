#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace sluice::broker {

/// What a broker has to do at one moment: what its memory may grow with.
struct LeakScales {
  double connections = 0;
  double partitions = 0;
  /// Remembered by all partitions together.
  double producers = 0;
  /// Bytes in and out since the last look.
  double traffic = 0;
};

struct LeakSample {
  struct Node {
    /// Its path in the budget tree, or "unattributed".
    std::string name;
    /// Its own: without what its children use.
    size_t bytes = 0;
  };
  std::vector<Node> nodes;
  LeakScales scales;
};

struct LeakOptions {
  /// Samples whose least stands for them: load makes peaks, a leak raises the floor.
  size_t samples_in_window = 10;
  /// How many windows in a row must be above the one before.
  size_t windows = 12;
  /// By how much more than what it may grow with, since the first of them.
  uint32_t growth_percent = 20;
  /// Less is not worth a word.
  size_t least_growth = 1024 * 1024;
};

/// A node that grows while nothing that explains it does.
struct Leak {
  std::string node;
  size_t before = 0;
  size_t now = 0;
  /// In which it grew.
  size_t windows = 0;
  /// What it should have grown with; "connections and traffic".
  std::string_view measured_by;
};

/// Looks for memory that only grows. A node is suspected when the floor of each window lies above
/// that of the window before, and since the first of them it grew by more than the load that it
/// serves; the largest step does not count, since a cache that is filled once is no leak. Load that
/// falls ends the suspicion, and so hides a leak that is slower until it is level.
class LeakWatch {
 public:
  explicit LeakWatch(LeakOptions options) : options_(options) {}

  /// Takes in the next sample; the leaks to tell people of now. One that goes on is told again
  /// after as many windows.
  std::vector<Leak> add(const LeakSample& sample);
  /// All that are suspected now.
  std::vector<Leak> suspects() const;

 private:
  struct Streak {
    size_t floor = 0;  // of the window that is filled now
    bool has_floor = false;
    bool begun = false;
    size_t first = 0, last = 0;
    size_t largest_step = 0;
    LeakScales at_first;
    size_t windows = 0;
    bool suspected = false;
  };
  void close_window(std::vector<Leak>& found);
  bool outgrows(std::string_view node, const Streak& streak) const;
  static Leak leak_of(const std::string& node, const Streak& streak);

  const LeakOptions options_;
  std::map<std::string, Streak> streaks_;
  /// The most within the window.
  LeakScales scales_;
  size_t samples_ = 0;
};

}  // namespace sluice::broker
