#include "io/lanes.h"

#include <utility>

#include "io/lane_directory.h"

namespace sluice::io {
namespace {

class LaneFile final : public File {
 public:
  LaneFile(std::unique_ptr<File> inner, std::shared_ptr<LaneDirectory> directory)
      : inner_(std::move(inner)), directory_(std::move(directory)) {}

  Task<Result<size_t>> read_at(uint64_t position, MutableBytes out, Lane lane) override {
    return directory_->run(lane, LaneWork::read, path(),
                           [&] { return inner_->read_at(position, out, lane); });
  }
  Task<Result<>> write_at(uint64_t position, std::span<const ByteView> parts, Lane lane) override {
    return directory_->run(lane, LaneWork::write, path(),
                           [&] { return inner_->write_at(position, parts, lane); });
  }
  Task<Result<>> sync(Lane lane) override {
    return directory_->run(lane, LaneWork::sync, path(), [&] { return inner_->sync(lane); });
  }
  Task<Result<>> start_write_back(uint64_t position, uint64_t length) override {
    return directory_->run(Lane::background, LaneWork::other, path(),
                           [&] { return inner_->start_write_back(position, length); });
  }
  Task<Result<>> allocate(uint64_t position, uint64_t length) override {
    return directory_->run(Lane::hot, LaneWork::other, path(),
                           [&] { return inner_->allocate(position, length); });
  }
  Task<Result<>> truncate(uint64_t size) override {
    return directory_->run(Lane::commit, LaneWork::other, path(),
                           [&] { return inner_->truncate(size); });
  }
  Task<Result<>> read_ahead(uint64_t position, uint64_t length) override {
    return directory_->run(Lane::cold, LaneWork::read, path(),
                           [&] { return inner_->read_ahead(position, length); });
  }
  Task<Result<size_t>> read_through(uint64_t position, MutableBytes out) override {
    return directory_->run(Lane::cold, LaneWork::read, path(),
                           [&] { return inner_->read_through(position, out); });
  }

  // What asks the kernel's memory only goes on when the device does not.
  Result<uint64_t> size() const override { return inner_->size(); }
  Result<std::unique_ptr<MappedFile>> map(size_t length) override {
    if (directory_->offline()) return fail(directory_->offline_error());
    return inner_->map(length);
  }
  Result<uint64_t> resident(uint64_t position, uint64_t length) const override {
    if (directory_->offline()) return fail(directory_->offline_error());
    return inner_->resident(position, length);
  }
  void drop_cache(uint64_t position, uint64_t length) override {
    inner_->drop_cache(position, length);
  }
  std::optional<int> descriptor() const override { return inner_->descriptor(); }
  const std::string& path() const override { return inner_->path(); }

 private:
  const std::unique_ptr<File> inner_;
  const std::shared_ptr<LaneDirectory> directory_;
};

}  // namespace

LaneDisk::LaneDisk(Disk& inner, const Clock& clock, std::string directory, LaneOptions options)
    : inner_(inner),
      directory_(std::make_shared<LaneDirectory>(clock, std::move(directory), std::move(options))) {
}
LaneDisk::~LaneDisk() = default;

bool LaneDisk::offline() const { return directory_->offline(); }
void LaneDisk::take_offline(const Error& cause) { directory_->take_offline(cause); }
size_t LaneDisk::in_flight(Lane lane) const { return directory_->in_flight(lane); }

Task<Result<std::unique_ptr<File>>> LaneDisk::open(std::string path, OpenMode mode) {
  const auto directory = directory_;
  CO_ASSIGN_OR_RETURN(auto file, co_await directory->run(Lane::commit, LaneWork::other, path,
                                                         [&] { return inner_.open(path, mode); }));
  co_return std::make_unique<LaneFile>(std::move(file), directory);
}

Task<Result<>> LaneDisk::rename(std::string from, std::string to) {
  return directory_->run(Lane::commit, LaneWork::other, to,
                         [&] { return inner_.rename(from, to); });
}

Task<Result<>> LaneDisk::remove(std::string path) {
  return directory_->run(Lane::background, LaneWork::other, path,
                         [&] { return inner_.remove(path); });
}

Task<Result<>> LaneDisk::remove_directory(std::string path, bool recursive) {
  return directory_->run(Lane::background, LaneWork::other, path,
                         [&] { return inner_.remove_directory(path, recursive); });
}

Task<Result<>> LaneDisk::create_directories(std::string path) {
  return directory_->run(Lane::commit, LaneWork::make_directories, path,
                         [&] { return inner_.create_directories(path); });
}

Task<Result<>> LaneDisk::sync_directory(std::string path) {
  return directory_->run(Lane::commit, LaneWork::sync_directory, path,
                         [&] { return inner_.sync_directory(path); });
}

Task<Result<std::vector<DirectoryEntry>>> LaneDisk::list(std::string path) {
  return directory_->run(Lane::commit, LaneWork::other, path, [&] { return inner_.list(path); });
}

Task<Result<bool>> LaneDisk::exists(std::string path) {
  return directory_->run(Lane::commit, LaneWork::other, path, [&] { return inner_.exists(path); });
}

Result<DiskSpace> LaneDisk::space(const std::string& path) {
  if (offline()) return fail(directory_->offline_error());
  return inner_.space(path);
}

Task<Result<std::unique_ptr<FileLock>>> LaneDisk::lock(std::string path) {
  return directory_->run(Lane::commit, LaneWork::other, path, [&] { return inner_.lock(path); });
}

}  // namespace sluice::io
