// What a value says, what a view makes of many, and what etcd's refusals mean: no server needed.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/limits.h"
#include "providers/common/endpoint_errors.h"
#include "providers/etcd/etcd_member.h"
#include "providers/etcd/etcd_provider.h"
#include "providers/etcd/etcd_settings.h"
#include "providers/etcd/etcd_status.h"
#include "providers/etcd/etcd_stream.h"
#include "providers/etcd/etcd_view.h"
#include "providers/etcd/limits.h"
#include "tests/providers/provider_support.h"

namespace rollcall::test {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

// --- values -----------------------------------------------------------------------------------

std::string why_not(std::string_view value) {
  const auto member = parse_etcd_member("k", value, EtcdIdFrom::Value);
  if (member) return "a member";
  EXPECT_EQ(member.error().code, ErrorCode::MalformedResponse);
  return member.error().message;
}

TEST(EtcdMember, AnObjectHasEveryFieldOfAMemberFile) {
  const auto member = parse_etcd_member(
      "key",
      R"({"id":"n1","host":"10.0.0.1","port":7000,"zone":"a","labels":{"k":"v"},"weight":3,
          "status":"draining","incarnation":"7"})",
      EtcdIdFrom::Value);
  ASSERT_TRUE(member.has_value()) << member.error().message;
  ClusterNode wanted = make_node("n1");
  wanted.zone = "a";
  wanted.labels = {{"k", "v"}};
  wanted.weight = 3;
  wanted.status = NodeStatus::Draining;
  wanted.incarnation = "7";
  EXPECT_EQ(*member, wanted);
}

TEST(EtcdMember, TheIdIsTheValuesOrTheKeys) {
  const auto id = [](std::string_view value, EtcdIdFrom from) {
    const auto member = parse_etcd_member("the/key", value, from);
    return member ? member->id.str() : member.error().message;
  };
  EXPECT_EQ(id(R"({"id":"own","host":"h","port":1})", EtcdIdFrom::Value), "own");
  EXPECT_EQ(id(R"({"host":"h","port":1})", EtcdIdFrom::Value), "the/key");
  EXPECT_EQ(id(R"({"id":null,"host":"h","port":1})", EtcdIdFrom::Value), "the/key");
  EXPECT_EQ(id(R"({"id":"own","host":"h","port":1})", EtcdIdFrom::Key), "the/key");
  EXPECT_EQ(id("h:1", EtcdIdFrom::Value), "the/key");
}

TEST(EtcdMember, PlainAddresses) {
  const auto address = [](std::string_view value) {
    const auto member = parse_etcd_member("k", value, EtcdIdFrom::Value);
    return member ? member->host + " " + std::to_string(member->port) : "none";
  };
  EXPECT_EQ(address("10.0.0.1:7000"), "10.0.0.1 7000");
  EXPECT_EQ(address(" node.example:1\n"), "node.example 1");
  EXPECT_EQ(address("[fd00::1]:65535"), "fd00::1 65535");
  for (const char* text : {"", "  ", "h", "h:", ":1", "h:65536", "h:-1", "h:1x", "fd00::1:7000",
                           "[]:1", "http://h:1", "h h:1", "[1]", "null", "true", "h:1:2"}) {
    EXPECT_EQ(address(text), "none") << text;
  }
}

TEST(EtcdMember, WhatIsNoMemberIsRefusedWithTheReason) {
  EXPECT_THAT(why_not(""), HasSubstr("empty"));
  EXPECT_THAT(why_not("garbage"), HasSubstr("host:port"));
  EXPECT_THAT(why_not(R"({"id":"a")"), HasSubstr("line 1"));
  EXPECT_THAT(why_not(R"({"id":"a"})"), HasSubstr("host"));
  EXPECT_THAT(why_not(R"({"host":"h","port":70000})"), HasSubstr("port"));
  EXPECT_THAT(why_not(R"({"host":"h","port":1,"hots":"x"})"), HasSubstr("hots"));
  EXPECT_THAT(why_not(R"({"host":"h","host":"i"})"), HasSubstr("host"));
  EXPECT_THAT(why_not(R"({"host":"h","status":"dancing"})"), HasSubstr("READY"));
  EXPECT_THAT(why_not("{\"host\":\"\xff\"}"), Not(HasSubstr("a member")));
  EXPECT_THAT(why_not(std::string(limits::kEtcdMaxValueBytes + 1, 'x')), HasSubstr("limit"));
  EXPECT_THAT(why_not(std::string(60'000, '{')), Not(HasSubstr("a member")));
  // A key without a name below the prefix, and none of the value's own.
  EXPECT_FALSE(parse_etcd_member("", "h:1", EtcdIdFrom::Value).has_value());
  EXPECT_FALSE(parse_etcd_member("\xff", "h:1", EtcdIdFrom::Value).has_value());
}

// --- views ------------------------------------------------------------------------------------

EtcdView view_of(const std::vector<std::string>& names) {
  EtcdView view("/p/", EtcdIdFrom::Value);
  std::int64_t revision = 1;
  for (const std::string& name : names) view.put("/p/" + name, "10.0.0.1:7000", ++revision);
  view.take_difference();
  return view;
}

std::string text_of(EtcdView::Difference difference) {
  return to_text(
      ChangeAnswer{std::move(difference.upserts), std::move(difference.removals), "", {}});
}

TEST(EtcdView, TellsDifferencesMemberByMember) {
  EtcdView view = view_of({"a", "b"});
  EXPECT_EQ(text_of(view.take_difference()), "change[]");
  view.put("/p/c", "10.0.0.1:7000", 10);
  view.put("/p/a", "10.0.0.1:7001", 10);
  view.remove("/p/b");
  EXPECT_EQ(text_of(view.take_difference()), "change[+a +c -b]");
  view.put("/p/a", "10.0.0.1:7001", 11);  // the same again
  view.put("/p/x", "10.0.0.1:7000", 11);  // and one that comes and goes
  view.remove("/p/x");
  view.remove("/p/never");
  EXPECT_TRUE(view.take_difference().empty());
  // A member that moves to another key within one step neither leaves nor joins.
  view.remove("/p/c");
  view.put("/p/d", R"({"id":"c","host":"10.0.0.1","port":7000})", 12);
  EXPECT_TRUE(view.take_difference().empty());
  EXPECT_THAT(ids_of(view.members()), ElementsAre("a", "c"));
  EXPECT_FALSE(view.fault().has_value());
}

TEST(EtcdView, TheDigestIsOfTheMembersNotOfTheWayThere) {
  EtcdView view = view_of({"a", "b"});
  const auto digest = view.digest();
  view.put("/p/c", "bad", 9);
  view.put("/p/a", "10.0.0.2:1", 9);
  EXPECT_NE(view.digest(), digest);
  view.remove("/p/c");
  view.put("/p/a", "10.0.0.1:7000", 10);
  EXPECT_EQ(view.digest(), digest);
  EXPECT_EQ(view_of({}).digest(), 0u);
}

TEST(EtcdView, AMalformedKeyIsAFaultUntilItIsMended) {
  EtcdView view = view_of({"a"});
  for (int i = 0; i < 9; ++i) view.put("/p/bad" + std::to_string(i), "{}", 5);
  const auto fault = view.fault();
  ASSERT_TRUE(fault.has_value());
  EXPECT_EQ(fault->code, ErrorCode::MalformedResponse);
  EXPECT_THAT(fault->message, HasSubstr("/p/bad0"));
  EXPECT_THAT(fault->message, HasSubstr("4 keys more"));
  EXPECT_EQ(view.keys(), 10u);  // it knows of them all
  for (int i = 0; i < 8; ++i) view.remove("/p/bad" + std::to_string(i));
  EXPECT_TRUE(view.fault().has_value());
  view.put("/p/bad8", "h:1", 6);
  EXPECT_FALSE(view.fault().has_value());
}

TEST(EtcdView, TwoKeysWithOneIdAreAFaultUntilOneGoes) {
  EtcdView view = view_of({"a", "b"});
  view.put("/p/twin", R"({"id":"a","host":"h","port":1})", 5);
  const auto fault = view.fault();
  ASSERT_TRUE(fault.has_value());
  EXPECT_EQ(fault->code, ErrorCode::MalformedResponse);
  EXPECT_THAT(fault->message, HasSubstr("/p/a and /p/twin"));
  view.put("/p/third", R"({"id":"a","host":"h","port":1})", 6);
  view.remove("/p/twin");
  EXPECT_TRUE(view.fault().has_value());
  view.remove("/p/a");
  EXPECT_FALSE(view.fault().has_value());
  EXPECT_THAT(ids_of(view.members()), ElementsAre("a", "b"));
}

TEST(EtcdView, AnErrorIsPrintableWhateverTheKeyIs) {
  EtcdView view("/p/", EtcdIdFrom::Value);
  view.put("/p/\x1b[31m\xff", std::string(5000, '\x02'), 2);
  const auto fault = view.fault();
  ASSERT_TRUE(fault.has_value());
  EndpointErrors errors;
  errors.add(*fault);
  EXPECT_LE(errors.detail().size(), 512u);
  EXPECT_EQ(errors.detail().find('\x1b'), std::string::npos);
}

TEST(EtcdView, RecognisesWhetherALaterReadGoesOnFromIt) {
  const EtcdView held = view_of({"a", "b"});  // written at 2 and 3
  const auto later = [](std::initializer_list<std::pair<const char*, std::int64_t>> keys) {
    EtcdView view("/p/", EtcdIdFrom::Value);
    for (const auto& [name, revision] : keys) {
      view.put("/p/" + std::string(name), "10.0.0.1:7000", revision);
    }
    return view;
  };
  EXPECT_TRUE(held.continues_in(later({{"a", 2}, {"b", 3}}), 5));
  EXPECT_TRUE(held.continues_in(later({{"a", 2}, {"b", 6}, {"c", 7}}), 5));
  EXPECT_TRUE(held.continues_in(later({}), 5));           // all deleted since
  EXPECT_FALSE(held.continues_in(later({{"c", 4}}), 5));  // we would have seen it
  EXPECT_FALSE(held.continues_in(later({{"b", 2}}), 5));  // an older state of it
  EtcdView other("/p/", EtcdIdFrom::Value);
  other.put("/p/a", "10.9.9.9:1", 2);  // the same revision, another value
  EXPECT_FALSE(held.continues_in(other, 5));
}

// --- history, versions, refusals ----------------------------------------------------------------

TEST(EtcdHistoryOfRevisions, OnlyAnAnswerToALaterQuestionCanBreakIt) {
  EtcdHistory history;
  const EtcdPosition none = history.known();
  EXPECT_TRUE(history.note(none, {1, 10}));
  const EtcdPosition before = history.known();
  history.reached({1, 20});
  EXPECT_TRUE(history.note(before, {1, 15}));  // asked before 20 was known
  EXPECT_EQ(history.known().revision, 20);
  history.reached({9, 99});  // of another cluster
  EXPECT_EQ(history.known().revision, 20);
  EXPECT_EQ(history.lineage(), 0u);
  EXPECT_FALSE(history.note(history.known(), {1, 19}));
  EXPECT_EQ(history.lineage(), 1u);
  EXPECT_TRUE(history.note(history.known(), {1, 19}));
  EXPECT_FALSE(history.note(history.known(), {2, 500}));  // another cluster
  EXPECT_EQ(history.lineage(), 2u);
}

TEST(EtcdVersions, ProgressIsTrustedWhereItKeepsItsPromise) {
  for (const char* version : {"3.4.31", "3.4.40", "3.5.13", "3.6.0", "3.7.1", "4.0.0"}) {
    EXPECT_TRUE(trusts_progress(version)) << version;
  }
  for (const char* version : {"3.4.23", "3.4.30", "3.5.12", "3.5.0", "3.3.99", "2.9.9", "", "3",
                              "3.6", "3.6.", "3.6.0-rc.1", "x.y.z", "3.6.0.1", " 3.6.0"}) {
    EXPECT_FALSE(trusts_progress(version)) << version;
  }
}

TEST(EtcdStatus, EachRefusalHasItsCode) {
  using grpc::StatusCode;
  const auto code = [](StatusCode status, const std::string& text) {
    return etcd_error({status, text}, false).code;
  };
  EXPECT_EQ(code(StatusCode::UNAVAILABLE, "etcdserver: no leader"), ErrorCode::BackendUnavailable);
  EXPECT_EQ(code(StatusCode::UNAVAILABLE, "etcdserver: request timed out"),
            ErrorCode::BackendUnavailable);
  EXPECT_EQ(code(StatusCode::DEADLINE_EXCEEDED, ""), ErrorCode::Timeout);
  EXPECT_EQ(code(StatusCode::UNAUTHENTICATED, "etcdserver: invalid auth token"),
            ErrorCode::AuthFailed);
  EXPECT_EQ(code(StatusCode::INVALID_ARGUMENT,
                 "etcdserver: authentication failed, invalid user ID or password"),
            ErrorCode::AuthFailed);
  EXPECT_EQ(code(StatusCode::INVALID_ARGUMENT, "etcdserver: user name is empty"),
            ErrorCode::AuthFailed);
  EXPECT_EQ(code(StatusCode::UNKNOWN, "auth: revision in header is old"), ErrorCode::AuthFailed);
  EXPECT_EQ(code(StatusCode::PERMISSION_DENIED, "etcdserver: permission denied"),
            ErrorCode::PermissionDenied);
  EXPECT_EQ(code(StatusCode::UNIMPLEMENTED, "unknown service"), ErrorCode::CapabilityMissing);
  EXPECT_EQ(code(StatusCode::RESOURCE_EXHAUSTED, "etcdserver: too many requests"),
            ErrorCode::BackendUnavailable);
  EXPECT_EQ(code(StatusCode::RESOURCE_EXHAUSTED, "Received message larger than max (9 vs. 8)"),
            ErrorCode::LimitExceeded);
  EXPECT_EQ(code(StatusCode::DATA_LOSS, "etcdserver: corrupt cluster"),
            ErrorCode::BackendUnavailable);
  EXPECT_EQ(etcd_error({StatusCode::CANCELLED, ""}, true).code, ErrorCode::ShuttingDown);
  EXPECT_EQ(etcd_watch_error("etcdserver: permission denied").code, ErrorCode::PermissionDenied);
  EXPECT_EQ(etcd_watch_error("etcdserver: invalid auth token").code, ErrorCode::AuthFailed);
  EXPECT_EQ(etcd_watch_error("").code, ErrorCode::BackendUnavailable);
  EXPECT_THAT(etcd_error({StatusCode::UNKNOWN, "\x1b[31m"}, false).message, Not(HasSubstr("\x1b")));
}

// --- settings ---------------------------------------------------------------------------------

ProviderDescriptor descriptor(std::map<std::string, std::string> params,
                              std::vector<std::string> endpoints = {"10.0.0.1"}) {
  ProviderDescriptor d;
  d.id = ProviderId("e");
  d.kind = "etcd";
  d.endpoints = std::move(endpoints);
  d.watch_params = std::move(params);
  return d;
}

TEST(EtcdSettingsTest, ThePrefixEndsWithASlash) {
  EXPECT_EQ(etcd_settings(descriptor({{"prefix", "/web"}})).prefix, "/web/");
  EXPECT_EQ(etcd_settings(descriptor({{"prefix", "/web/"}})).prefix, "/web/");
  EXPECT_EQ(etcd_prefix_end("/web/"), "/web0");
  EXPECT_EQ(etcd_prefix_end("a\xff\xff"), "b");
  const EtcdSettings settings = etcd_settings(descriptor({{"prefix", "x"}}));
  EXPECT_EQ(settings.endpoints.front().port, 2379);
  EXPECT_EQ(settings.attest, Duration(std::chrono::seconds(4)));
  EXPECT_EQ(settings.id, EtcdIdFrom::Value);
}

TEST(EtcdSettingsTest, R1_1_EveryProblemIsNamedAtOnce) {
  ProviderDescriptor d =
      descriptor({{"id", "meta"}, {"attest_ms", "9000"}}, {"http://user:secret@h:1", "h:1"});
  d.auth.cert_file = "/cert";
  const auto problems = make_etcd_factory()->validate(d, "p");
  std::vector<std::string> fields;
  for (const Problem& problem : problems) {
    fields.push_back(problem.field);
    EXPECT_THAT(problem.value + problem.expected, Not(HasSubstr("secret")));
  }
  EXPECT_THAT(fields, ::testing::UnorderedElementsAre("p.watch_params.prefix", "p.watch_params.id",
                                                      "p.watch_params.attest_ms", "p.endpoints[0]",
                                                      "p.auth"));
  EXPECT_FALSE(make_etcd_factory()->validate(descriptor({{"prefix", ""}}), "p").empty());
  EXPECT_FALSE(make_etcd_factory()->validate(descriptor({{"prefix", "a\nb"}}), "p").empty());
}

}  // namespace
}  // namespace rollcall::test
