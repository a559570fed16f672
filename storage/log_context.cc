#include "storage/log_context.h"

#include <memory>
#include <utility>

namespace sluice::storage {

void LogContext::damaged(std::string why) {
  {
    auto locked = state.lock();
    if (locked->damage) return;
    is_damaged.store(true, std::memory_order_relaxed);
    locked->damage = std::make_shared<const std::string>(why);
  }
  ports.log.error("partition damaged: writes are refused, what stands before is served",
                  {{"partition", partition.folder()}, {"cause", why}});
}

Error LogContext::refusal_of_damage() {
  std::shared_ptr<const std::string> why = state.lock()->damage;
  return {Errc::partition_corrupt,
          partition.folder() + " is damaged and takes no records: " + (why ? *why : std::string()) +
              "; run sluice log dump --verify, restore the partition"};
}

}  // namespace sluice::storage
