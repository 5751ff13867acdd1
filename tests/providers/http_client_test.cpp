// HttpClient against a server that misbehaves: every call ends by its deadline or when cancelled,
// and holds no more than its limits.
#include "providers/common/http_client.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>
#include <thread>

#include "tests/backends/environment.h"
#include "tests/providers/provider_support.h"
#include "tests/providers/scripted_server.h"

namespace rollcall::test {
namespace {

using ::testing::HasSubstr;
using Connection = ScriptedServer::Connection;

class HttpClientTest : public ::testing::Test {
 protected:
  HttpClient client_of(const std::string& url) {
    return HttpClient(*parse_endpoint(url, 80), "", io_);
  }
  HttpRequest request(Duration answer = kPatience, Duration finish = kPatience) const {
    HttpRequest request;
    request.target = "/v1/x?y=1";
    request.headers = {{"X-Consul-Token", "secret-token"}};
    request.answer_by = clock_.now() + answer;
    request.finish_by = clock_.now() + finish;
    return request;
  }

  RealClock clock_;
  Cancel cancel_;
  Io io_{clock_, cancel_};
};

TEST_F(HttpClientTest, OneConnectionCarriesAllRequests) {
  std::promise<std::string> head;
  ScriptedServer server([&](Connection& c, const std::string& h) {
    if (server.requests() == 1) head.set_value(h);
    return c.send(http_ok("[1]"));
  });
  HttpClient client = client_of(server.url());
  for (int i = 0; i < 3; ++i) {
    const auto answer = client.get(request(), nullptr);
    ASSERT_TRUE(answer.has_value()) << answer.error().message;
    EXPECT_EQ(answer->response.status, 200);
    EXPECT_EQ(answer->response.body, "[1]");
    EXPECT_LE(answer->times.read_began, answer->times.complete);
  }
  EXPECT_EQ(server.connections(), 1u);
  const std::string sent = head.get_future().get();
  EXPECT_THAT(sent, HasSubstr("GET /v1/x?y=1 HTTP/1.1\r\n"));
  EXPECT_THAT(sent, HasSubstr("Host: 127.0.0.1:" + std::to_string(server.port()) + "\r\n"));
  EXPECT_THAT(sent, HasSubstr("X-Consul-Token: secret-token\r\n"));
}

TEST_F(HttpClientTest, SpeaksIPv6AndUnixSockets) {
  const auto handler = [](Connection& c, const std::string&) { return c.send(http_ok("x")); };
  TempDir directory;
  ScriptedServer v6(handler, ScriptedServer::Family::V6);
  ScriptedServer local(handler, ScriptedServer::Family::Unix, (directory / "s").string());
  for (const std::string& url : {v6.url(), local.url()}) {
    HttpClient client = client_of(url);
    const auto answer = client.get(request(), nullptr);
    ASSERT_TRUE(answer.has_value()) << url << answer.error().message;
  }
}

TEST_F(HttpClientTest, AConnectionClosedWhileIdleIsOpenedAgainOnce) {
  ScriptedServer server([](Connection& c, const std::string&) {
    c.send(http_ok("x"));
    return false;  // closes although it promised to keep the connection
  });
  HttpClient client = client_of(server.url());
  ASSERT_TRUE(client.get(request(), nullptr).has_value());
  ASSERT_TRUE(client.get(request(), nullptr).has_value());
  EXPECT_EQ(server.connections(), 2u);
  // Unless the question is about a state that the peer may have lost in the meantime.
  HttpRequest once = request();
  once.resend_if_closed = false;
  const auto answer = client.get(once, nullptr);
  ASSERT_FALSE(answer.has_value());
  EXPECT_EQ(answer.error().code, ErrorCode::BackendUnavailable);
}

TEST_F(HttpClientTest, RedirectsAreNotFollowed) {
  ScriptedServer server([](Connection& c, const std::string&) {
    return c.send(
        "HTTP/1.1 301 Moved\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n");
  });
  HttpClient client = client_of(server.url());
  const auto answer = client.get(request(), nullptr);
  ASSERT_TRUE(answer.has_value());
  EXPECT_EQ(answer->response.status, 301);
  EXPECT_EQ(server.requests(), 1u);
}

TEST_F(HttpClientTest, RefusalIsUnavailable) {
  const auto ports = free_ports(1);
  ASSERT_EQ(ports.size(), 1u);
  HttpClient client = client_of("127.0.0.1:" + std::to_string(ports[0]));
  const auto answer = client.get(request(), nullptr);
  ASSERT_FALSE(answer.has_value());
  EXPECT_EQ(answer.error().code, ErrorCode::BackendUnavailable);
}

struct Hostile {
  const char* name;
  ScriptedServer::Handler handler;
  ErrorCode code;
};

std::vector<Hostile> hostile_servers() {
  const auto forever = [](Connection& c, std::string_view piece) {
    while (c.send(piece)) continue;
    return false;
  };
  const auto drip = [](Connection& c, std::string_view piece) {
    while (c.send(piece) && c.linger(5)) continue;
    return false;
  };
  const std::string kilobyte(1024, 'x');
  return {
      {"silence", [](Connection& c, const std::string&) { return c.linger(); }, ErrorCode::Timeout},
      {"a dripping status line",
       [=](Connection& c, const std::string&) { return c.send("HTTP/1.1") && drip(c, " "); },
       ErrorCode::Timeout},
      {"a dripping body",
       [=](Connection& c, const std::string&) {
         return c.send("HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n\r\n") && drip(c, "x");
       },
       ErrorCode::Timeout},
      {"a never-ending header",
       [=](Connection& c, const std::string&) {
         return c.send("HTTP/1.1 200 OK\r\nA: ") && forever(c, kilobyte);
       },
       ErrorCode::LimitExceeded},
      {"never-ending headers",
       [=](Connection& c, const std::string&) {
         return c.send("HTTP/1.1 200 OK\r\n") && forever(c, "A: b\r\n");
       },
       ErrorCode::LimitExceeded},
      {"64 MiB and a byte, declared",
       [=](Connection& c, const std::string&) {
         return c.send("HTTP/1.1 200 OK\r\nContent-Length: 67108865\r\n\r\n") &&
                forever(c, kilobyte);
       },
       ErrorCode::LimitExceeded},
      {"never-ending chunks",
       [=](Connection& c, const std::string&) {
         return c.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n") &&
                forever(c, "100000\r\n" + std::string(1 << 20, 'x') + "\r\n");
       },
       ErrorCode::LimitExceeded},
      {"cut in the middle",
       [](Connection& c, const std::string&) {
         c.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf");
         return false;
       },
       ErrorCode::MalformedResponse},
      {"not HTTP", [](Connection& c, const std::string&) { return c.send("SSH-2.0-x\r\n"); },
       ErrorCode::MalformedResponse},
      {"closed without a word", [](Connection&, const std::string&) { return false; },
       ErrorCode::BackendUnavailable},
  };
}

TEST_F(HttpClientTest, HostileServersEndInAStructuredError) {
  for (const Hostile& hostile : hostile_servers()) {
    SCOPED_TRACE(hostile.name);
    ScriptedServer server(hostile.handler);
    HttpClient client = client_of(server.url());
    const bool by_time = hostile.code == ErrorCode::Timeout;
    const Duration patience = by_time ? Duration(std::chrono::milliseconds(100)) : kPatience;
    const auto answer = client.get(request(patience, patience), nullptr);
    ASSERT_FALSE(answer.has_value());
    EXPECT_EQ(answer.error().code, hostile.code) << answer.error().message;
    EXPECT_THAT(answer.error().message, ::testing::Not(HasSubstr("secret-token")));
    EXPECT_FALSE(client.connected());
  }
}

TEST_F(HttpClientTest, SurplusBytesAreNotTakenForTheNextAnswer) {
  ScriptedServer server([](Connection& c, const std::string&) {
    return c.send(http_ok("first") + http_ok("smuggled"));
  });
  HttpClient client = client_of(server.url());
  for (int i = 0; i < 2; ++i) {
    const auto answer = client.get(request(), nullptr);
    ASSERT_TRUE(answer.has_value());
    EXPECT_EQ(answer->response.body, "first");
  }
}

TEST_F(HttpClientTest, CancelEndsAWaitFromAnotherThread) {
  std::promise<void> asked;
  ScriptedServer server([&](Connection& c, const std::string&) {
    asked.set_value();
    return c.linger();
  });
  HttpClient client = client_of(server.url());
  std::thread other([&] {
    asked.get_future().wait();
    cancel_.cancel();
  });
  const auto answer = client.get(request(), nullptr);
  other.join();
  ASSERT_FALSE(answer.has_value());
  EXPECT_EQ(answer.error().code, ErrorCode::ShuttingDown);
}

TEST(PercentEncoded, LeavesOnlyUnreservedCharacters) {
  EXPECT_EQ(percent_encoded("aZ9-._~"), "aZ9-._~");
  EXPECT_EQ(percent_encoded("a b/ä\"&=\r\n"), "a%20b%2F%C3%A4%22%26%3D%0D%0A");
}

}  // namespace
}  // namespace rollcall::test
