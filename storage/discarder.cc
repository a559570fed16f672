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

io::Task<void> Discarder::remove_due(TimePoint now) {
  std::vector<Item> due;
  {
    auto waiting = waiting_.lock();
    const auto later = std::ranges::partition(
        *waiting, [now](const Item& item) { return item.due <= now; });
    due.assign(std::make_move_iterator(waiting->begin()), std::make_move_iterator(later.begin()));
    waiting->erase(waiting->begin(), later.begin());
  }
  for (const Item& item : due) {
    const auto removed = item.folder ? co_await item.disk->remove_directory(item.path, true)
                                     : co_await item.disk->remove(item.path);
    if (!removed && removed.error() != Errc::file_not_found) {
      log_.warning("deleted file not removed, the next start will try again",
                   {{"path", item.path}, {"cause", removed.error().message()}});
    }
  }
}

}  // namespace sluice::storage
