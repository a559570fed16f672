#include "client/cli/admin_page.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "io/block_on.h"

namespace sluice::cli {
namespace {

using testing::HasSubstr;

std::string answer_of(std::string_view body, std::string_view status = "200 OK") {
  return "HTTP/1.1 " + std::string(status) +
         "\r\nContent-Type: application/json\r\nContent-Length: " + std::to_string(body.size()) +
         "\r\n\r\n" + std::string(body);
}

TEST(AdminAddress, MayLackThePort) {
  EXPECT_EQ(parse_admin_address("east-1")->to_string(), "east-1:9644");
  EXPECT_EQ(parse_admin_address("east-1:7")->to_string(), "east-1:7");
  EXPECT_EQ(parse_admin_address("[::1]")->to_string(), "[::1]:9644");
  EXPECT_EQ(parse_admin_address("[::1]:7")->to_string(), "[::1]:7");
  EXPECT_FALSE(parse_admin_address("east-1:many"));
}

TEST(AdminAnswer, IsTheDocumentInItsBody) {
  const auto document = document_of_answer(answer_of(R"({"cap": 7})"), "/memory");
  ASSERT_TRUE(document) << document.error().message();
  EXPECT_EQ((*document)["cap"], 7);
}

TEST(AdminAnswer, OneThatIsCutAnywhereIsNeverTakenForAWhole) {
  const std::string whole = answer_of(R"({"cap": 7})");
  for (size_t length = 0; length < whole.size(); ++length) {
    EXPECT_FALSE(document_of_answer(whole.substr(0, length), "/memory")) << length;
  }
}

TEST(AdminAnswer, WhatIsNoAdminPortIsSaidToBeNone) {
  const auto binary = document_of_answer(std::string(40, '\x01'), "/memory");
  EXPECT_THAT(std::string(binary.error().message()), HasSubstr("no HTTP"));
  const auto missing = document_of_answer(answer_of("none", "404 Not Found"), "/memory");
  EXPECT_EQ(missing.error(), Errc::not_found);
  const auto failed = document_of_answer(answer_of("{}", "503 Service Unavailable"), "/memory");
  EXPECT_THAT(std::string(failed.error().message()), HasSubstr("503"));
  const auto text = document_of_answer(answer_of("hello"), "/memory");
  EXPECT_THAT(std::string(text.error().message()), HasSubstr("no JSON"));
}

TEST(AdminPages, AnAddressThatSaysNothingIsGivenUpAndNamed) {
  io::System system({.workers = 1, .pool_threads = 1});
  auto& loop = system.runtime().executor.worker(0);
  auto listener = io::block_on(loop, system.runtime().network.listen({"127.0.0.1", 0}));
  ASSERT_TRUE(listener);
  AdminPages pages((*listener)->local());
  // The system takes the connection, and nobody the request.
  const auto page = pages.get("/memory", 50ms);
  ASSERT_FALSE(page);
  EXPECT_EQ(page.error(), Errc::timed_out);
  EXPECT_THAT(std::string(page.error().message()), HasSubstr((*listener)->local().to_string()));
  io::block_on(loop, [](io::Listener& it) -> io::Task<void> {
    it.close();
    co_return;
  }(**listener));
}

}  // namespace
}  // namespace sluice::cli
