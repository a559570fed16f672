#include "broker/metadata/directory_id.h"

#include <utility>

#include "base/bytes.h"

namespace sluice::broker {
namespace {

constexpr size_t kMostBytes = 64;

}  // namespace

io::Task<Result<Uuid>> open_directory_id(io::Disk& disk, std::string directory, Random& random) {
  const std::string path = directory + "/directory.id";
  CO_ASSIGN_OR_RETURN(const bool exists, co_await disk.exists(path));
  if (exists) {
    CO_ASSIGN_OR_RETURN(const auto content, co_await io::read_file(disk, path, kMostBytes));
    std::string_view text = as_text(content);
    if (text.ends_with('\n')) text.remove_suffix(1);
    if (const auto id = Uuid::parse(text); id && !id->is_zero()) {
      // A process that was killed may have left it in the page cache only.
      CO_ASSIGN_OR_RETURN(auto file, co_await disk.open(path, io::OpenMode::write));
      CO_RETURN_IF_ERROR(co_await file->sync(io::Lane::commit));
      CO_RETURN_IF_ERROR(co_await disk.sync_directory(directory));
      co_return *id;
    }
    co_return fail(Errc::corrupt_file,
                   path +
                       ": holds no id; restore the file, or remove the whole directory to start "
                       "as a new broker");
  }
  const Uuid id = Uuid::random(random);
  const std::string text = id.text() + "\n";
  const ByteView bytes = as_bytes(text);
  CO_RETURN_IF_ERROR(co_await io::replace_file(disk, path, {bytes.begin(), bytes.end()}));
  co_return id;
}

}  // namespace sluice::broker
