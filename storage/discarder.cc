#include "storage/discarder.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace sluice::storage {

void Discarder::add_files(io::Disk& disk, std::vector<std::string> paths, TimePoint due) {
  auto waiting = waiting_.lock();
  for (auto& path : paths)
    waiting->push_back({.disk = &disk, .path = std::move(path), .folder = false, .due = due});
}

void Discarder::add_folder(io::Disk& disk, std::string path, TimePoint due) {
  waiting_.lock()->push_back({.disk = &disk, .path = std::move(path), .folder = true, .due = due});
}

/// File by file: a large topic takes longer than a disk has for one operation.
io::Task<Result<>> Discarder::remove_folder(io::Disk& disk, std::string path) {
  CO_ASSIGN_OR_RETURN(const auto entries, co_await disk.list(path));
  for (const auto& entry : entries) {
    const std::string inside = path + "/" + entry.name;
    auto removed = entry.is_directory ? co_await disk.remove_directory(inside, true)
                                      : co_await disk.remove(inside);
    if (!removed && removed.error() != Errc::file_not_found) co_return removed;
  }
  co_return co_await disk.remove_directory(path, false);
}

io::Task<void> Discarder::remove_due(TimePoint now) {
  std::vector<Item> due;
  {
    auto waiting = waiting_.lock();
    const auto later =
        std::ranges::partition(*waiting, [now](const Item& item) { return item.due <= now; });
    due.assign(std::make_move_iterator(waiting->begin()), std::make_move_iterator(later.begin()));
    waiting->erase(waiting->begin(), later.begin());
  }
  for (const Item& item : due) {
    const auto removed = item.folder ? co_await remove_folder(*item.disk, item.path)
                                     : co_await item.disk->remove(item.path);
    if (!removed && removed.error() != Errc::file_not_found) {
      log_.warning("deleted file not removed, the next start will try again",
                   {{"path", item.path}, {"cause", removed.error().message()}});
    }
  }
}

}  // namespace sluice::storage
