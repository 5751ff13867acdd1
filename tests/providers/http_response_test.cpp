#include "providers/common/http_response.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace rollcall::test {
namespace {

using ::testing::HasSubstr;

struct Parsed {
  Result<void> result;
  HttpResponse response;
  bool reusable = false;
};

// Feeds `text` in pieces of `piece` bytes, then the end of the stream.
Parsed parse(std::string_view text, std::size_t piece, std::size_t max_body = 1000) {
  HttpResponseParser parser(max_body);
  while (!text.empty() && !parser.complete()) {
    auto used = parser.feed(text.substr(0, piece));
    if (!used) return {tl::unexpected(used.error()), {}, false};
    text.remove_prefix(*used);
  }
  Result<void> result;
  if (!parser.complete()) result = parser.end_of_stream();
  const bool reusable = parser.reusable();
  return {result, std::move(parser.response()), reusable};
}

TEST(HttpResponseParser, ReadsAnswersInPiecesOfAnySize) {
  const struct {
    const char* text;
    int status;
    const char* body;
    bool reusable;
  } cases[] = {
      {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", 200, "hello", true},
      {"HTTP/1.1 200\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", 200, "", false},
      {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;x=y\r\nhello\r\nA\r\n0123456789\r\n0"
       "\r\nT: 1\r\n\r\n",
       200, "hello0123456789", true},
      {"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 403 No\r\nContent-Length: 1\r\n\r\nx", 403, "x",
       true},
      {"HTTP/1.1 204 Nothing\r\n\r\n", 204, "", true},
      {"HTTP/1.0 200 OK\r\n\r\nuntil the end", 200, "until the end", false},
  };
  for (const auto& c : cases) {
    for (std::size_t piece : {1u, 2u, 3u, 7u, 1000u}) {
      SCOPED_TRACE(std::string(c.text) + " in " + std::to_string(piece));
      const Parsed parsed = parse(c.text, piece);
      ASSERT_TRUE(parsed.result.has_value()) << parsed.result.error().message;
      EXPECT_EQ(parsed.response.status, c.status);
      EXPECT_EQ(parsed.response.body, c.body);
      EXPECT_EQ(parsed.reusable, c.reusable);
    }
  }
}

TEST(HttpResponseParser, HeaderNamesAreFoundInAnyCase) {
  const Parsed parsed =
      parse("HTTP/1.1 200 OK\r\nX-Consul-KNOWNLEADER: \t true \r\nContent-Length: 0\r\n\r\n", 1000);
  ASSERT_NE(parsed.response.header("x-consul-knownleader"), nullptr);
  EXPECT_EQ(*parsed.response.header("x-consul-knownleader"), "true");
  EXPECT_EQ(parsed.response.header("x-other"), nullptr);
}

TEST(HttpResponseParser, RefusesWhatCouldBeMisread) {
  const char* heads[] = {
      "hello\r\n",
      "HTTP/2 200\r\n\r\n",
      "HTTP/1.1 2x0 OK\r\n\r\n",
      "HTTP/1.1 999 OK\r\n\r\n",
      "HTTP/1.1 101 Switch\r\n\r\n",
      "HTTP/1.1 200 OK\n\n",
      "HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
      "HTTP/1.1 200 OK\r\n folded: x\r\n\r\n",
      "HTTP/1.1 200 OK\r\nA : x\r\n\r\n",
      "HTTP/1.1 200 OK\r\nA: x\x01y\r\n\r\n",
      "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
      "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
      "HTTP/1.1 200 OK\r\nContent-Length: 1, 1\r\n\r\n",
      "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
      "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 1\r\n\r\n",
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n",
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFFF\r\n",
      "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell",
      "HTTP/1.1 200 OK\r\nContent-Le",
  };
  for (const char* text : heads) {
    for (std::size_t piece : {1u, 1000u}) {
      const Parsed parsed = parse(text, piece);
      ASSERT_FALSE(parsed.result.has_value()) << text;
      EXPECT_EQ(parsed.result.error().code, ErrorCode::MalformedResponse) << text;
    }
  }
}

TEST(HttpResponseParser, EverythingIsBounded) {
  std::string many = "HTTP/1.1 200 OK\r\n";
  for (std::size_t i = 0; i <= limits::kMaxHttpHeaders; ++i) many += "A: b\r\n";
  std::string endless_informational;
  for (int i = 0; i < 100; ++i) endless_informational += "HTTP/1.1 100 C\r\n\r\n";
  const struct {
    const char* name;
    std::string text;
    ErrorCode code;
  } cases[] = {
      {"one header line", "HTTP/1.1 200 OK\r\nA: " + std::string(1 << 20, 'x'),
       ErrorCode::LimitExceeded},
      {"many headers", many, ErrorCode::LimitExceeded},
      {"a declared body", "HTTP/1.1 200 OK\r\nContent-Length: 1001\r\n\r\n",
       ErrorCode::LimitExceeded},
      {"chunks",
       "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3E9\r\n" + std::string(1001, 'x'),
       ErrorCode::LimitExceeded},
      {"until close", "HTTP/1.1 200 OK\r\n\r\n" + std::string(1001, 'x'), ErrorCode::LimitExceeded},
      {"chunk head",
       "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;" + std::string(1000, 'x'),
       ErrorCode::LimitExceeded},
      {"trailers",
       "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n" + std::string(1 << 20, 'x'),
       ErrorCode::LimitExceeded},
      {"informational answers", endless_informational, ErrorCode::MalformedResponse},
  };
  for (const auto& c : cases) {
    SCOPED_TRACE(c.name);
    const Parsed parsed = parse(c.text, 100);
    ASSERT_FALSE(parsed.result.has_value());
    EXPECT_EQ(parsed.result.error().code, c.code);
  }
}

}  // namespace
}  // namespace rollcall::test
