// HttpStream against a server that misbehaves: pieces come when they come, every read ends by its
// deadline or when cancelled, and no more than a piece is held.
#include "providers/common/http_stream.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <thread>

#include "tests/backends/environment.h"
#include "tests/providers/provider_support.h"
#include "tests/providers/scripted_server.h"

namespace rollcall::test {
namespace {

using ::testing::HasSubstr;
using Connection = ScriptedServer::Connection;

constexpr const char* kChunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
constexpr std::chrono::milliseconds kShort{50};

std::string chunk(std::string_view text) {
  char size[32];
  std::snprintf(size, sizeof size, "%zx\r\n", text.size());
  return size + std::string(text) + "\r\n";
}

class HttpStreamTest : public ::testing::Test {
 protected:
  HttpStream stream_of(const std::string& url) {
    return HttpStream(*parse_endpoint(url, 80), "", io_);
  }
  HttpRequest request(Duration patience = kPatience) const {
    HttpRequest request;
    request.target = "/watch";
    request.answer_by = clock_.now() + patience;
    request.finish_by = clock_.now() + patience;
    return request;
  }
  MonoTime in(Duration d) const { return clock_.now() + d; }
  // Reads until `text` is there.
  static bool until(HttpStream& stream, std::string& got, std::string_view text, MonoTime by) {
    while (got.find(text) == std::string::npos) {
      const auto size = stream.read(got, by);
      if (!size || *size == 0) return false;
    }
    return true;
  }

  RealClock clock_;
  Cancel cancel_;
  Io io_{clock_, cancel_};
};

TEST_F(HttpStreamTest, PiecesAreReadAsTheyComeAndTheEndIsSeen) {
  std::promise<void> go_on;
  auto wait = go_on.get_future();
  ScriptedServer server([&](Connection& c, const std::string&) {
    c.send(kChunked + chunk("one\n"));
    wait.wait();
    c.send(chunk("two\n") + "0\r\n\r\n");
    return true;
  });
  HttpStream stream = stream_of(server.url());
  const auto head = stream.open(request(), nullptr);
  ASSERT_TRUE(head.has_value()) << head.error().message;
  EXPECT_EQ(head->status, 200);
  std::string got;
  ASSERT_TRUE(until(stream, got, "one\n", in(kPatience)));
  const auto nothing = stream.read(got, in(kShort));
  ASSERT_FALSE(nothing.has_value());
  EXPECT_EQ(nothing.error().code, ErrorCode::Timeout);
  EXPECT_TRUE(stream.is_open());  // silence is no end
  go_on.set_value();
  ASSERT_TRUE(until(stream, got, "two\n", in(kPatience)));
  EXPECT_EQ(got, "one\ntwo\n");
  const auto end = stream.read(got, in(kPatience));
  ASSERT_TRUE(end.has_value()) << end.error().message;
  EXPECT_EQ(*end, 0u);
  EXPECT_FALSE(stream.is_open());
}

TEST_F(HttpStreamTest, AnAnswerThatIsNoStreamIsReadWhole) {
  ScriptedServer server([](Connection& c, const std::string&) {
    return c.send(http_status("410 Gone", "{\"code\":410}"));
  });
  HttpStream stream = stream_of(server.url());
  const auto head = stream.open(request(), nullptr);
  ASSERT_TRUE(head.has_value()) << head.error().message;
  EXPECT_EQ(head->status, 410);
  EXPECT_EQ(head->body, "{\"code\":410}");
  EXPECT_FALSE(stream.is_open());
  std::string got;
  EXPECT_FALSE(stream.read(got, in(kShort)).has_value());
}

TEST_F(HttpStreamTest, ALostConnectionIsUnavailableAndGarbageIsMalformed) {
  const std::string head = kChunked;
  const std::vector<std::pair<std::string, ErrorCode>> cases = {
      {"10\r\nhalf", ErrorCode::BackendUnavailable},  // cut within a chunk
      {chunk("x"), ErrorCode::BackendUnavailable},    // and between chunks
      {"zzz\r\n", ErrorCode::MalformedResponse}};     // no chunk
  for (const auto& [body, code] : cases) {
    SCOPED_TRACE(body);
    ScriptedServer server([text = head + body](Connection& c, const std::string&) {
      c.send(text);
      return false;
    });
    HttpStream stream = stream_of(server.url());
    auto opened = stream.open(request(), nullptr);
    std::string got;
    auto end = opened ? stream.read(got, in(kPatience)) : tl::unexpected(opened.error());
    while (end && *end > 0) end = stream.read(got, in(kPatience));
    ASSERT_FALSE(end.has_value());
    EXPECT_EQ(end.error().code, code) << end.error().message;
    EXPECT_FALSE(stream.is_open());
  }
}

TEST_F(HttpStreamTest, OpeningEndsByItsDeadlineAndErrorBodiesAreBounded) {
  ScriptedServer silent([](Connection& c, const std::string&) { return c.linger(); });
  HttpStream stream = stream_of(silent.url());
  const auto timeout = stream.open(request(kShort), nullptr);
  ASSERT_FALSE(timeout.has_value());
  EXPECT_EQ(timeout.error().code, ErrorCode::Timeout);

  ScriptedServer endless([](Connection& c, const std::string&) {
    c.send("HTTP/1.1 500 No\r\nTransfer-Encoding: chunked\r\n\r\n");
    while (c.send(chunk(std::string(1 << 16, 'x')))) continue;
    return false;
  });
  HttpStream other = stream_of(endless.url());
  const auto limited = other.open(request(), nullptr);
  ASSERT_FALSE(limited.has_value());
  EXPECT_EQ(limited.error().code, ErrorCode::LimitExceeded);
  EXPECT_FALSE(other.is_open());
}

TEST_F(HttpStreamTest, AStreamMayBeLongerThanAnyAnswer) {
  // 80 MiB, above the 64 MiB of an answer, a piece at a time.
  constexpr std::size_t kPieces = 80;
  ScriptedServer server([](Connection& c, const std::string&) {
    bool there = c.send(kChunked);
    const std::string piece = chunk(std::string(1 << 20, 'x'));
    for (std::size_t i = 0; i < kPieces && there; ++i) there = c.send(piece);
    return there && c.send("0\r\n\r\n");
  });
  HttpStream stream = stream_of(server.url());
  ASSERT_TRUE(stream.open(request(), nullptr).has_value());
  std::size_t total = 0;
  std::size_t largest = 0;
  for (std::string got;; got.clear()) {
    const auto size = stream.read(got, in(kPatience));
    ASSERT_TRUE(size.has_value()) << size.error().message;
    if (*size == 0) break;
    total += *size;
    largest = std::max(largest, *size);
  }
  EXPECT_EQ(total, kPieces << 20);
  EXPECT_LE(largest, limits::kMaxHttpPieceBytes);
}

TEST_F(HttpStreamTest, CancelEndsAReadFromAnotherThread) {
  ScriptedServer server([](Connection& c, const std::string&) {
    c.send(kChunked);
    return c.linger();
  });
  HttpStream stream = stream_of(server.url());
  ASSERT_TRUE(stream.open(request(), nullptr).has_value());
  std::thread other([this] { cancel_.cancel(); });
  std::string got;
  const auto cancelled = stream.read(got, in(kPatience));
  other.join();
  ASSERT_FALSE(cancelled.has_value());
  EXPECT_EQ(cancelled.error().code, ErrorCode::ShuttingDown);
}

TEST_F(HttpStreamTest, AHeaderAcceptOfTheRequestTakesThePlaceOfTheDefault) {
  HttpRequest asks = request();
  const Endpoint endpoint = *parse_endpoint("http://127.0.0.1:1", 80);
  EXPECT_THAT(render_request(asks, endpoint), HasSubstr("Accept: application/json\r\n"));
  asks.headers = {{"Accept", "text/plain"}};
  const std::string text = render_request(asks, endpoint);
  EXPECT_THAT(text, HasSubstr("Accept: text/plain\r\n"));
  EXPECT_THAT(text, ::testing::Not(HasSubstr("application/json")));
}

}  // namespace
}  // namespace rollcall::test
