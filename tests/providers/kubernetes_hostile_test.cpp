// The Kubernetes provider against a server that behaves as a real one can't be made to: watches
// that are cut, stuck or full of garbage, 410 in all its forms, histories that go back.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <fstream>
#include <mutex>

#include "core/limits.h"
#include "providers/kubernetes/kubernetes_provider.h"
#include "tests/backends/environment.h"
#include "tests/providers/kubernetes_text.h"
#include "tests/providers/provider_support.h"
#include "tests/providers/scripted_server.h"

namespace rollcall::test {
namespace {

using ::testing::HasSubstr;
using Connection = ScriptedServer::Connection;

constexpr const char* kWatchHead = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";

std::string slice_of(const std::string& version, const std::vector<std::string>& pods,
                     const std::string& name = "s1") {
  SliceText slice;
  slice.name = name;
  slice.version = version;
  for (const std::string& pod : pods) slice.endpoints.push_back({pod, "10.0.0.1", "", ""});
  return slice_text(slice);
}

// A clock that can be made to jump.
class JumpingClock : public Clock {
 public:
  MonoTime now() const override { return real_.now() + Duration(jumped_.load()); }
  WallTime wall_now() const override { return real_.wall_now(); }
  void jump(Duration d) { jumped_ += d.count(); }

 private:
  RealClock real_;
  std::atomic<Duration::rep> jumped_{0};
};

// An API server with one answer for each kind of question; any of them can be replaced.
class FakeApi {
 public:
  using Handler = ScriptedServer::Handler;

  FakeApi() : server_([this](Connection& c, const std::string& head) { return answer(c, head); }) {}

  std::string url() const { return server_.url(); }
  std::size_t lists() const { return lists_; }
  std::size_t watches() const { return watches_; }
  std::string last_watch() {
    const std::lock_guard lock(mutex_);
    return last_watch_;
  }

  void on_identity(Handler h) { set(identity_, std::move(h)); }
  void on_list(Handler h) { set(list_, std::move(h)); }
  void on_head(Handler h) { set(head_, std::move(h)); }
  void on_watch(Handler h) { set(watch_, std::move(h)); }
  // Lists and heads of this version and these slices.
  void state(const std::string& version, const std::vector<std::string>& slices) {
    const auto page = [text = http_ok(page_text(version, slices))](
                          Connection& c, const std::string&) { return c.send(text); };
    on_list(page);
    std::vector<std::string> first(slices.begin(), slices.begin() + (slices.empty() ? 0 : 1));
    on_head([text = http_ok(page_text(version, first, slices.size() > 1 ? "more" : ""))](
                Connection& c, const std::string&) { return c.send(text); });
  }
  // A watch that says this and stays open.
  void watch_says(const std::string& events) {
    on_watch([events](Connection& c, const std::string&) {
      c.send(kWatchHead);
      if (!events.empty()) c.send(chunk_text(events));
      return c.linger();
    });
  }

 private:
  void set(Handler& which, Handler handler) {
    const std::lock_guard lock(mutex_);
    which = std::move(handler);
  }
  bool answer(Connection& c, const std::string& head) {
    Handler handler;
    {
      const std::lock_guard lock(mutex_);
      if (head.find("GET /api/v1/namespaces/kube-system ") != std::string::npos) {
        handler = identity_;
      } else if (head.find("watch=true") != std::string::npos) {
        ++watches_;
        last_watch_ = head;
        handler = watch_;
      } else if (head.find("limit=1 ") != std::string::npos) {
        handler = head_;
      } else {
        ++lists_;
        handler = list_;
      }
    }
    return handler(c, head);
  }

  std::mutex mutex_;  // guards the handlers and last_watch_
  Handler identity_ = [](Connection& c, const std::string&) {
    return c.send(http_status("403 Forbidden", "{}"));
  };
  Handler list_;
  Handler head_;
  Handler watch_;
  std::string last_watch_;
  std::atomic<std::size_t> lists_{0};
  std::atomic<std::size_t> watches_{0};
  ScriptedServer server_;  // last: its threads use the rest
};

class KubernetesHostile : public ::testing::Test {
 protected:
  void SetUp() override {
    api_.state("10", {slice_of("9", {"a"})});
    api_.watch_says("");
  }
  ProviderDescriptor descriptor(std::vector<std::string> endpoints = {}) {
    ProviderDescriptor d;
    d.id = ProviderId("k");
    d.kind = "kubernetes";
    d.endpoints = endpoints.empty() ? std::vector{api_.url()} : std::move(endpoints);
    d.watch_params = {{"service", "web"}, {"namespace", "default"}, {"attest_ms", "50"}};
    return d;
  }
  std::unique_ptr<ClusterProvider> create(const ProviderDescriptor& d) {
    auto provider = make_kubernetes_factory()->create(d, {&clock_, nullptr, ""});
    EXPECT_TRUE(provider.has_value()) << (provider ? "" : provider.error().message);
    return provider ? std::move(*provider) : nullptr;
  }
  std::unique_ptr<ClusterProvider> create() { return create(descriptor()); }
  static std::string news(StreamReader& stream) {
    return to_text(stream.until(
        [](const ProviderEvent& e) { return !std::holds_alternative<UnchangedAnswer>(e); }));
  }
  static ErrorCode failure(StreamReader& stream) {
    const ProviderEvent event = stream.until(
        [](const ProviderEvent& e) { return !std::holds_alternative<UnchangedAnswer>(e); });
    const auto* failed = std::get_if<FailedAnswer>(&event);
    EXPECT_NE(failed, nullptr) << to_text(event);
    return failed == nullptr ? ErrorCode::NotFound : failed->code;
  }
  static std::string first_that_is_no_failure(StreamReader& stream) {
    return to_text(stream.until(
        [](const ProviderEvent& e) { return !std::holds_alternative<FailedAnswer>(e); }));
  }
  static void until(StreamReader& stream, const std::string& wanted) {
    stream.until([&](const ProviderEvent& e) { return to_text(e) == wanted; });
  }

  JumpingClock clock_;
  FakeApi api_;
};

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

TEST_F(KubernetesHostile, AVersionThatFallsIsARollbackAndANewLineage) {
  auto provider = create();
  StreamReader stream(provider->stream());
  EXPECT_EQ(to_text(stream.next()), "snapshot[a]");
  until(stream, "unchanged");
  api_.state("7", {slice_of("5", {"b"})});  // the watch itself stays open, and silent
  EXPECT_EQ(failure(stream), ErrorCode::IndexRollback);
  const ProviderEvent fresh =
      stream.until([](const ProviderEvent& e) { return !std::holds_alternative<FailedAnswer>(e); });
  EXPECT_EQ(to_text(fresh), "snapshot[b]");
  EXPECT_EQ(std::get<SnapshotAnswer>(fresh).lineage, 1u);
  stream.stop();
  api_.state("3", {slice_of("2", {"b"})});  // while nobody watches
  StreamReader next(provider->stream());
  EXPECT_EQ(failure(next), ErrorCode::IndexRollback);
  const ProviderEvent again = next.next();
  ASSERT_EQ(to_text(again), "snapshot[b]");  // told again, though it looks the same
  EXPECT_EQ(std::get<SnapshotAnswer>(again).lineage, 2u);
}

TEST_F(KubernetesHostile, ASliceThatBecomesOlderIsARollback) {
  api_.state("10", {slice_of("9", {"a"}), slice_of("8", {"b"}, "s2")});
  StreamReader stream(create()->stream());
  EXPECT_EQ(to_text(stream.next()), "snapshot[a b]");
  until(stream, "unchanged");
  // From here on every new watch is gone at once, and leads to a list.
  api_.on_watch([](Connection& c, const std::string&) {
    return c.send(http_status("410 Gone", R"({"reason":"Gone","code":410})"));
  });
  const std::string s2 = slice_of("8", {"b"}, "s2");
  api_.state("11", {slice_of("7", {"c"}), s2});
  std::atomic<int> turn{0};
  api_.on_list([&](Connection& c, const std::string&) {
    const bool first = turn++ == 0;
    return c.send(http_ok(page_text(
        first ? "11" : "12", {slice_of("7", {"c"}), first ? s2 : slice_of("6", {"d"}, "s2")})));
  });
  EXPECT_EQ(failure(stream), ErrorCode::IndexRollback);  // seen in the small read
  const ProviderEvent fresh =
      stream.until([](const ProviderEvent& e) { return !std::holds_alternative<FailedAnswer>(e); });
  ASSERT_EQ(to_text(fresh), "snapshot[b c]");
  EXPECT_EQ(std::get<SnapshotAnswer>(fresh).lineage, 1u);
  EXPECT_EQ(failure(stream), ErrorCode::IndexRollback);  // seen in the list
  const ProviderEvent again =
      stream.until([](const ProviderEvent& e) { return !std::holds_alternative<FailedAnswer>(e); });
  ASSERT_EQ(to_text(again), "snapshot[c d]");
  EXPECT_EQ(std::get<SnapshotAnswer>(again).lineage, 2u);
}

TEST_F(KubernetesHostile, AnotherClusterIsARollbackWhateverItsVersion) {
  const auto uid = [](const std::string& value) {
    return [text = http_ok(R"({"metadata":{"uid":")" + value + "\"}}")](
               Connection& c, const std::string&) { return c.send(text); };
  };
  api_.on_identity(uid("one"));
  auto provider = create();
  {
    StreamReader stream(provider->stream());
    EXPECT_EQ(to_text(stream.next()), "snapshot[a]");
  }
  api_.on_identity(uid("two"));
  api_.state("1000", {slice_of("900", {"a"})});
  StreamReader stream(provider->stream());
  EXPECT_EQ(failure(stream), ErrorCode::IndexRollback);
  const ProviderEvent fresh = stream.next();
  ASSERT_EQ(to_text(fresh), "snapshot[a]");
  EXPECT_EQ(std::get<SnapshotAnswer>(fresh).lineage, 1u);
}

TEST_F(KubernetesHostile, AWatchThatLacksWhatAReadShowsIsOpenedAnewFromAList) {
  StreamReader stream(create()->stream());
  EXPECT_EQ(to_text(stream.next()), "snapshot[a]");
  until(stream, "unchanged");
  api_.state("20", {slice_of("19", {"a", "b"})});  // which the watch never says
  EXPECT_EQ(news(stream), "snapshot[a b]");
  EXPECT_EQ(api_.lists(), 2u);
}

TEST_F(KubernetesHostile, AWatchThatOnlyLagsIsWaitedFor) {
  std::atomic<bool> changed{false};
  api_.on_watch([&](Connection& c, const std::string&) {
    c.send(kWatchHead);
    while (!changed) {
      if (!c.linger(5)) return false;
    }
    if (!c.linger(100)) return false;  // later than the read shows it
    c.send(chunk_text(event_text("MODIFIED", slice_of("19", {"a", "b"}))));
    return c.linger();
  });
  StreamReader stream(create()->stream());
  EXPECT_EQ(to_text(stream.next()), "snapshot[a]");
  until(stream, "unchanged");
  api_.state("20", {slice_of("19", {"a", "b"})});
  changed = true;
  EXPECT_EQ(news(stream), "change[+b]");
  EXPECT_EQ(api_.lists(), 1u);
}

TEST_F(KubernetesHostile, AWatchThatNeverComesToWhereReadsAreIsStuck) {
  // Two slices: the read shows the first only, which is as it was; the second has changed.
  const std::string first = slice_of("9", {"a"});
  api_.state("10", {first, slice_of("8", {"b"}, "s2")});
  StreamReader stream(create()->stream());
  EXPECT_EQ(to_text(stream.next()), "snapshot[a b]");
  until(stream, "unchanged");
  api_.state("20", {first, slice_of("19", {"c"}, "s2")});
  until(stream, "unchanged");
  until(stream, "unchanged");
  until(stream, "unchanged");
  clock_.jump(std::chrono::minutes(4));
  until(stream, "snapshot[a c]");
}

TEST_F(KubernetesHostile, BookmarksProveAWatchThatHasNothingToSay) {
  const std::string first = slice_of("9", {"a"});
  api_.state("10", {first, slice_of("8", {"b"}, "s2")});
  std::atomic<bool> say{false};
  api_.on_watch([&](Connection& c, const std::string&) {
    c.send(kWatchHead);
    while (!say) {
      if (!c.linger(5)) return false;
    }
    c.send(chunk_text(bookmark_text("20")));
    return c.linger();
  });
  StreamReader stream(create()->stream());
  EXPECT_EQ(to_text(stream.next()), "snapshot[a b]");
  api_.state("20", {first, slice_of("8", {"b"}, "s2")});
  for (int i = 0; i < 3; ++i) until(stream, "unchanged");
  say = true;
  for (int i = 0; i < 5; ++i) until(stream, "unchanged");
  const auto lists = api_.lists();
  clock_.jump(std::chrono::minutes(4));
  for (int i = 0; i < 5; ++i) until(stream, "unchanged");
  EXPECT_EQ(api_.lists(), lists);
}

TEST_F(KubernetesHostile, ASilentServerBehindAnOpenWatchIsATimeout) {
  StreamReader stream(create()->stream());
  EXPECT_EQ(to_text(stream.next()), "snapshot[a]");
  api_.on_head([](Connection& c, const std::string&) { return c.linger(); });
  EXPECT_EQ(failure(stream), ErrorCode::Timeout);
  // What comes now over a watch is not believed before a read has proven it.
  api_.on_watch([](Connection& c, const std::string&) {
    c.send(kWatchHead + chunk_text(event_text("MODIFIED", slice_of("11", {"b"}))));
    return c.linger();
  });
  EXPECT_EQ(failure(stream), ErrorCode::Timeout);
  api_.state("11", {slice_of("11", {"b"})});
  EXPECT_EQ(first_that_is_no_failure(stream), "change[+b -a]");
}

TEST_F(KubernetesHostile, TheNextEndpointTakesOverWithoutAFailure) {
  FakeApi second;
  second.state("11", {slice_of("9", {"a"})});
  second.watch_says(event_text("MODIFIED", slice_of("12", {"a", "b"})));
  StreamReader stream(create(descriptor({api_.url(), second.url()}))->stream());
  EXPECT_EQ(to_text(stream.next()), "snapshot[a]");
  until(stream, "unchanged");
  api_.on_head([](Connection& c, const std::string&) {
    return c.send(http_status("503 Service Unavailable"));
  });
  second.on_head([](Connection& c, const std::string&) {
    return c.send(http_ok(page_text("12", {slice_of("12", {"a", "b"})})));
  });
  EXPECT_EQ(news(stream), "change[+b]");
  EXPECT_EQ(second.lists(), 0u);  // the same cluster: it goes on from where it was
  EXPECT_THAT(second.last_watch(), HasSubstr("&resourceVersion=10&"));
}

TEST_F(KubernetesHostile, ATokenThatIsSentBackAppearsInNoError) {
  const TempDir directory;
  const std::string token = "eyJhbGciOiJ.secret.part";
  write_file(directory / "token", token + "\n");
  ProviderDescriptor d = descriptor();
  d.auth.token_file = (directory / "token").string();
  api_.on_list([](Connection& c, const std::string& head) {
    return c.send(http_status("400 Bad Request", head.substr(head.find("Authorization"))));
  });
  StreamReader stream(create(d)->stream());
  const ProviderEvent failed = stream.next();
  EXPECT_THAT(to_text(failed), HasSubstr("INVALID_CONFIG"));
  EXPECT_THAT(to_text(failed), HasSubstr("[token]"));
  EXPECT_THAT(to_text(failed), ::testing::Not(HasSubstr("eyJhbGciOiJ")));
}

TEST_F(KubernetesHostile, AfterA401AChangedTokenIsTriedAtOnce) {
  const TempDir directory;
  write_file(directory / "token", "old\n");
  ProviderDescriptor d = descriptor();
  d.auth.token_file = (directory / "token").string();
  std::atomic<const char*> good{"Bearer old\r\n"};
  const std::string page = http_ok(page_text("10", {slice_of("9", {"a"})}));
  api_.on_head([&, page](Connection& c, const std::string& head) {
    const bool known = head.find(good.load()) != std::string::npos;
    return c.send(known ? page : http_status("401 Unauthorized", "{}"));
  });
  StreamReader stream(create(d)->stream());
  EXPECT_EQ(to_text(stream.next()), "snapshot[a]");
  until(stream, "unchanged");
  write_and_rename((directory / "token").string(), "new\n");
  good = "Bearer new\r\n";
  for (int i = 0; i < 5; ++i) EXPECT_EQ(to_text(stream.next()), "unchanged");
  write_and_rename((directory / "token").string(), "wrong\n");
  good = "Bearer newer\r\n";
  EXPECT_EQ(failure(stream), ErrorCode::AuthFailed);
}

TEST_F(KubernetesHostile, S3_ItAttestsWithinTheLimit) {
  ProviderDescriptor d = descriptor();
  EXPECT_LT(create(d)->attest_interval(), Duration(std::chrono::seconds(4)));
  d.watch_params.erase("attest_ms");
  EXPECT_LE(create(d)->attest_interval(), Duration(limits::kDegradedAfter));
}

}  // namespace
}  // namespace rollcall::test
