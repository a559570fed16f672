#pragma once

#include <string>
#include <vector>

namespace sluice::cluster {

/// Hosts on one bridge, each a network namespace of its own; this process is a host too, and
/// reaches all of them. Everything is gone when it dies, however it does.
class Network {
 public:
  /// Needs root.
  explicit Network(int hosts);
  ~Network();
  Network(const Network&) = delete;
  Network& operator=(const Network&) = delete;

  /// Hosts count from 1.
  std::string address(int host) const;
  /// The namespace of a host, for ProcessOptions.
  int handle(int host) const { return handles_.at(static_cast<size_t>(host - 1)); }

  /// What `from` sends does not reach `to` any more; the other way it does.
  void cut_one_way(int from, int to);
  void cut(int one, int other);
  void heal();

  /// Runs `make` as if on that host; threads that it starts stay there.
  template <typename Make>
  auto on(int host, Make make) {
    enter(handle(host));
    auto made = make();
    enter(hub_);
    return made;
  }

 private:
  static void enter(int handle);
  void add_host(int host);

  int original_ = -1;
  int hub_ = -1;
  std::vector<int> handles_;
};

}  // namespace sluice::cluster
