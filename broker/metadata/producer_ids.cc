#include "broker/metadata/producer_ids.h"

#include <utility>
#include <vector>

namespace sluice::broker {
namespace {

constexpr int32_t kBlock = 1000;

}  // namespace

io::Task<Result<ProducerId>> ProducerIds::next() {
  const auto lock = co_await mutex_.lock();
  if (next_ == end_) CO_RETURN_IF_ERROR(co_await take_block());
  co_return ProducerId{next_++};
}

io::Task<Result<>> ProducerIds::take_block() {
  for (;;) {
    const int64_t first = store_.image()->next_producer_id;
    std::vector<cluster::MetadataRecord> records(1);
    auto& block = *records.front().mutable_producer_id_block();
    block.set_node_id(self_.value());
    block.set_first(first);
    block.set_count(kBlock);
    auto committed = co_await store_.commit(std::move(records));
    // Another broker was faster: its block shows in the image by now.
    if (!committed && store_.image()->next_producer_id != first) continue;
    CO_RETURN_IF_ERROR(std::move(committed));
    next_ = first;
    end_ = first + kBlock;
    co_return Result<>{};
  }
}

}  // namespace sluice::broker
