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
  if (ports.on_damage) ports.on_damage();
}

Error LogContext::refusal_of_damage() {
  const auto why = state.lock()->damage;
  std::string text = partition.folder() + " is damaged and takes no records: " + (why ? *why : "");
  // What recovery found says this itself.
  if (text.find("restore the partition") == text.npos)
    text += "; restore the partition from a replica or a backup";
  return {Errc::partition_corrupt, text + ", sluice log dump --verify tells what is wrong"};
}

}  // namespace sluice::storage
