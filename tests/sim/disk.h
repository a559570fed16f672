#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/random.h"
#include "io/disk.h"
#include "tests/sim/disk_image.h"
#include "tests/sim/scheduler.h"

namespace sluice::sim {

enum class DiskOp : uint8_t {
  open,
  read,
  write,
  sync,
  write_back,
  allocate,
  truncate,
  map,
  read_ahead,
  rename,
  remove,
  remove_directory,
  create_directories,
  sync_directory,
  list,
  exists,
  lock,
};
inline constexpr size_t kDiskOps = static_cast<size_t>(DiskOp::lock) + 1;
std::string_view name_of(DiskOp op);

struct DiskCall {
  DiskOp op;
  std::string path;
  uint64_t position = 0;
  uint64_t length = 0;
  /// The how manieth call to this disk, from 1.
  uint64_t number = 0;

  /// Whether it may change what is on the disk or what is durable.
  bool mutates() const;
  /// Whether a full disk may refuse it.
  bool takes_space() const;
  /// "write data/t-0/00.log at 512, 100 bytes (call 7)".
  std::string to_string() const;
};

class SimMapping;

/// An in-memory disk that remembers what is durable. Outlives the files, maps and locks it gave
/// out. Operations without latency are done at once and hand out ready tasks; with latency a write
/// or a change of names takes effect at its start, a read at its end, and a sync covers what was
/// there at its start.
class SimDisk final : public io::Disk {
 public:
  /// `name` seeds its own randomness.
  SimDisk(Scheduler& scheduler, std::string_view name, DiskImage image = {});
  ~SimDisk() override;

  io::Task<Result<std::unique_ptr<io::File>>> open(std::string path, io::OpenMode mode) override;
  io::Task<Result<>> rename(std::string from, std::string to) override;
  io::Task<Result<>> remove(std::string path) override;
  io::Task<Result<>> remove_directory(std::string path, bool recursive) override;
  io::Task<Result<>> create_directories(std::string path) override;
  io::Task<Result<>> sync_directory(std::string path) override;
  io::Task<Result<std::vector<io::DirectoryEntry>>> list(std::string path) override;
  io::Task<Result<bool>> exists(std::string path) override;
  Result<io::DiskSpace> space(const std::string& path) override;
  io::Task<Result<std::unique_ptr<io::FileLock>>> lock(std::string path) override;

  /// As it is now, with what is not synced still unsynced: what a killed process leaves.
  const DiskImage& image() const { return image_; }
  /// What a power loss at this moment leaves.
  DiskImage crash(CrashMode mode, Random& random) const { return image_.crash(mode, random); }

  /// Asked before every call; an error fails the call: a write after a random prefix, a sync with
  /// what it should have synced lost for ever, anything else without effect.
  using Fault = std::function<std::optional<Errc>(const DiskCall&)>;
  void set_fault(Fault fault) { fault_ = std::move(fault); }
  /// Fails the call with this number, and only it.
  void fail_call(uint64_t number, Errc error);
  /// Fails every call of this kind from now on, until set_fault({}).
  void fail_all(DiskOp op, Errc error);
  /// Calls so far.
  uint64_t calls() const { return calls_; }

  /// In bytes, whole pages of each file. What would need more fails with disk_full.
  void set_capacity(uint64_t bytes) { capacity_ = bytes; }
  /// From now on such calls take a random time between these.
  void set_latency(DiskOp op, Duration least, Duration most);
  void set_latency(Duration least, Duration most);

  /// Called with `done` false before and true after each mutating call takes effect.
  using Observer = std::function<void(const DiskCall& call, bool done)>;
  void set_observer(Observer observer) { observer_ = std::move(observer); }

  /// The node is gone: from now on every operation, those in flight too, fails with disk_offline.
  void kill() { dead_ = true; }

 private:
  friend class SimFile;
  friend class SimMapping;
  friend class SimLock;
  struct Latency {
    Duration least{};
    Duration most{};
  };

  DiskCall begin(DiskOp op, std::string_view path, uint64_t position = 0, uint64_t length = 0);
  std::optional<Error> refusal(const DiskCall& call) const;
  static Error offline(const DiskCall& call);
  Duration draw_latency(DiskOp op);
  /// `effect` returns the result; a call that is refused has `spoil` for its effect.
  template <class T, class Effect, class Spoil>
  Result<T> act(const DiskCall& call, Effect& effect, Spoil& spoil);
  /// Acts now; the task is done after the latency.
  template <class T, class Effect, class Spoil = void (*)()>
  io::Task<Result<T>> perform(DiskCall call, Effect effect, Spoil spoil = [] {});
  template <class T>
  io::Task<Result<T>> finish(DiskCall call, Duration latency, Result<T> result);
  /// Acts after the latency.
  template <class T, class Effect, class Spoil = void (*)()>
  io::Task<Result<T>> perform_late(DiskCall call, Effect effect, Spoil spoil = [] {});
  template <class T, class Effect, class Spoil>
  io::Task<Result<T>> wait_and_act(DiskCall call, Duration latency, Effect effect, Spoil spoil);

  Result<std::unique_ptr<io::File>> open_now(const std::string& path, io::OpenMode mode);
  Result<> create_directories_now(const std::string& path);
  Result<> write_now(InodeId inode, const DiskCall& call, std::span<const ByteView> parts);
  void spoil_write(InodeId inode, const DiskCall& call, std::span<const ByteView> parts);
  void write_through(InodeId inode, uint64_t position, ByteView bytes);
  void truncate_through(InodeId inode, uint64_t size);
  Result<> take_space(InodeId inode, const DiskCall& call, uint64_t end) const;
  void close(InodeId inode);

  Scheduler& scheduler_;
  SeededRandom random_;
  const uint64_t id_;
  DiskImage image_;
  Fault fault_;
  Observer observer_;
  std::array<Latency, kDiskOps> latencies_{};
  uint64_t capacity_ = uint64_t{1} << 40;
  uint64_t calls_ = 0;
  bool dead_ = false;
  std::multiset<InodeId> open_;
  std::set<InodeId> locked_;
  std::map<InodeId, std::vector<SimMapping*>> mappings_;
  std::map<InodeId, std::set<uint64_t>> cold_pages_;
};

template <class T, class Effect, class Spoil>
Result<T> SimDisk::act(const DiskCall& call, Effect& effect, Spoil& spoil) {
  if (dead_) return fail(offline(call));
  const bool observed = observer_ && call.mutates();
  if (observed) observer_(call, false);
  auto refused = refusal(call);
  if (refused) spoil();
  Result<T> result = refused ? Result<T>(fail(std::move(*refused))) : effect();
  if (observed) observer_(call, true);
  return result;
}

template <class T, class Effect, class Spoil>
io::Task<Result<T>> SimDisk::perform(DiskCall call, Effect effect, Spoil spoil) {
  const Duration latency = draw_latency(call.op);
  Result<T> result = act<T>(call, effect, spoil);
  if (latency == Duration::zero()) return io::Task<Result<T>>::ready(std::move(result));
  return finish<T>(std::move(call), latency, std::move(result));
}

template <class T>
io::Task<Result<T>> SimDisk::finish(DiskCall call, Duration latency, Result<T> result) {
  co_await scheduler_.delay(latency);
  if (dead_) co_return fail(offline(call));
  co_return std::move(result);
}

template <class T, class Effect, class Spoil>
io::Task<Result<T>> SimDisk::perform_late(DiskCall call, Effect effect, Spoil spoil) {
  const Duration latency = draw_latency(call.op);
  if (latency == Duration::zero()) return io::Task<Result<T>>::ready(act<T>(call, effect, spoil));
  return wait_and_act<T>(std::move(call), latency, std::move(effect), std::move(spoil));
}

template <class T, class Effect, class Spoil>
io::Task<Result<T>> SimDisk::wait_and_act(DiskCall call, Duration latency, Effect effect,
                                          Spoil spoil) {
  co_await scheduler_.delay(latency);
  co_return act<T>(call, effect, spoil);
}

}  // namespace sluice::sim
