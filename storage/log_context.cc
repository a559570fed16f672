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
                  {{"partition", partition.folder()}, {"reason", why}});
}

}  // namespace sluice::storage
