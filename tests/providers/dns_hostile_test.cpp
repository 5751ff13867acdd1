// The dns provider against servers that behave as a real one can't be made to.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>

#include "core/limits.h"
#include "providers/dns/dns_provider.h"
#include "tests/backends/environment.h"
#include "tests/providers/provider_support.h"
#include "tests/providers/scripted_dns.h"

namespace rollcall::test {
namespace {

using ::testing::HasSubstr;
using Question = ScriptedDns::Question;
using Replies = std::vector<std::string>;

constexpr std::uint64_t kSeed = 5;
constexpr unsigned kTypeA = 1;

Replies one(const Question& q) { return {reply_to(q).a(q.name, 0, "10.0.0.1").bytes()}; }
Replies two(const Question& q) {
  return {reply_to(q).a(q.name, 0, "10.0.0.1").a(q.name, 0, "10.0.0.2").bytes()};
}
Replies code(const Question& q, unsigned code) { return {reply_to(q, kReply | code).bytes()}; }

ErrorCode code_of(const ProviderEvent& event) {
  const auto* failed = std::get_if<FailedAnswer>(&event);
  EXPECT_NE(failed, nullptr) << to_text(event);
  return failed == nullptr ? ErrorCode::NotFound : failed->code;
}

class DnsHostile : public ::testing::Test {
 protected:
  std::unique_ptr<ClusterProvider> create(const std::vector<std::string>& servers,
                                          std::map<std::string, std::string> params = {}) {
    ProviderDescriptor d;
    d.id = ProviderId("dns");
    d.kind = "dns";
    d.endpoints = servers;
    d.watch_params = std::move(params);
    d.watch_params.try_emplace("name", "x.test");
    d.watch_params.try_emplace("min_ttl_ms", "50");
    d.watch_params.try_emplace("timeout_ms", "300");
    if (d.watch_params.try_emplace("type", "a").first->second == "a") {
      d.watch_params.try_emplace("port", "80");
    }
    auto provider = make_dns_factory(kSeed)->create(d, {&clock_, nullptr, ""});
    EXPECT_TRUE(provider.has_value()) << (provider ? "" : provider.error().message);
    return provider ? std::move(*provider) : nullptr;
  }
  MonoTime in(Duration d) const { return clock_.now() + d; }

  RealClock clock_;
};

TEST_F(DnsHostile, EveryFailureKeepsTheMembersAndPasses) {
  const struct {
    const char* name;
    std::function<Replies(const Question&)> reply;
    ErrorCode code;
  } cases[] = {
      {"silence", [](const Question&) { return Replies{}; }, ErrorCode::Timeout},
      {"SERVFAIL", [](const Question& q) { return code(q, kServFail); },
       ErrorCode::BackendUnavailable},
      {"REFUSED", [](const Question& q) { return code(q, kRefused); }, ErrorCode::PermissionDenied},
      {"a referral",
       [](const Question& q) {
         return Replies{reply_to(q, kReply).authority().ns("test", 1, "ns.test").bytes()};
       },
       ErrorCode::BackendUnavailable},
      {"a record that is cut",
       [](const Question& q) {
         std::string bytes = two(q).front();
         bytes.pop_back();
         return Replies{bytes};
       },
       ErrorCode::MalformedResponse},
      {"more records promised than there are",
       [](const Question& q) {
         std::string bytes = one(q).front();
         bytes[7] = 2;
         return Replies{bytes};
       },
       ErrorCode::MalformedResponse},
      {"one address twice",
       [](const Question& q) {
         return Replies{reply_to(q).a(q.name, 0, "10.0.0.1").a(q.name, 0, "10.0.0.1").bytes()};
       },
       ErrorCode::MalformedResponse},
      {"aliases in a ring",
       [](const Question& q) {
         return Replies{reply_to(q).cname(q.name, 0, "y.test").cname("y.test", 0, q.name).bytes()};
       },
       ErrorCode::MalformedResponse},
      // What belongs to no question of ours is not read, whatever it says: nothing else comes.
      {"another id",
       [](const Question& q) {
         Question other = q;
         ++other.id;
         return Replies{reply_to(other, kReply | kNxDomain).bytes()};
       },
       ErrorCode::Timeout},
      {"another name",
       [](const Question& q) {
         Question other = q;
         other.name = "y.test";
         return Replies{reply_to(other, kReply | kAuthoritative | kNxDomain).bytes()};
       },
       ErrorCode::Timeout},
      {"noise",
       [](const Question&) {
         return Replies{"", "x", std::string(4000, '\xff')};
       },
       ErrorCode::Timeout},
  };
  std::atomic<int> turn{-1};
  ScriptedDns server([&](const Question& q) {
    const int now = turn;
    return now < 0 ? two(q) : cases[static_cast<std::size_t>(now)].reply(q);
  });
  StreamReader stream(create({server.address()})->stream());
  EXPECT_EQ(to_text(stream.next()), "snapshot[10.0.0.1:80 10.0.0.2:80]");
  for (std::size_t i = 0; i < std::size(cases); ++i) {
    SCOPED_TRACE(cases[i].name);
    turn = static_cast<int>(i);
    const ProviderEvent failed = stream.until([&](const ProviderEvent& e) {
      const auto* f = std::get_if<FailedAnswer>(&e);
      return f != nullptr && f->code == cases[i].code;
    });
    ASSERT_TRUE(std::holds_alternative<FailedAnswer>(failed));
    EXPECT_THAT(std::get<FailedAnswer>(failed).detail, HasSubstr(server.address()));
    EXPECT_LE(std::get<FailedAnswer>(failed).detail.size(), 512u);
    turn = -1;
    // Afterwards the members are what they were: confirmed, nothing told anew.
    EXPECT_EQ(to_text(stream.until(
                  [](const ProviderEvent& e) { return !std::holds_alternative<FailedAnswer>(e); })),
              "unchanged");
  }
}

TEST_F(DnsHostile, ALateOrLostReplyIsAskedForAgain) {
  ScriptedDns server([&](const Question& q) {
    return server.questions() % 2 == 1 ? Replies{} : one(q);  // every first one is lost
  });
  StreamReader stream(create({server.address()}, {{"timeout_ms", "3000"}})->stream());
  EXPECT_EQ(to_text(stream.next()), "snapshot[10.0.0.1:80]");
  EXPECT_EQ(to_text(stream.next()), "unchanged");
}

TEST_F(DnsHostile, WhatUdpCutsIsAskedForOverTcp) {
  std::atomic<bool> cut_again{false};
  ScriptedDns server([&](const Question& q) {
    if (q.tcp && !cut_again) return two(q);
    // A part, and the sign that it is one.
    return Replies{reply_to(q, kReply | kAuthoritative | kCut).a(q.name, 0, "10.0.0.1").bytes()};
  });
  StreamReader stream(create({server.address()})->stream());
  EXPECT_EQ(to_text(stream.next()), "snapshot[10.0.0.1:80 10.0.0.2:80]");
  cut_again = true;
  EXPECT_EQ(code_of(stream.until(
                [](const ProviderEvent& e) { return std::holds_alternative<FailedAnswer>(e); })),
            ErrorCode::LimitExceeded);
}

TEST_F(DnsHostile, AServerThatIsTooOldForEdnsIsAskedWithoutIt) {
  std::atomic<int> with_edns{0};
  ScriptedDns server([&](const Question& q) {
    // FORMERR without an OPT record: c-ares asks once more, without one of its own.
    if (with_edns++ == 0) return code(q, 1);
    return one(q);
  });
  StreamReader stream(create({server.address()})->stream());
  EXPECT_EQ(to_text(stream.next()), "snapshot[10.0.0.1:80]");
}

TEST_F(DnsHostile, TheNextServerIsAskedInTheSameRoundAndKept) {
  std::atomic<bool> fails{false};
  ScriptedDns first([&](const Question& q) { return fails ? code(q, kServFail) : one(q); });
  ScriptedDns second([](const Question& q) { return two(q); });
  StreamReader stream(create({first.address(), second.address()})->stream());
  EXPECT_EQ(to_text(stream.next()), "snapshot[10.0.0.1:80]");
  EXPECT_EQ(second.questions(), 0u);
  fails = true;
  const ProviderEvent event = stream.until(
      [](const ProviderEvent& e) { return !std::holds_alternative<UnchangedAnswer>(e); });
  EXPECT_EQ(to_text(event), "snapshot[10.0.0.1:80 10.0.0.2:80]");  // no failure in between
  const std::size_t asked = first.questions();
  EXPECT_EQ(to_text(stream.next()), "unchanged");
  EXPECT_EQ(first.questions(), asked);
}

TEST_F(DnsHostile, ASilentServerLeavesTimeForTheNext) {
  ScriptedDns silent([](const Question&) { return Replies{}; });
  ScriptedDns good([](const Question& q) { return one(q); });
  StreamReader stream(create({silent.address(), good.address()})->stream());
  EXPECT_EQ(to_text(stream.next()), "snapshot[10.0.0.1:80]");
}

TEST_F(DnsHostile, WhenAllServersFailTheMostSpecificCodeIsTold) {
  const auto dead = free_ports(1);
  ASSERT_EQ(dead.size(), 1u);
  const std::string dead_server = "127.0.0.1:" + std::to_string(dead[0]);
  ScriptedDns refusing([](const Question& q) { return code(q, kRefused); });
  StreamReader stream(create({dead_server, refusing.address()})->stream());
  const ProviderEvent failed = stream.next();
  EXPECT_EQ(code_of(failed), ErrorCode::PermissionDenied);
  EXPECT_THAT(to_text(failed), HasSubstr(dead_server));
  EXPECT_THAT(to_text(failed), HasSubstr(refusing.address()));
}

TEST_F(DnsHostile, RecordsThatAreTurnedRoundAreNoChange) {
  std::atomic<int> turn{0};
  ScriptedDns server([&](const Question& q) {
    DnsBytes reply = reply_to(q);
    const int from = turn++;
    for (int i = 0; i < 3; ++i) reply.a(q.name, 0, "10.0.0." + std::to_string(1 + (from + i) % 3));
    return Replies{reply.bytes()};
  });
  StreamReader stream(create({server.address()})->stream());
  EXPECT_EQ(to_text(stream.next()), "snapshot[10.0.0.1:80 10.0.0.2:80 10.0.0.3:80]");
  for (int i = 0; i < 4; ++i) EXPECT_EQ(to_text(stream.next()), "unchanged");
}

TEST_F(DnsHostile, HundredsOfTargetsAreAskedForAFewAtATime) {
  constexpr int kTargets = 200;
  ScriptedDns server([&](const Question& q) {
    if (q.type == kTypeA) {
      return Replies{
          reply_to(q).a(q.name, 0, "10.0.0." + q.name.substr(1, q.name.find('.') - 1)).bytes()};
    }
    if (!q.tcp) return Replies{reply_to(q, kReply | kAuthoritative | kCut).bytes()};
    DnsBytes reply = reply_to(q);
    for (int i = 1; i <= kTargets; ++i) {
      reply.srv(q.name, 0, 0, 1, 80, "n" + std::to_string(i) + ".test");
    }
    return Replies{reply.bytes()};
  });
  StreamReader stream(
      create({server.address()}, {{"type", "srv"}, {"id", "name"}, {"timeout_ms", "3000"}})
          ->stream());
  const ProviderEvent event = stream.next();
  const auto* snapshot = std::get_if<ProviderSnapshot>(&event);
  ASSERT_NE(snapshot, nullptr) << to_text(event);
  EXPECT_EQ(snapshot->members.size(), static_cast<std::size_t>(kTargets));
}

TEST_F(DnsHostile, ALongTtlIsWaitedForAndAShortBoundIsNot) {
  std::atomic<int> patient_questions{0};
  ScriptedDns server([&](const Question& q) {
    if (q.name == "patient.test") ++patient_questions;
    return Replies{reply_to(q).a(q.name, 600, "10.0.0.1").bytes()};
  });
  StreamReader patient(create({server.address()}, {{"name", "patient.test"},
                                                   {"max_ttl_ms", "3600000"},
                                                   {"timeout_ms", "10000"}})  // asked once
                           ->stream());
  EXPECT_EQ(to_text(patient.next()), "snapshot[10.0.0.1:80]");
  // The same TTL at a stream whose bound is short; by its questions time is told.
  StreamReader eager(
      create({server.address()}, {{"name", "eager.test"}, {"max_ttl_ms", "50"}})->stream());
  EXPECT_EQ(to_text(eager.next()), "snapshot[10.0.0.1:80]");
  for (int i = 0; i < 10; ++i) EXPECT_EQ(to_text(eager.next()), "unchanged");
  EXPECT_EQ(patient_questions, 1);
}

TEST_F(DnsHostile, R1_4_ConnectivityIsCheckedWithinItsDeadline) {
  ScriptedDns silent([](const Question&) { return Replies{}; });
  const auto checked = create({silent.address()}, {{"timeout_ms", "10000"}})
                           ->check_connectivity(in(std::chrono::milliseconds(200)));
  ASSERT_FALSE(checked.has_value());
  EXPECT_EQ(checked.error().code, ErrorCode::Timeout);
}

TEST_F(DnsHostile, CancelEndsTheWaitForTheTtlAndForAReply) {
  std::atomic<bool> silent{false};
  ScriptedDns server([&](const Question& q) { return silent ? Replies{} : one(q); });
  const std::map<std::string, std::string> slow = {
      {"min_ttl_ms", "3600000"}, {"max_ttl_ms", "3600000"}, {"timeout_ms", "10000"}};
  StreamReader waiting(create({server.address()}, slow)->stream());
  EXPECT_EQ(to_text(waiting.next()), "snapshot[10.0.0.1:80]");
  EXPECT_LT(waiting.stop(), Duration(std::chrono::seconds(5)));
  silent = true;
  StreamReader asking(create({server.address()}, slow)->stream());
  ASSERT_TRUE(eventually(kPatience, [&] { return server.questions() == 2; }));
  EXPECT_LT(asking.stop(), Duration(std::chrono::seconds(5)));
}

}  // namespace
}  // namespace rollcall::test
