// The Consul provider against a server that behaves as a real agent can't be made to: index games,
// endpoints that fail in turn, hostile answers.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <fstream>
#include <future>

#include "core/limits.h"
#include "providers/common/rate_limit.h"
#include "providers/consul/consul_provider.h"
#include "tests/backends/environment.h"
#include "tests/providers/consul_text.h"
#include "tests/providers/provider_support.h"
#include "tests/providers/scripted_server.h"

namespace rollcall::test {
namespace {

using ::testing::HasSubstr;
using Connection = ScriptedServer::Connection;

const std::string kOne = "[" + consul_entry("n", "a") + "]";
const std::string kTwo = "[" + consul_entry("n", "a") + "," + consul_entry("n", "b") + "]";

class ConsulHostile : public ::testing::Test {
 protected:
  std::unique_ptr<ClusterProvider> create(const std::vector<std::string>& endpoints,
                                          const std::string& wait_ms = "20") {
    ProviderDescriptor d;
    d.id = ProviderId("c");
    d.kind = "consul";
    d.endpoints = endpoints;
    d.watch_params = {{"service", "web"}, {"wait_ms", wait_ms}, {"id", "service"}};
    auto provider = make_consul_factory()->create(d, {&clock_, nullptr, ""});
    EXPECT_TRUE(provider.has_value()) << (provider ? "" : provider.error().message);
    return provider ? std::move(*provider) : nullptr;
  }
  MonoTime in(Duration d) const { return clock_.now() + d; }

  RealClock clock_;
};

ErrorCode code_of(const ProviderEvent& event) {
  const auto* failed = std::get_if<FailedAnswer>(&event);
  EXPECT_NE(failed, nullptr) << to_text(event);
  return failed == nullptr ? ErrorCode::NotFound : failed->code;
}

TEST_F(ConsulHostile, TheFirstQuestionDoesNotBlockAndTheNextWaitsAfterItsIndex) {
  std::promise<std::string> first;
  std::promise<std::string> second;
  ScriptedServer server([&](Connection& c, const std::string& head) {
    if (server.requests() == 1) first.set_value(head);
    if (server.requests() == 2) second.set_value(head);
    return c.send(consul_ok(kOne, server.requests() == 1 ? 0 : 5));
  });
  StreamReader stream(create({server.url()})->stream());
  EXPECT_EQ(to_text(stream.next()), "snapshot[a]");
  EXPECT_EQ(to_text(stream.next()), "unchanged");
  EXPECT_EQ(query_param(first.get_future().get(), "index"), "");
  const std::string asked = second.get_future().get();
  EXPECT_EQ(query_param(asked, "index"), "1");  // an index of 0 is used as 1
  EXPECT_EQ(query_param(asked, "wait"), "20ms");
  EXPECT_EQ(server.connections(), 1u);
}

TEST_F(ConsulHostile, ReturningDoesNotMeanThatSomethingChanged) {
  ScriptedServer server([&](Connection& c, const std::string&) {
    // The same member, in a body that differs (indexes, check outputs), at rising indexes.
    const std::string entry = consul_entry("n", "a");
    const std::string noise = "\"ModifyIndex\":" + std::to_string(server.requests()) + ",";
    return c.send(consul_ok("[{" + noise + entry.substr(1) + "]", server.requests()));
  });
  StreamReader stream(create({server.url()})->stream());
  EXPECT_EQ(to_text(stream.next()), "snapshot[a]");
  EXPECT_EQ(to_text(stream.next()), "unchanged");
  EXPECT_EQ(to_text(stream.next()), "unchanged");
}

TEST_F(ConsulHostile, AnIndexThatFallsIsARollbackAndANewLineage) {
  std::atomic<bool> lost{false};
  ScriptedServer server([&](Connection& c, const std::string&) {
    return c.send(lost ? consul_ok(kOne, 3) : consul_ok(kTwo, 100));
  });
  auto provider = create({server.url()});
  StreamReader stream(provider->stream());
  EXPECT_EQ(to_text(stream.next()), "snapshot[a b]");
  lost = true;
  const auto not_unchanged = [](const ProviderEvent& e) {
    return !std::holds_alternative<UnchangedAnswer>(e);
  };
  EXPECT_EQ(code_of(stream.until(not_unchanged)), ErrorCode::IndexRollback);
  const ProviderEvent fresh = stream.next();
  EXPECT_EQ(to_text(fresh), "snapshot[a]");
  EXPECT_EQ(std::get<ProviderSnapshot>(fresh).lineage, 1u);
  EXPECT_EQ(std::get<ProviderSnapshot>(fresh).backend_index, "3");
}

TEST_F(ConsulHostile, ARollbackWhileNobodyWatchedIsNoticedByTheNextStream) {
  std::atomic<int> index{100};
  ScriptedServer server([&](Connection& c, const std::string&) {
    return c.send(consul_ok(kOne, static_cast<std::uint64_t>(index.load())));
  });
  auto provider = create({server.url()});
  {
    StreamReader stream(provider->stream());
    EXPECT_EQ(to_text(stream.next()), "snapshot[a]");
  }
  index = 3;
  StreamReader stream(provider->stream());
  EXPECT_EQ(code_of(stream.next()), ErrorCode::IndexRollback);
  const ProviderEvent fresh = stream.next();
  ASSERT_EQ(to_text(fresh), "snapshot[a]");  // told again, though it looks the same
  EXPECT_EQ(std::get<ProviderSnapshot>(fresh).lineage, 1u);
}

TEST_F(ConsulHostile, AnotherEndpointsIndexIsNoRollback) {
  std::atomic<bool> first_fails{false};
  std::promise<std::string> asked;
  ScriptedServer first([&](Connection& c, const std::string&) {
    return c.send(first_fails ? http_status("503 Busy") : consul_ok(kOne, 1000));
  });
  ScriptedServer second([&](Connection& c, const std::string& head) {
    if (second.requests() == 1) asked.set_value(head);
    return c.send(consul_ok(kTwo, 10));
  });
  StreamReader stream(create({first.url(), second.url()})->stream());
  EXPECT_EQ(to_text(stream.next()), "snapshot[a]");
  first_fails = true;
  const ProviderEvent event = stream.until(
      [](const ProviderEvent& e) { return !std::holds_alternative<UnchangedAnswer>(e); });
  EXPECT_EQ(to_text(event), "snapshot[a b]");  // in the same round: no failure in between
  EXPECT_EQ(std::get<ProviderSnapshot>(event).lineage, 0u);
  EXPECT_EQ(query_param(asked.get_future().get(), "index"), "");
}

TEST_F(ConsulHostile, ASilentEndpointIsLeftForTheNextInTheSameRound) {
  std::atomic<bool> silent{false};
  ScriptedServer first([&](Connection& c, const std::string&) {
    return silent ? c.linger() : c.send(consul_ok(kOne, 1));
  });
  ScriptedServer second(
      [&](Connection& c, const std::string&) { return c.send(consul_ok(kTwo, 1)); });
  StreamReader stream(create({first.url(), second.url()})->stream());
  EXPECT_EQ(to_text(stream.next()), "snapshot[a]");
  silent = true;
  EXPECT_EQ(to_text(stream.until([](const ProviderEvent& e) {
              return !std::holds_alternative<UnchangedAnswer>(e);
            })),
            "snapshot[a b]");
}

TEST_F(ConsulHostile, WhenAllEndpointsFailTheMostSpecificCodeIsTold) {
  const auto dead = free_ports(1);
  ASSERT_EQ(dead.size(), 1u);
  ScriptedServer denying([](Connection& c, const std::string&) {
    return c.send(http_status("403 Forbidden", "ACL not found"));
  });
  StreamReader stream(
      create({"http://127.0.0.1:" + std::to_string(dead[0]), denying.url()})->stream());
  const ProviderEvent failed = stream.next();
  EXPECT_EQ(code_of(failed), ErrorCode::AuthFailed);
  EXPECT_THAT(to_text(failed), HasSubstr("127.0.0.1:" + std::to_string(dead[0])));
  EXPECT_THAT(to_text(failed), HasSubstr(denying.url()));
}

TEST_F(ConsulHostile, AConnectionLostDuringAWaitIsAskedAgainBeforeItCounts) {
  std::atomic<bool> closed{false};
  std::promise<std::string> again;
  ScriptedServer server([&](Connection& c, const std::string& head) {
    if (!query_param(head, "index").empty() && !closed.exchange(true)) return false;
    if (closed && server.connections() == 2 && query_param(head, "index").empty()) {
      again.set_value(head);
    }
    return c.send(consul_ok(kOne, 5));
  });
  StreamReader stream(create({server.url()})->stream());
  EXPECT_EQ(to_text(stream.next()), "snapshot[a]");
  EXPECT_EQ(to_text(stream.next()), "unchanged");
  EXPECT_EQ(query_param(again.get_future().get(), "index"), "");
}

TEST_F(ConsulHostile, BadAnswersAreStructuredErrorsAndTheStreamGoesOn) {
  const struct {
    const char* name;
    std::string answer;
    ErrorCode code;
  } cases[] = {
      {"wrong types", consul_ok(R"([{"Node":1,"Service":"x"}])", 5), ErrorCode::MalformedResponse},
      {"not JSON", consul_ok("<html>", 5), ErrorCode::MalformedResponse},
      {"200 levels", consul_ok(std::string(200, '[') + std::string(200, ']'), 5),
       ErrorCode::MalformedResponse},
      {"duplicate keys", consul_ok(R"([{"Node":{},"Node":{},"Service":{}}])", 5),
       ErrorCode::MalformedResponse},
      {"invalid UTF-8", consul_ok("[\"\xff\"]", 5), ErrorCode::MalformedResponse},
      {"duplicate ids",
       consul_ok("[" + consul_entry("n", "a") + "," + consul_entry("m", "a") + "]", 5),
       ErrorCode::MalformedResponse},
      {"cut JSON", consul_ok(kOne.substr(0, 40), 5), ErrorCode::MalformedResponse},
      {"64 MiB and a byte",
       "HTTP/1.1 200 OK\r\nX-Consul-Index: 5\r\nContent-Length: 67108865\r\n\r\n",
       ErrorCode::LimitExceeded},
      {"no index", http_ok(kOne), ErrorCode::CapabilityMissing},
      {"never-ending headers", "HTTP/1.1 200 OK\r\nA: " + std::string(1 << 20, 'x'),
       ErrorCode::LimitExceeded},
  };
  std::atomic<int> turn{-1};
  ScriptedServer server([&](Connection& c, const std::string&) {
    const int now = turn;
    return c.send(now < 0 ? consul_ok(kTwo, 5) : cases[static_cast<std::size_t>(now)].answer);
  });
  StreamReader stream(create({server.url()})->stream());
  EXPECT_EQ(to_text(stream.next()), "snapshot[a b]");
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

TEST_F(ConsulHostile, AStrangerWhoMaySeeNothingIsNoEmptyCluster) {
  std::atomic<bool> known{false};
  ScriptedServer server([&](Connection& c, const std::string& head) {
    if (head.find("/v1/acl/token/self") != std::string::npos) {
      return c.send(known ? http_ok(R"({"AccessorID":"7a2b"})")
                          : http_status("403 Forbidden", "ACL not found"));
    }
    return c.send(consul_ok("[]", 5, "X-Consul-Default-Acl-Policy: deny\r\n"));
  });
  StreamReader stream(create({server.url()})->stream());
  EXPECT_EQ(code_of(stream.next()), ErrorCode::PermissionDenied);
  known = true;  // the agent puts a default token of its own under the request
  EXPECT_EQ(to_text(stream.until(
                [](const ProviderEvent& e) { return !std::holds_alternative<FailedAnswer>(e); })),
            "snapshot[]");
}

TEST_F(ConsulHostile, AnIdentityThatComesOrGoesMeanwhileProvesNothing) {
  const std::string deny = "X-Consul-Default-Acl-Policy: deny\r\n";
  const std::string somebody = http_ok(R"({"AccessorID":"7a2b"})");
  const std::string nobody = http_status("403 Forbidden", "ACL not found");
  // It came after the empty answer: the question is asked again, by somebody now.
  std::vector<std::string> script = {
      consul_ok("[]", 5, deny), somebody, consul_ok(kOne, 5, deny), somebody,
      // It went before the second empty answer, or after it: who knows.
      consul_ok("[]", 5, deny), somebody, consul_ok("[]", 5, deny), nobody};
  ScriptedServer server([&](Connection& c, const std::string&) {
    return c.send(script[(server.requests() - 1) % script.size()]);
  });
  StreamReader stream(create({server.url()})->stream());
  EXPECT_EQ(to_text(stream.next()), "snapshot[a]");
  EXPECT_EQ(code_of(stream.next()), ErrorCode::PermissionDenied);
}

TEST_F(ConsulHostile, R1_4_ConnectivityIsCheckedWithinItsDeadlineAtEveryEndpoint) {
  ScriptedServer silent([](Connection& c, const std::string&) { return c.linger(); });
  ScriptedServer good([](Connection& c, const std::string&) { return c.send(consul_ok(kOne, 1)); });
  const auto timeout =
      create({silent.url()})->check_connectivity(in(std::chrono::milliseconds(100)));
  ASSERT_FALSE(timeout.has_value());
  EXPECT_EQ(timeout.error().code, ErrorCode::Timeout);
  const auto fine =
      create({silent.url(), good.url()})->check_connectivity(in(std::chrono::seconds(5)));
  EXPECT_TRUE(fine.has_value());
}

TEST_F(ConsulHostile, R1_3_AServerWithoutBlockingQueriesLacksACapability) {
  ScriptedServer server([](Connection& c, const std::string&) { return c.send(http_ok("[]")); });
  const auto capabilities = create({server.url()})->check_connectivity(in(std::chrono::seconds(5)));
  ASSERT_TRUE(capabilities.has_value());
  EXPECT_FALSE(capabilities->watch);
  EXPECT_THAT(capabilities->missing, HasSubstr("X-Consul-Index"));
}

TEST_F(ConsulHostile, AnEmptyClusterThatNeverBlocksIsNotAskedInABusyLoop) {
  ScriptedServer server(
      [](Connection& c, const std::string&) { return c.send(consul_ok("[]", 1)); });
  // wait_ms 10000: the bucket refills once a second, after a burst of two.
  StreamReader stream(create({server.url()}, "10000")->stream());
  const MonoTime began = clock_.now();
  for (int i = 0; i < 4; ++i) stream.next();
  EXPECT_GE(clock_.now() - began, Duration(std::chrono::milliseconds(1900)));
}

TEST(TokenBucketTest, GivesABurstAndThenOnePerRefill) {
  const Duration refill = std::chrono::seconds(1);
  TokenBucket bucket(2, refill);
  const MonoTime t0(std::chrono::hours(1));
  EXPECT_EQ(bucket.take(t0), t0);
  EXPECT_EQ(bucket.take(t0), t0);
  EXPECT_EQ(bucket.take(t0), t0 + refill);
  EXPECT_EQ(bucket.take(t0 + refill), t0 + 2 * refill);
  EXPECT_EQ(bucket.take(t0 + 10 * refill), t0 + 10 * refill);  // and a pause fills it again
  EXPECT_EQ(bucket.take(t0 + 10 * refill), t0 + 10 * refill);
  EXPECT_EQ(bucket.take(t0 + 10 * refill), t0 + 11 * refill);
}

// SPEC 8: no secret in any error. A proxy in between may quote what it was sent, whole or cut
// short.
TEST_F(ConsulHostile, ATokenThatIsSentBackAppearsInNoError) {
  const std::string token = "5ecret00-1111-2222-3333-444455556666";
  const std::string path = ::testing::TempDir() + "consul-token-" + std::to_string(getpid());
  std::ofstream(path) << token << "\n";
  for (const std::size_t padding : {0u, 150u, 190u, 230u}) {  // the quote is cut within the token
    ScriptedServer server([&](Connection& c, const std::string& head) {
      const std::string body = std::string(padding, 'x') + head.substr(head.find("X-Consul-Token"));
      return c.send("HTTP/1.1 400 Bad Request\r\nContent-Length: " + std::to_string(body.size()) +
                    "\r\n\r\n" + body);
    });
    ProviderDescriptor d;
    d.id = ProviderId("c");
    d.kind = "consul";
    d.endpoints = {server.url()};
    d.auth.token_file = path;
    d.watch_params = {{"service", "web"}};
    auto provider = make_consul_factory()->create(d, {&clock_, nullptr, ""});
    ASSERT_TRUE(provider.has_value());
    const auto checked = (*provider)->check_connectivity(in(std::chrono::seconds(20)));
    ASSERT_FALSE(checked.has_value());
    EXPECT_EQ(checked.error().message.find(token.substr(0, 8)), std::string::npos)
        << checked.error().message;
  }
  std::remove(path.c_str());
}

TEST_F(ConsulHostile, S3_ItAttestsAsOftenAsItsWaitSays) {
  EXPECT_LE(create({"http://127.0.0.1:1"}, "10000")->attest_interval(), limits::kDegradedAfter);
  EXPECT_LT(create({"http://127.0.0.1:1"}, "1000")->attest_interval(), std::chrono::seconds(2));
}

}  // namespace
}  // namespace rollcall::test
