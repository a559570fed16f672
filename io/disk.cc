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

Task<Result<>> replace_file(Disk& disk, std::string path, std::vector<std::byte> content) {
  const std::string temporary = path + ".tmp";
  {
    CO_ASSIGN_OR_RETURN(auto file, co_await disk.open(temporary, OpenMode::create));
    CO_RETURN_IF_ERROR(co_await file->truncate(0));  // what a crash left of an earlier attempt
    const std::array<ByteView, 1> parts = {content};
    CO_RETURN_IF_ERROR(co_await file->write_at(0, parts, Lane::commit));
    CO_RETURN_IF_ERROR(co_await file->sync(Lane::commit));
  }
  CO_RETURN_IF_ERROR(co_await disk.rename(temporary, path));
  co_return co_await disk.sync_directory(directory_of(path));
}

}  // namespace sluice::io
