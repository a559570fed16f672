#include <cstddef>
#include <cstdint>
#include <vector>

#include <google/protobuf/arena.h>

#include "base/check.h"
#include "broker/native/wire.h"
#include "broker/server/frame_reader.h"
#include "proto/native/framing.h"
#include "proto/native/produce_codec.h"

namespace sluice::broker {
namespace {

constexpr size_t kMaxFrame = 1_MiB;

class Cutter final : public Protocol {
 public:
  Result<FrameHead> measure(ByteView begin) override {
    if (begin.size() < native::kPrefixSize) return FrameHead{};
    ASSIGN_OR_RETURN(const auto prefix, native::decode_prefix(begin, kMaxFrame));
    return FrameHead{.size = prefix.frame_size()};
  }
  io::Task<void> handle(Exchange&) override { return io::Task<void>::ready(); }
  void refuse(Exchange&, const Error&) override {}
  void end() override {}
};

/// Where both decoders take a header, they read the same from it.
void check_header(ByteView header) {
  google::protobuf::Arena arena;
  auto& request = *google::protobuf::Arena::CreateMessage<native::RequestHeader>(&arena);
  const bool decoded = decode_request(header, request).has_value();
  if (!native::is_produce(header)) return;
  native::ProduceHeader produce;
  if (!native::decode_produce(header, kMaxEntries, produce) || !decoded) return;
  CHECK(request.has_produce(), "both decoders see a produce");
  CHECK(produce.correlation_id == request.correlation_id(), "both read the same correlation id");
  CHECK(produce.acks == request.produce().acks(), "both read the same acks");
  CHECK(produce.partitions.size() == static_cast<size_t>(request.produce().partitions_size()),
        "both find the same partitions");
  for (size_t i = 0; i < produce.partitions.size(); ++i) {
    const auto& theirs = request.produce().partitions(static_cast<int>(i));
    CHECK(as_text(produce.partitions[i].topic_id) == theirs.topic_id() &&
              produce.partitions[i].size == theirs.size(),
          "both read the same partition");
  }
}

/// Receives `data` in pieces, of which the first byte chooses the size.
void run(ByteView data) {
  if (data.empty()) return;
  const size_t piece = static_cast<uint8_t>(data.front()) + size_t{1};
  data = data.subspan(1);
  MemoryBudget memory("fuzz", 64_MiB);
  SharedBuffers shared(memory, {});
  BufferPool buffers(shared);
  ChunkPool chunks;
  Cutter cutter;
  FrameReader reader;
  while (!data.empty()) {
    auto space = reader.space();
    if (space.empty()) {
      auto buffer = buffers.take(std::max({reader.head().size, reader.rest().size() + 1, 4_KiB}));
      CHECK(buffer.has_value(), "a frame within the limit fits");
      reader.continue_in(chunks.wrap(std::move(*buffer), {}));
      continue;
    }
    const size_t count = std::min({space.size(), piece, data.size()});
    std::copy_n(data.begin(), count, space.begin());
    reader.received(count);
    data = data.subspan(count);
    while (true) {
      auto next = reader.next(cutter);
      if (!next) return;
      if (next->frame.empty()) break;
      const size_t header = load_be<uint32_t>(next->frame.data() + 4);
      check_header(next->frame.subspan(native::kPrefixSize, header));
    }
    if (piece % 3 == 0) reader.park();
  }
}

}  // namespace
}  // namespace sluice::broker

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  sluice::broker::run({reinterpret_cast<const std::byte*>(data), size});
  return 0;
}
