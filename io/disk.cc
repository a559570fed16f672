#include "io/disk.h"

#include <array>
#include <utility>

namespace sluice::io {
namespace {

std::string directory_of(const std::string& path) {
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

}  // namespace

Task<Result<std::vector<std::byte>>> read_file(Disk& disk, std::string path, size_t limit) {
  CO_ASSIGN_OR_RETURN(auto file, co_await disk.open(path, OpenMode::read));
  CO_ASSIGN_OR_RETURN(const uint64_t size, file->size());
  if (size > limit) {
    co_return fail(Errc::corrupt_file, path + ": " + std::to_string(size) + " bytes, at most " +
                                           std::to_string(limit) + " are expected here");
  }
  std::vector<std::byte> content(size);
  CO_ASSIGN_OR_RETURN(const size_t count, co_await file->read_at(0, content, Lane::hot));
  content.resize(count);
  co_return content;
}

namespace {

Task<Result<>> write_whole(Disk& disk, std::string path, ByteView content, Lane lane) {
  CO_ASSIGN_OR_RETURN(auto file, co_await disk.open(path, OpenMode::create));
  CO_RETURN_IF_ERROR(co_await file->truncate(0));  // what a crash left of an earlier attempt
  const std::array<ByteView, 1> parts = {content};
  CO_RETURN_IF_ERROR(co_await file->write_at(0, parts, lane));
  co_return co_await file->sync(lane);
}

}  // namespace

Task<Result<>> replace_file(Disk& disk, std::string path, std::vector<std::byte> content,
                            Lane lane) {
  const std::string temporary = path + ".tmp";
  if (auto written = co_await write_whole(disk, temporary, content, lane); !written) {
    // It may hold the last free bytes.
    static_cast<void>(co_await disk.remove(temporary));
    co_return written;
  }
  CO_RETURN_IF_ERROR(co_await disk.rename(temporary, path));
  co_return co_await disk.sync_directory(directory_of(path));
}

}  // namespace sluice::io
