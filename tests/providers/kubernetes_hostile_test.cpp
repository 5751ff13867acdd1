// The Kubernetes provider against a server that behaves as a real one can't be made to: watches
// that are cut or full of garbage, 410 in all its forms, lists that are none.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/providers/kubernetes_hostile_fixture.h"

namespace rollcall::test {
namespace {

using ::testing::HasSubstr;
using Connection = ScriptedServer::Connection;

TEST_F(KubernetesHostile, AListThenAWatchFromItsVersion) {
  StreamReader stream(create()->stream());
  EXPECT_EQ(to_text(stream.next()), "snapshot[a]");
  until(stream, "unchanged");
  const std::string watch = api_.last_watch();
  EXPECT_THAT(watch, HasSubstr("labelSelector=kubernetes.io%2Fservice-name%3Dweb&"));
  EXPECT_THAT(watch, HasSubstr("&resourceVersion=10&"));
  EXPECT_THAT(watch, HasSubstr("&allowWatchBookmarks=true&"));
  const auto at = watch.find("timeoutSeconds=");
  ASSERT_NE(at, std::string::npos);
  const int seconds = std::atoi(watch.c_str() + at + 15);
  EXPECT_GE(seconds, 300);
  EXPECT_LE(seconds, 600);
}

TEST_F(KubernetesHostile, ChangesThatComeTogetherAreOneAnswer) {
  std::string events;
  for (int i = 11; i < 40; ++i) {
    events += event_text("MODIFIED", slice_of(std::to_string(i), {"a", "p" + std::to_string(i)}));
  }
  api_.watch_says(events + event_text("MODIFIED", slice_of("40", {"b"})));
  StreamReader stream(create()->stream());
  EXPECT_EQ(to_text(stream.next()), "snapshot[a]");
  EXPECT_EQ(news(stream), "change[+b -a]");
}

TEST_F(KubernetesHostile, APagedListThatIsGoneHalfwayIsBegunAnew) {
  std::atomic<int> pages{0};
  api_.on_list([&](Connection& c, const std::string& head) {
    const int page = pages++;
    if (head.find("continue=") == std::string::npos) {
      return c.send(http_ok(page_text(page == 0 ? "10" : "12", {slice_of("9", {"a"})}, "next")));
    }
    if (page == 1) return c.send(http_status("410 Gone", R"({"reason":"Expired","code":410})"));
    return c.send(http_ok(page_text("12", {slice_of("11", {"b"}, "s2")})));
  });
  api_.on_head([](Connection& c, const std::string&) {
    return c.send(http_ok(page_text("12", {slice_of("9", {"a"})}, "more")));
  });
  StreamReader stream(create()->stream());
  EXPECT_EQ(to_text(stream.next()), "snapshot[a b]");
}

TEST_F(KubernetesHostile, APagedListThatIsAlwaysGoneIsAFailureAndNoPart) {
  api_.on_list([&](Connection& c, const std::string& head) {
    if (head.find("continue=") != std::string::npos) {
      return c.send(http_status("410 Gone", R"({"reason":"Expired","code":410})"));
    }
    return c.send(http_ok(page_text("10", {slice_of("9", {"a"})}, "next")));
  });
  StreamReader stream(create()->stream());
  EXPECT_EQ(failure(stream), ErrorCode::BackendUnavailable);
  // Pages of different moments make no list either.
  std::atomic<int> version{100};
  api_.on_list([&](Connection& c, const std::string&) {
    return c.send(http_ok(page_text(std::to_string(version++), {slice_of("9", {"a"})}, "next")));
  });
  EXPECT_EQ(failure(stream), ErrorCode::BackendUnavailable);
}

TEST_F(KubernetesHostile, GoneInEitherFormIsListedAnewWithoutAFailure) {
  const std::pair<const char*, FakeApi::Handler> forms[] = {
      {"status",
       [](Connection& c, const std::string&) {
         return c.send(http_status("410 Gone", R"({"reason":"Gone","code":410})"));
       }},
      {"in the stream", [](Connection& c, const std::string&) {
         return c.send(kWatchHead + chunk_text(error_event_text(410, "Expired")) + "0\r\n\r\n");
       }}};
  for (const auto& [name, gone] : forms) {
    SCOPED_TRACE(name);
    api_.state("10", {slice_of("9", {"a"})});
    std::atomic<bool> once{false};
    api_.on_watch([&, gone = gone](Connection& c, const std::string& head) {
      if (once.exchange(true)) {
        c.send(kWatchHead);
        return c.linger();
      }
      api_.state("20", {slice_of("19", {"b"})});
      return gone(c, head);
    });
    StreamReader stream(create()->stream());
    EXPECT_EQ(to_text(stream.next()), "snapshot[a]");
    EXPECT_EQ(news(stream), "snapshot[b]");
    stream.stop();
  }
}

TEST_F(KubernetesHostile, AWatchThatIsAlwaysGoneIsNotABusyLoop) {
  api_.on_watch([](Connection& c, const std::string&) {
    return c.send(http_status("410 Gone", R"({"reason":"Gone","code":410})"));
  });
  StreamReader stream(create()->stream());
  const MonoTime began = clock_.now();
  for (int i = 0; i < 5; ++i) stream.next();
  EXPECT_GE(clock_.now() - began, Duration(std::chrono::milliseconds(1500)));
}

TEST_F(KubernetesHostile, AWatchClosedAtOnceIsAFailure) {
  api_.on_watch([](Connection& c, const std::string&) {
    return c.send(std::string(kWatchHead) + "0\r\n\r\n");
  });
  StreamReader stream(create()->stream());
  EXPECT_EQ(to_text(stream.next()), "snapshot[a]");
  EXPECT_EQ(failure(stream), ErrorCode::BackendUnavailable);
  api_.watch_says("");
  EXPECT_EQ(first_that_is_no_failure(stream), "unchanged");
}

TEST_F(KubernetesHostile, AWatchThatEndsIsOpenedAgainWhereItWas) {
  std::atomic<int> turn{0};
  api_.on_watch([&](Connection& c, const std::string&) {
    c.send(kWatchHead);
    if (turn++ > 0) return c.linger();
    api_.state("31", {slice_of("30", {"a", "b"})});
    c.send(chunk_text(event_text("MODIFIED", slice_of("30", {"a", "b"}))));
    return c.send(chunk_text(bookmark_text("31")) + "0\r\n\r\n");
  });
  StreamReader stream(create()->stream());
  EXPECT_EQ(to_text(stream.next()), "snapshot[a]");
  EXPECT_EQ(news(stream), "change[+b]");
  EXPECT_TRUE(comes_to([&] { return api_.watches(); }, 2));
  EXPECT_THAT(api_.last_watch(), HasSubstr("&resourceVersion=31&"));
  EXPECT_EQ(api_.lists(), 1u);  // and not listed again
  until(stream, "unchanged");
}

TEST_F(KubernetesHostile, GarbageIsAFailureAndTheViewIsListedAnew) {
  const struct {
    const char* name;
    std::string body;
    ErrorCode code;
  } cases[] = {
      {"not JSON", chunk_text("<html>\n"), ErrorCode::MalformedResponse},
      {"no chunk", "zzz\r\n", ErrorCode::MalformedResponse},
      {"unknown event", chunk_text(event_text("RENAMED", "{}")), ErrorCode::MalformedResponse},
      {"a slice that isn't one", chunk_text(event_text("ADDED", "[]")),
       ErrorCode::MalformedResponse},
      {"a slice of another form",
       chunk_text(event_text("ADDED", R"({"metadata":{"name":"x","resourceVersion":"11"},)"
                                      R"("addressType":"IPv4","endpoints":7})")),
       ErrorCode::MalformedResponse},
      {"200 levels", chunk_text(std::string(200, '[') + std::string(200, ']') + "\n"),
       ErrorCode::MalformedResponse},
      {"two members with one id",
       chunk_text(event_text(
           "MODIFIED",
           R"({"metadata":{"name":"s1","resourceVersion":"11"},"addressType":"IPv4","ports":null,)"
           R"("endpoints":[{"addresses":["10.0.0.1"],"targetRef":{"kind":"Pod","namespace":"x",)"
           R"("name":"a"}},{"addresses":["10.0.0.1"],"targetRef":{"kind":"Pod","namespace":"y",)"
           R"("name":"a"}}]})")),
       ErrorCode::MalformedResponse},
      {"an error", chunk_text(error_event_text(500, "InternalError")),
       ErrorCode::BackendUnavailable},
      {"a line without end", chunk_text(std::string(9 << 20, 'x')), ErrorCode::LimitExceeded},
  };
  StreamReader stream(create()->stream());
  EXPECT_EQ(to_text(stream.next()), "snapshot[a]");
  for (const auto& hostile : cases) {
    SCOPED_TRACE(hostile.name);
    const auto watches = api_.watches();
    api_.on_head([](Connection& c, const std::string&) {
      return c.send(http_status("503 Service Unavailable"));
    });
    const std::string busy = "failed BACKEND_UNAVAILABLE: " + api_.url() + ": HTTP 503: ";
    clock_.jump(std::chrono::seconds(2));  // lists and watches are not opened in a busy loop
    until(stream, busy);
    api_.on_watch([&](Connection& c, const std::string&) {
      c.send(kWatchHead + hostile.body);
      c.linger();
      return false;
    });
    // The event after the next began after this: whatever watch is opened then is the hostile one.
    EXPECT_TRUE(std::holds_alternative<FailedAnswer>(stream.next()));
    stream.next();
    api_.state("10", {slice_of("9", {"a"})});
    clock_.jump(std::chrono::seconds(2));
    const ProviderEvent failed = stream.until([&](const ProviderEvent& e) {
      const auto* f = std::get_if<FailedAnswer>(&e);
      return f != nullptr && f->detail.find("503") == std::string::npos;
    });
    const auto* failure = std::get_if<FailedAnswer>(&failed);
    ASSERT_NE(failure, nullptr) << to_text(failed);
    EXPECT_EQ(failure->code, hostile.code) << failure->detail;
    EXPECT_LE(failure->detail.size(), 512u);
    EXPECT_GT(api_.watches(), watches);
    api_.watch_says("");
    // Afterwards the members are what they were: confirmed, nothing told anew.
    until(stream, "unchanged");
  }
}

TEST_F(KubernetesHostile, BadListsAreStructuredErrors) {
  const std::pair<std::string, ErrorCode> cases[] = {
      {http_ok("<html>"), ErrorCode::MalformedResponse},
      {http_ok(page_text("10", {"{}"})), ErrorCode::MalformedResponse},
      {http_ok(page_text("10", {slice_of("9", {"a"})}).substr(0, 80)),
       ErrorCode::MalformedResponse},
      {http_ok(R"({"metadata":{},"items":[]})"), ErrorCode::MalformedResponse},
      {http_status("301 Moved", "elsewhere"), ErrorCode::MalformedResponse},
      {http_status("404 Not Found", "404 page not found"), ErrorCode::CapabilityMissing},
      {http_status("429 Too Many Requests", "later"), ErrorCode::BackendUnavailable},
      {http_status("500 Oops", "oops"), ErrorCode::BackendUnavailable},
      {"HTTP/1.1 200 OK\r\nContent-Length: 67108865\r\n\r\n", ErrorCode::LimitExceeded}};
  for (const auto& [answer, code] : cases) {
    api_.on_list([text = answer](Connection& c, const std::string&) { return c.send(text); });
    StreamReader stream(create()->stream());
    EXPECT_EQ(failure(stream), code) << answer;
  }
}

TEST_F(KubernetesHostile, R1_3_AServerWithoutTheGroupLacksACapability) {
  api_.on_list([](Connection& c, const std::string&) {
    return c.send(http_status("404 Not Found", "404 page not found"));
  });
  const auto checked = create()->check_connectivity(clock_.now() + std::chrono::seconds(20));
  ASSERT_TRUE(checked.has_value()) << checked.error().message;
  EXPECT_FALSE(checked->watch);
  EXPECT_THAT(checked->missing, HasSubstr("1.21"));
}

TEST_F(KubernetesHostile, R1_4_ListingWithoutWatchingIsNotEnough) {
  api_.on_watch([](Connection& c, const std::string&) {
    return c.send(http_status("403 Forbidden", R"({"message":"cannot watch"})"));
  });
  const auto checked = create()->check_connectivity(clock_.now() + std::chrono::seconds(20));
  ASSERT_FALSE(checked.has_value());
  EXPECT_EQ(checked.error().code, ErrorCode::PermissionDenied);
}

}  // namespace
}  // namespace rollcall::test
