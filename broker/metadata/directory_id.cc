#include "broker/metadata/directory_id.h"

#include <array>
#include <charconv>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "base/bytes.h"
#include "base/crc32c.h"

namespace sluice::broker {
namespace {

constexpr size_t kMostBytes = 64;

/// With a checksum: an id with a bit flipped is one too, of a directory that no cluster knows.
std::string render(const Uuid& id) {
  const std::string text = id.text();
  std::array<char, 8> digits;
  const auto end = std::to_chars(digits.begin(), digits.end(), crc32c(as_bytes(text)), 16).ptr;
  const std::string crc(digits.begin(), end);
  return text + ' ' + std::string(digits.size() - crc.size(), '0') + crc + '\n';
}

std::optional<Uuid> parse(std::string_view text) {
  // Earlier versions wrote the id alone.
  const std::string_view first = text.substr(0, text.find_first_of(" \n"));
  const auto id = Uuid::parse(first);
  if (!id || id->is_zero()) return std::nullopt;
  if (text != render(*id) && text != id->text() + "\n") return std::nullopt;
  return id;
}

}  // namespace

io::Task<Result<Uuid>> open_directory_id(io::Disk& disk, std::string directory, Random& random) {
  const std::string path = directory + "/directory.id";
  CO_ASSIGN_OR_RETURN(const bool exists, co_await disk.exists(path));
  if (exists) {
    CO_ASSIGN_OR_RETURN(const auto content, co_await io::read_file(disk, path, kMostBytes));
    if (const auto id = parse(as_text(content))) {
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
  const std::string text = render(id);
  const ByteView bytes = as_bytes(text);
  CO_RETURN_IF_ERROR(co_await io::replace_file(disk, path, {bytes.begin(), bytes.end()}));
  co_return id;
}

}  // namespace sluice::broker
