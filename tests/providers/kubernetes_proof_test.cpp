// What the Kubernetes provider believes and what it doubts, against a server that behaves as a real
// one can't be made to: histories that go back, watches that are stuck, tokens that are sent back.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/limits.h"
#include "tests/backends/environment.h"
#include "tests/providers/kubernetes_hostile_fixture.h"

namespace rollcall::test {
namespace {

using ::testing::HasSubstr;
using Connection = ScriptedServer::Connection;

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
  EXPECT_EQ(std::get<ProviderSnapshot>(fresh).lineage, 1u);
  stream.stop();
  api_.state("3", {slice_of("2", {"b"})});  // while nobody watches
  StreamReader next(provider->stream());
  EXPECT_EQ(failure(next), ErrorCode::IndexRollback);
  const ProviderEvent again = next.next();
  ASSERT_EQ(to_text(again), "snapshot[b]");  // told again, though it looks the same
  EXPECT_EQ(std::get<ProviderSnapshot>(again).lineage, 2u);
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
  EXPECT_EQ(std::get<ProviderSnapshot>(fresh).lineage, 1u);
  EXPECT_EQ(failure(stream), ErrorCode::IndexRollback);  // seen in the list
  const ProviderEvent again =
      stream.until([](const ProviderEvent& e) { return !std::holds_alternative<FailedAnswer>(e); });
  ASSERT_EQ(to_text(again), "snapshot[c d]");
  EXPECT_EQ(std::get<ProviderSnapshot>(again).lineage, 2u);
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
  EXPECT_EQ(std::get<ProviderSnapshot>(fresh).lineage, 1u);
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
