#include "broker/admin/http.h"

#include <string>

#include <gtest/gtest.h>

namespace sluice::broker {
namespace {

TEST(Http, ReadsPathQueryAndMethod) {
  const auto parsed = parse_http("GET /ready?verbose HTTP/1.1\r\nHost: x\r\n\r\nrest");
  ASSERT_TRUE(parsed && *parsed);
  EXPECT_EQ((*parsed)->request.method, "GET");
  EXPECT_EQ((*parsed)->request.path, "/ready");
  EXPECT_EQ((*parsed)->request.query, "verbose");
  EXPECT_TRUE((*parsed)->request.keep_alive);
  EXPECT_EQ((*parsed)->size, 40u);
}

TEST(Http, WaitsForTheRestAtEveryCut) {
  const std::string whole = "GET / HTTP/1.1\r\nHost: x\r\nAccept: */*\r\n\r\n";
  for (size_t cut = 0; cut < whole.size(); ++cut) {
    const auto parsed = parse_http(whole.substr(0, cut));
    ASSERT_TRUE(parsed) << cut;
    EXPECT_FALSE(*parsed) << cut;
  }
  EXPECT_TRUE(parse_http(whole).value());
}

TEST(Http, OldOrAskingClientsGetTheirConnectionClosed) {
  EXPECT_FALSE((*parse_http("GET / HTTP/1.0\r\n\r\n"))->request.keep_alive);
  EXPECT_FALSE((*parse_http("GET / HTTP/1.1\r\nConnection: Close\r\n\r\n"))->request.keep_alive);
}

TEST(Http, RefusesWhatIsNoRequest) {
  for (const char* text : {"\r\n\r\n", "GET\r\n\r\n", "GET /\r\n\r\n", "GET x HTTP/1.1\r\n\r\n",
                           "GET / SMTP/1.1\r\n\r\n", " / HTTP/1.1\r\n\r\n",
                           "GET / HTTP/1.1\r\nnonsense\r\n\r\n", "GET / HTTP/1.1\r\n: x\r\n\r\n"}) {
    const auto parsed = parse_http(text);
    ASSERT_FALSE(parsed) << text;
    EXPECT_EQ(parsed.error().code(), Errc::invalid_request) << text;
  }
}

TEST(Http, RefusesABodySinceItWouldBeTakenForTheNextRequest) {
  EXPECT_FALSE(parse_http("POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\n"));
  EXPECT_FALSE(parse_http("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"));
  EXPECT_TRUE(parse_http("GET / HTTP/1.1\r\nContent-Length: 0\r\n\r\n"));
}

TEST(Http, RefusesARequestThatDoesNotEnd) {
  const auto parsed = parse_http("GET /" + std::string(kMaxHttpRequest, 'a'));
  ASSERT_FALSE(parsed);
  EXPECT_EQ(parsed.error().code(), Errc::frame_too_large);
}

TEST(Http, RendersLengthAndLeavesTheBodyOutOfAHead) {
  const HttpResponse response{.status = 503, .body = "abc"};
  const std::string full = render_http(response, true, false);
  EXPECT_EQ(full.find("HTTP/1.1 503 Service Unavailable\r\n"), 0u);
  EXPECT_NE(full.find("Content-Length: 3\r\n"), std::string::npos);
  EXPECT_TRUE(full.ends_with("\r\n\r\nabc"));
  EXPECT_TRUE(render_http(response, true, true).ends_with("\r\n\r\n"));
}

}  // namespace
}  // namespace sluice::broker
