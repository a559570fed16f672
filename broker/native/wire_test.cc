#include "broker/native/wire.h"

#include <gmock/gmock.h>

#include "base/memory_budget.h"

namespace sluice::broker {
namespace {

TEST(Wire, RefusesAnAnswerThatNoClientWouldTakeAndSaysTheWayOut) {
  MemoryBudget memory("root", 64_MiB);
  SharedBuffers shared(memory, {});
  BufferPool pool(shared);
  Response response;
  native::ResponseHeader header;
  header.mutable_metadata()->set_cluster_id(std::string(native::kMaxAnswerHeaderBytes - 100, 'x'));
  EXPECT_TRUE(encode_response(header, 0, response, pool));
  header.mutable_metadata()->set_cluster_id(std::string(native::kMaxAnswerHeaderBytes, 'x'));
  const auto refused = encode_response(header, 0, response, pool);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), Errc::frame_too_large);
  EXPECT_THAT(refused.error().message(), ::testing::HasSubstr("name fewer topics"));
}

}  // namespace
}  // namespace sluice::broker
