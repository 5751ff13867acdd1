// What an http_sd answer means: members, or which failure it is.
#include "providers/http/http_sd_answer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/limits.h"
#include "providers/common/jitter.h"
#include "providers/http/http_provider.h"
#include "tests/providers/provider_support.h"

namespace rollcall::test {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using Params = std::map<std::string, std::string>;

ProviderDescriptor descriptor(Params params = {}, std::vector<std::string> urls = {"http://sd"}) {
  ProviderDescriptor d;
  d.id = ProviderId("sd");
  d.kind = "http";
  d.endpoints = std::move(urls);
  d.watch_params = std::move(params);
  return d;
}

Result<std::vector<ClusterNode>> parse(const std::string& body, Params params = {}) {
  return parse_http_sd(body, http_sd_settings(descriptor(std::move(params))));
}

std::string code_of(const Result<std::vector<ClusterNode>>& members) {
  return members ? "fine" : std::string(to_string(members.error().code));
}

HttpResponse response(int status, const std::string& type = "application/json") {
  HttpResponse r;
  r.status = status;
  if (!type.empty()) r.headers.emplace_back("content-type", type);
  return r;
}

std::string verdict(const HttpResponse& r, bool conditional = false) {
  const auto judged = judge_http_sd(r, conditional);
  if (!judged) return std::string(to_string(judged.error().code));
  return *judged == HttpSdVerdict::List ? "list" : "not modified";
}

TEST(HttpSdAnswer, AnyListOfPrometheusIsAListOfMembers) {
  const auto members = parse(R"([
      {"targets": ["10.0.0.1:9100", "db.example:5432"], "labels": {"env": "prod", "__meta_dc": "1"}},
      {"targets": ["[fd00::1]:80"]}, {"targets": [], "labels": {"nobody": "here"}}])");
  ASSERT_TRUE(members) << members.error().message;
  ASSERT_THAT(ids_of(*members), ElementsAre("10.0.0.1:9100", "[fd00::1]:80", "db.example:5432"));
  const ClusterNode& first = members->front();
  EXPECT_EQ(first.host, "10.0.0.1");
  EXPECT_EQ(first.port, 9100);
  EXPECT_EQ(first.labels,
            (std::map<std::string, std::string>{{"env", "prod"}, {"__meta_dc", "1"}}));
  EXPECT_EQ(first.status, NodeStatus::Ready);
  EXPECT_EQ(first.weight, 1u);
  EXPECT_EQ((*members)[2].host, "fd00::1");
  EXPECT_TRUE((*members)[2].labels.empty());
}

TEST(HttpSdAnswer, R2_4_AnEmptyListIsAnAnswer) {
  const auto members = parse(" [ ] ");
  ASSERT_TRUE(members);
  EXPECT_TRUE(members->empty());
}

TEST(HttpSdAnswer, LabelsBecomeTheFieldsThatSettingsName) {
  const auto members = parse(
      R"([{"targets": ["a:1"], "labels": {"name": "n1", "az": "z1", "w": "7", "state": "draining",
                                          "life": "2", "team": "blue"}}])",
      {{"id", "label:name"},
       {"zone_label", "az"},
       {"weight_label", "w"},
       {"status_label", "state"},
       {"incarnation_label", "life"}});
  ASSERT_TRUE(members) << members.error().message;
  ClusterNode wanted = make_node("n1", 1);
  wanted.host = "a";
  wanted.zone = "z1";
  wanted.weight = 7;
  wanted.status = NodeStatus::Draining;
  wanted.incarnation = "2";
  wanted.labels = {{"team", "blue"}};
  EXPECT_EQ(members->front(), wanted);
}

TEST(HttpSdAnswer, WhatIsNotExactlyTheFormatIsMalformed) {
  for (const char* body :
       {"",
        "{}",
        "null",
        "[",
        "[1]",
        "[null]",
        R"([{"labels": {}}])",
        R"([{"targets": "a:1"}])",
        R"([{"targets": [1]}])",
        R"([{"targets": ["a:1"], "labels": []}])",
        R"([{"targets": ["a:1"], "labels": {"k": 1}}])",
        R"([{"targets": ["a:1"], "labels": {"k": "1", "k": "2"}}])",
        R"([{"targets": ["a:1"], "targets": ["b:1"]}])",
        R"([{"targets": ["a:1"], "more": 1}])",
        R"([{"targets": ["a"]}])",
        R"([{"targets": ["a:"]}])",
        R"([{"targets": [":1"]}])",
        R"([{"targets": ["a:65536"]}])",
        R"([{"targets": ["a:-1"]}])",
        R"([{"targets": ["a:1x"]}])",
        R"([{"targets": ["fd00::1"]}])",
        R"([{"targets": ["[fd00::1:80"]}])",
        R"([{"targets": ["http://a:1"]}])",
        R"([{"targets": ["a b:1"]}])",
        R"([{"targets": ["a:1"], "labels": {"__meta_rollcall_weight": "many"}}])",
        R"([{"targets": ["a:1"], "labels": {"__meta_rollcall_weight": "4294967296"}}])",
        R"([{"targets": ["a:1"], "labels": {"__meta_rollcall_status": "SLEEPY"}}])",
        R"([{"targets": ["a:1"], "labels": {"__meta_rollcall_labels": "[]"}}])",
        R"([{"targets": ["a:1"], "labels": {"__meta_rollcall_labels": "{\"k\": 1}"}}])"}) {
    EXPECT_EQ(code_of(parse(body)), "MALFORMED_RESPONSE") << body;
  }
}

TEST(HttpSdAnswer, TwoTargetsWithOneIdAreMalformed) {
  EXPECT_EQ(code_of(parse(R"([{"targets": ["a:1", "a:1"]}])")), "MALFORMED_RESPONSE");
  // The same port written in two ways is the same target.
  EXPECT_EQ(code_of(parse(R"([{"targets": ["a:1"]}, {"targets": ["a:01"]}])")),
            "MALFORMED_RESPONSE");
  const Params by_name = {{"id", "label:name"}};
  EXPECT_EQ(code_of(parse(R"([{"targets": ["a:1", "b:1"], "labels": {"name": "n"}}])", by_name)),
            "MALFORMED_RESPONSE");
  EXPECT_EQ(code_of(parse(R"([{"targets": ["a:1"]}])", by_name)), "MALFORMED_RESPONSE");
}

TEST(HttpSdAnswer, MoreTargetsThanThereMayBeAreALimit) {
  std::string body = "[";
  for (std::size_t i = 0; i <= limits::kMaxMembers; ++i) {
    body += (i == 0 ? "" : ",") + std::string(R"({"targets":["h)") + std::to_string(i) + ":1\"]}";
  }
  EXPECT_EQ(code_of(parse(body + "]")), "LIMIT_EXCEEDED");
}

TEST(HttpSdAnswer, OnlyAListWithStatus200AndItsTypeIsAList) {
  EXPECT_EQ(verdict(response(200)), "list");
  EXPECT_EQ(verdict(response(200, "Application/JSON; charset=UTF-8")), "list");
  EXPECT_EQ(verdict(response(200, "application/json;charset=\"utf-8\"")), "list");
  for (const char* type : {"", "text/plain", "application/json; charset=latin1",
                           "application/jsonx", "text/html; application/json"}) {
    EXPECT_EQ(verdict(response(200, type)), "MALFORMED_RESPONSE") << type;
  }
  const std::pair<int, const char*> cases[] = {
      {201, "MALFORMED_RESPONSE"},  {204, "MALFORMED_RESPONSE"}, {206, "MALFORMED_RESPONSE"},
      {301, "MALFORMED_RESPONSE"},  {302, "MALFORMED_RESPONSE"}, {400, "INVALID_CONFIG"},
      {401, "AUTH_FAILED"},         {403, "PERMISSION_DENIED"},  {404, "INVALID_CONFIG"},
      {410, "INVALID_CONFIG"},      {418, "MALFORMED_RESPONSE"}, {429, "BACKEND_UNAVAILABLE"},
      {500, "BACKEND_UNAVAILABLE"}, {503, "BACKEND_UNAVAILABLE"}};
  for (const auto& [status, code] : cases) {
    EXPECT_EQ(verdict(response(status)), code) << status;
    EXPECT_EQ(verdict(response(status), true), code) << status;
  }
}

TEST(HttpSdAnswer, NotModifiedIsAnAnswerOnlyToWhoNamedAnETag) {
  EXPECT_EQ(verdict(response(304, ""), true), "not modified");
  EXPECT_EQ(verdict(response(304, ""), false), "MALFORMED_RESPONSE");
}

TEST(HttpSdAnswer, S3_AStaleListOfAnotherSidecarConfirmsNothing) {
  for (const int status : {200, 304}) {
    HttpResponse stale = response(status);
    stale.headers.emplace_back("x-rollcall-stale", "true");
    EXPECT_EQ(verdict(stale, true), "BACKEND_UNAVAILABLE") << status;
  }
}

TEST(HttpSdAnswer, AnETagIsSentBackOnlyIfItIsOne) {
  const auto etag = [](const std::string& text) {
    HttpResponse r = response(200);
    r.headers.emplace_back("etag", text);
    return usable_etag(r);
  };
  EXPECT_EQ(etag("\"abc\""), "\"abc\"");
  EXPECT_EQ(etag("W/\"abc\""), "W/\"abc\"");
  EXPECT_EQ(etag("\"\""), "\"\"");
  EXPECT_EQ(usable_etag(response(200)), "");
  for (const std::string& bad :
       {std::string("abc"), std::string("\""), std::string("\"a b\""), std::string("\"\xc3\xa4\""),
        "\"" + std::string(300, 'a') + "\""}) {
    EXPECT_EQ(etag(bad), "") << bad;
  }
}

TEST(HttpSdSettings, UrlsArePartedAsTheyAreAsked) {
  const auto url = parse_http_sd_url("https://sd.example/list/a?dc=1&key=5ecret");
  ASSERT_TRUE(url) << url.error();
  EXPECT_EQ(url->endpoint.scheme, Endpoint::Scheme::Https);
  EXPECT_EQ(url->endpoint.host, "sd.example");
  EXPECT_EQ(url->endpoint.port, 443);
  EXPECT_EQ(url->target, "/list/a?dc=1&key=5ecret");
  EXPECT_THAT(url->shown, Not(HasSubstr("5ecret")));
  EXPECT_EQ(parse_http_sd_url("sd:8080")->target, "/");
  EXPECT_EQ(parse_http_sd_url("sd:8080")->endpoint.port, 8080);
  EXPECT_EQ(parse_http_sd_url("http://sd?x=1")->target, "/?x=1");
  EXPECT_EQ(parse_http_sd_url("http://[::1]/x")->endpoint.host, "::1");
  for (const char* bad :
       {"", "/x", "ftp://sd/x", "unix:///run/sd.sock", "http://u:p@sd/x", "http://sd/a b",
        "http://sd/#top", "http://sd/\r\nX: y", "http://sd:0/", "http://sd:99999/x"}) {
    EXPECT_FALSE(parse_http_sd_url(bad)) << bad;
  }
}

TEST(HttpSdSettings, R1_1_EveryProblemIsNamed) {
  const auto factory = make_http_factory();
  EXPECT_TRUE(factory->validate(descriptor(), "p").empty());
  ProviderDescriptor bad = descriptor(
      {{"id", "name"}, {"refresh_ms", "49"}, {"timeout_ms", "60001"}}, {"http://user:hunter2@sd/"});
  bad.auth.key_file = "/k";
  const auto problems = factory->validate(bad, "p");
  std::vector<std::string> fields;
  for (const Problem& problem : problems) {
    fields.push_back(problem.field);
    EXPECT_THAT(problem.value, Not(HasSubstr("hunter2")));
  }
  EXPECT_THAT(fields, ElementsAre("p.watch_params.refresh_ms", "p.watch_params.timeout_ms",
                                  "p.watch_params.id", "p.endpoints[0]", "p.auth"));
}

TEST(HttpSdSettings, S3_TheAttestIntervalFollowsTheRefresh) {
  RealClock clock;
  const auto attest = [&](Params params) {
    auto provider =
        make_http_factory()->create(descriptor(std::move(params)), {&clock, nullptr, ""});
    EXPECT_TRUE(provider);
    return (*provider)->attest_interval();
  };
  EXPECT_LE(attest({}), Duration(limits::kDegradedAfter));
  EXPECT_GE(attest({{"refresh_ms", "60000"}}), Duration(std::chrono::seconds(66)));
  EXPECT_LE(attest({{"refresh_ms", "60000"}}), Duration(std::chrono::seconds(72)));
}

TEST(JitterTest, IntervalsOfAFleetSpreadAndOneSeedRepeats) {
  const Duration interval = std::chrono::seconds(10);
  const std::uint64_t base = 20261121;
  SCOPED_TRACE("seeds from " + std::to_string(base));
  std::set<Duration> seen;
  Duration least = 2 * interval;
  Duration most{};
  for (std::uint64_t i = 0; i < 1000; ++i) {
    Jitter jitter(base + i);
    const Duration got = jitter.lengthened(interval, 0.1);
    least = std::min(least, got);
    most = std::max(most, got);
    seen.insert(got);
    EXPECT_EQ(Jitter(base + i).lengthened(interval, 0.1), got);
    EXPECT_NE(jitter.lengthened(interval, 0.1), got);
  }
  EXPECT_GE(least, interval);
  EXPECT_LE(most, interval + interval / 10);
  EXPECT_GT(most - least, interval / 10 * 9 / 10);  // the whole tenth is used
  EXPECT_EQ(seen.size(), 1000u);
  EXPECT_EQ(Jitter(1).lengthened(interval, 0.0), interval);
}

}  // namespace
}  // namespace rollcall::test
