// The http provider against servers that behave as a real one can't be made to.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <future>

#include "core/limits.h"
#include "providers/http/http_provider.h"
#include "providers/http/limits.h"
#include "tests/backends/environment.h"
#include "tests/providers/provider_support.h"
#include "tests/providers/scripted_server.h"

namespace rollcall::test {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using Connection = ScriptedServer::Connection;

constexpr std::uint64_t kSeed = 7;

const std::string kOne = R"([{"targets":["a:1"]}])";
const std::string kTwo = R"([{"targets":["a:1","b:1"]}])";

std::string header_of(const std::string& head, const std::string& name) {
  const std::size_t at = head.find("\r\n" + name + ": ");
  if (at == std::string::npos) return "";
  const std::size_t value = at + name.size() + 4;
  return head.substr(value, head.find("\r\n", value) - value);
}

ErrorCode code_of(const ProviderEvent& event) {
  const auto* failed = std::get_if<FailedAnswer>(&event);
  EXPECT_NE(failed, nullptr) << to_text(event);
  return failed == nullptr ? ErrorCode::NotFound : failed->code;
}

class HttpSdHostile : public ::testing::Test {
 protected:
  std::unique_ptr<ClusterProvider> create(const std::vector<std::string>& urls,
                                          std::map<std::string, std::string> params = {},
                                          const std::string& token_file = "") {
    ProviderDescriptor d;
    d.id = ProviderId("sd");
    d.kind = "http";
    d.endpoints = urls;
    d.auth.token_file = token_file;
    d.watch_params = std::move(params);
    d.watch_params.try_emplace("refresh_ms", "50");
    auto provider = make_http_factory(kSeed)->create(d, {&clock_, nullptr, ""});
    EXPECT_TRUE(provider.has_value()) << (provider ? "" : provider.error().message);
    return provider ? std::move(*provider) : nullptr;
  }
  MonoTime in(Duration d) const { return clock_.now() + d; }

  RealClock clock_;
  TempDir directory_;
};

TEST_F(HttpSdHostile, TheQuestionSaysHowOftenItIsAskedAndWhatIsKnown) {
  std::promise<std::string> first;
  std::promise<std::string> second;
  std::promise<std::string> third;
  ScriptedServer server([&](Connection& c, const std::string& head) {
    switch (server.requests()) {
      case 1:
        first.set_value(head);
        return c.send(http_ok(kOne, "ETag: \"v1\"\r\n"));
      case 2:
        second.set_value(head);
        return c.send("HTTP/1.1 304 Not Modified\r\nETag: \"v1\"\r\n\r\n");
      case 3:
        third.set_value(head);
        return c.send(http_ok(kTwo, "ETag: \"v2\"\r\n"));
      default:
        return c.send("HTTP/1.1 304 Not Modified\r\n\r\n");
    }
  });
  StreamReader stream(create({server.url() + "/list?dc=1"}, {{"refresh_ms", "1500"}})->stream());
  EXPECT_EQ(to_text(stream.next()), "snapshot[a:1]");
  const std::string asked = first.get_future().get();
  EXPECT_THAT(asked, HasSubstr("GET /list?dc=1 HTTP/1.1\r\n"));
  EXPECT_EQ(header_of(asked, "X-Prometheus-Refresh-Interval-Seconds"), "1.5");
  EXPECT_EQ(header_of(asked, "Accept"), "application/json");
  EXPECT_EQ(header_of(asked, "If-None-Match"), "");
  EXPECT_EQ(header_of(asked, "Authorization"), "");
  EXPECT_EQ(to_text(stream.next()), "unchanged");
  EXPECT_EQ(header_of(second.get_future().get(), "If-None-Match"), "\"v1\"");
  const ProviderEvent changed = stream.next();
  EXPECT_EQ(to_text(changed), "snapshot[a:1 b:1]");
  EXPECT_EQ(std::get<ProviderSnapshot>(changed).backend_index, "\"v2\"");
  EXPECT_EQ(header_of(third.get_future().get(), "If-None-Match"), "\"v1\"");
  EXPECT_EQ(server.connections(), 1u);
}

TEST_F(HttpSdHostile, ReturningDoesNotMeanThatSomethingChanged) {
  ScriptedServer server([&](Connection& c, const std::string&) {
    // The same members in another order and with other spaces, and an ETag that changes.
    const bool odd = server.requests() % 2 == 1;
    return c.send(http_ok(odd ? kTwo : R"([ {"targets": ["b:1"]}, {"targets": ["a:1"]} ])",
                          "ETag: \"" + std::to_string(server.requests()) + "\"\r\n"));
  });
  StreamReader stream(create({server.url()})->stream());
  EXPECT_EQ(to_text(stream.next()), "snapshot[a:1 b:1]");
  EXPECT_EQ(to_text(stream.next()), "unchanged");
  EXPECT_EQ(to_text(stream.next()), "unchanged");
}

TEST_F(HttpSdHostile, AnETagThatIsNoneIsNotSentBack) {
  std::atomic<bool> changed{false};
  ScriptedServer server([&](Connection& c, const std::string& head) {
    if (!header_of(head, "If-None-Match").empty()) {
      return c.send("HTTP/1.1 304 Not Modified\r\n\r\n");
    }
    return c.send(http_ok(changed ? kTwo : kOne, "ETag: \"with a space\"\r\n"));
  });
  StreamReader stream(create({server.url()})->stream());
  EXPECT_EQ(to_text(stream.next()), "snapshot[a:1]");
  changed = true;
  EXPECT_EQ(to_text(stream.until([](const ProviderEvent& e) {
              return !std::holds_alternative<UnchangedAnswer>(e);
            })),
            "snapshot[a:1 b:1]");  // every answer is whole
}

TEST_F(HttpSdHostile, NotModifiedIsNotBelievedForEver) {
  std::atomic<bool> changed{false};
  ScriptedServer server([&](Connection& c, const std::string& head) {
    if (header_of(head, "If-None-Match") == "\"same\"") {
      return c.send("HTTP/1.1 304 Not Modified\r\n\r\n");
    }
    return c.send(http_ok(changed ? kTwo : kOne, "ETag: \"same\"\r\n"));
  });
  StreamReader stream(create({server.url()})->stream());
  EXPECT_EQ(to_text(stream.next()), "snapshot[a:1]");
  changed = true;
  for (int i = 0; i < limits::kHttpSdMaxNotModified; ++i) {
    EXPECT_EQ(to_text(stream.next()), "unchanged");
  }
  EXPECT_EQ(to_text(stream.next()), "snapshot[a:1 b:1]");
}

TEST_F(HttpSdHostile, AnETagIsOfOneUrlAndOfAListThatWasUnderstood) {
  std::atomic<bool> first_fails{false};
  std::atomic<int> conditional{0};
  ScriptedServer first([&](Connection& c, const std::string& head) {
    if (!header_of(head, "If-None-Match").empty()) ++conditional;
    // Not understood, and with an ETag of its own.
    return c.send(first_fails ? http_ok("{}", "ETag: \"bad\"\r\n")
                              : http_ok(kOne, "ETag: \"first\"\r\n"));
  });
  std::promise<std::string> asked;
  ScriptedServer second([&](Connection& c, const std::string& head) {
    if (second.requests() == 1) asked.set_value(head);
    return c.send(http_ok(kTwo));
  });
  StreamReader stream(create({first.url(), second.url()})->stream());
  EXPECT_EQ(to_text(stream.next()), "snapshot[a:1]");
  first_fails = true;
  const ProviderEvent event = stream.until(
      [](const ProviderEvent& e) { return !std::holds_alternative<UnchangedAnswer>(e); });
  EXPECT_EQ(to_text(event), "snapshot[a:1 b:1]");  // in the same round: no failure in between
  EXPECT_EQ(header_of(asked.get_future().get(), "If-None-Match"), "");
  EXPECT_THAT(std::get<ProviderSnapshot>(event).backend_index, HasSubstr("xxh64:"));
}

TEST_F(HttpSdHostile, ASilentUrlIsLeftForTheNextInTheSameRound) {
  std::atomic<bool> silent{false};
  ScriptedServer first([&](Connection& c, const std::string&) {
    return silent ? c.linger() : c.send(http_ok(kOne));
  });
  ScriptedServer second([](Connection& c, const std::string&) { return c.send(http_ok(kTwo)); });
  StreamReader stream(create({first.url(), second.url()}, {{"timeout_ms", "300"}})->stream());
  EXPECT_EQ(to_text(stream.next()), "snapshot[a:1]");
  silent = true;
  EXPECT_EQ(to_text(stream.until([](const ProviderEvent& e) {
              return !std::holds_alternative<UnchangedAnswer>(e);
            })),
            "snapshot[a:1 b:1]");
}

TEST_F(HttpSdHostile, ADripOrAHalfAnswerEndsByTheTimeout) {
  std::atomic<bool> drip{true};
  ScriptedServer server([&](Connection& c, const std::string&) {
    if (!drip) return c.send("HTTP/1.1 200 OK\r\n") && c.linger();
    std::string answer = http_ok(kOne);
    for (const char byte : answer) {
      if (!c.send(std::string(1, byte)) || !c.linger(50)) return false;
    }
    return true;
  });
  StreamReader stream(create({server.url()}, {{"timeout_ms", "300"}})->stream());
  EXPECT_EQ(code_of(stream.next()), ErrorCode::Timeout);
  drip = false;
  EXPECT_EQ(code_of(stream.next()), ErrorCode::Timeout);
}

TEST_F(HttpSdHostile, WhenAllUrlsFailTheMostSpecificCodeIsTold) {
  const auto dead = free_ports(1);
  ASSERT_EQ(dead.size(), 1u);
  const std::string dead_url = "http://127.0.0.1:" + std::to_string(dead[0]) + "/sd";
  ScriptedServer denying([](Connection& c, const std::string&) {
    return c.send(http_status("403 Forbidden", "not for you"));
  });
  StreamReader stream(create({dead_url, denying.url() + "/list?key=5ecret"})->stream());
  const ProviderEvent failed = stream.next();
  EXPECT_EQ(code_of(failed), ErrorCode::PermissionDenied);
  EXPECT_THAT(to_text(failed), HasSubstr(dead_url));
  EXPECT_THAT(to_text(failed), HasSubstr(denying.url() + "/list"));
  EXPECT_THAT(to_text(failed), HasSubstr("not for you"));
  EXPECT_THAT(to_text(failed), Not(HasSubstr("5ecret")));
}

TEST_F(HttpSdHostile, BadAnswersAreStructuredErrorsAndTheStreamGoesOn) {
  const struct {
    const char* name;
    std::string answer;
    ErrorCode code;
  } cases[] = {
      {"wrong types", http_ok(R"([{"targets":1}])"), ErrorCode::MalformedResponse},
      {"not JSON", http_ok("<html>"), ErrorCode::MalformedResponse},
      {"nothing", http_ok(""), ErrorCode::MalformedResponse},
      {"200 levels", http_ok(std::string(200, '[') + std::string(200, ']')),
       ErrorCode::MalformedResponse},
      {"invalid UTF-8", http_ok("[\"\xff\"]"), ErrorCode::MalformedResponse},
      {"one id twice", http_ok(R"([{"targets":["a:1","a:1"]}])"), ErrorCode::MalformedResponse},
      {"cut JSON", http_ok(kOne.substr(0, 10)), ErrorCode::MalformedResponse},
      {"cut body",
       "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n"
       "Content-Length: 100\r\n\r\n[",
       ErrorCode::MalformedResponse},
      {"compressed", http_ok(kOne, "Content-Encoding: gzip\r\n"), ErrorCode::MalformedResponse},
      {"not modified", "HTTP/1.1 304 Not Modified\r\n\r\n", ErrorCode::MalformedResponse},
      {"no content", "HTTP/1.1 204 No Content\r\n\r\n", ErrorCode::MalformedResponse},
      {"64 MiB and a byte",
       "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 67108865\r\n\r\n",
       ErrorCode::LimitExceeded},
      {"never-ending headers", "HTTP/1.1 200 OK\r\nA: " + std::string(1 << 20, 'x'),
       ErrorCode::LimitExceeded},
      {"stale", http_ok("[]", "X-Rollcall-Stale: true\r\n"), ErrorCode::BackendUnavailable},
  };
  std::atomic<int> turn{-1};
  ScriptedServer server([&](Connection& c, const std::string&) {
    const int now = turn;
    if (now < 0) return c.send(http_ok(kTwo));
    // Closed afterwards: what is cut must not wait for more until the time-out.
    (void)c.send(cases[static_cast<std::size_t>(now)].answer);
    return false;
  });
  StreamReader stream(create({server.url()})->stream());
  EXPECT_EQ(to_text(stream.next()), "snapshot[a:1 b:1]");
  for (std::size_t i = 0; i < std::size(cases); ++i) {
    SCOPED_TRACE(cases[i].name);
    turn = static_cast<int>(i);
    const ProviderEvent failed = stream.until([&](const ProviderEvent& e) {
      const auto* f = std::get_if<FailedAnswer>(&e);
      return f != nullptr && f->code == cases[i].code;
    });
    EXPECT_LE(std::get<FailedAnswer>(failed).detail.size(), 512u);
    turn = -1;
    // Afterwards the members are what they were: confirmed, nothing told anew.
    EXPECT_EQ(to_text(stream.until(
                  [](const ProviderEvent& e) { return !std::holds_alternative<FailedAnswer>(e); })),
              "unchanged");
  }
}

// SPEC 8: no secret in any error. Whoever answers may quote what it was sent, in whatever place.
TEST_F(HttpSdHostile, ATokenThatIsSentBackAppearsInNoError) {
  const std::string token = "5ecret00-1111-2222-3333-444455556666";
  const std::string path = (directory_ / "token").string();
  write_file(path, token + "\n");
  std::atomic<int> turn{0};
  ScriptedServer server([&](Connection& c, const std::string& head) {
    EXPECT_EQ(header_of(head, "Authorization"), "Bearer " + token);
    switch (turn) {
      case 0:
        return c.send(http_status("400 Bad Request", head));
      case 1:
        return c.send(http_ok("[{\"targets\":[\"" + token + "\"]}]"));
      default:
        return c.send(http_ok("[]", "Content-Type: " + token + "\r\n"));
    }
  });
  auto provider = create({server.url()}, {}, path);
  for (int i = 0; i < 3; ++i) {
    turn = i;
    const auto checked = provider->check_connectivity(in(std::chrono::seconds(20)));
    if (i < 2) {
      ASSERT_FALSE(checked.has_value());
      EXPECT_THAT(checked.error().message, Not(HasSubstr(token.substr(0, 8))));
    }
    StreamReader stream(provider->stream());
    EXPECT_THAT(to_text(stream.next()), Not(HasSubstr(token.substr(0, 8))));
  }
}

TEST_F(HttpSdHostile, R1_4_ConnectivityIsCheckedWithinItsDeadlineAtEveryUrl) {
  ScriptedServer silent([](Connection& c, const std::string&) { return c.linger(); });
  ScriptedServer good([](Connection& c, const std::string&) { return c.send(http_ok(kOne)); });
  const auto timeout =
      create({silent.url()})->check_connectivity(in(std::chrono::milliseconds(100)));
  ASSERT_FALSE(timeout.has_value());
  EXPECT_EQ(timeout.error().code, ErrorCode::Timeout);
  const auto fine =
      create({silent.url(), good.url()})->check_connectivity(in(std::chrono::seconds(5)));
  EXPECT_TRUE(fine.has_value());
}

TEST_F(HttpSdHostile, CancelEndsTheWaitForTheNextQuestionAndForAnAnswer) {
  std::atomic<bool> silent{false};
  ScriptedServer server([&](Connection& c, const std::string&) {
    return silent ? c.linger() : c.send(http_ok(kOne));
  });
  const std::map<std::string, std::string> slow = {{"refresh_ms", "3600000"},
                                                   {"timeout_ms", "60000"}};
  StreamReader waiting(create({server.url()}, slow)->stream());
  EXPECT_EQ(to_text(waiting.next()), "snapshot[a:1]");
  EXPECT_LT(waiting.stop(), Duration(std::chrono::seconds(5)));
  silent = true;
  StreamReader asking(create({server.url()}, slow)->stream());
  ASSERT_TRUE(eventually(kPatience, [&] { return server.requests() == 2; }));
  EXPECT_LT(asking.stop(), Duration(std::chrono::seconds(5)));
}

TEST_F(HttpSdHostile, AServerThatFailsIsNotAskedInABusyLoop) {
  ScriptedServer server(
      [](Connection& c, const std::string&) { return c.send(http_status("503 Busy")); });
  StreamReader stream(create({server.url()}, {{"refresh_ms", "10000"}})->stream());
  const MonoTime began = clock_.now();
  for (int i = 0; i < 4; ++i) stream.next();  // a burst of two, then one a second
  EXPECT_GE(clock_.now() - began, Duration(std::chrono::milliseconds(1900)));
}

}  // namespace
}  // namespace rollcall::test
