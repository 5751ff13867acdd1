// What an answer of Consul means, without a network: members out of entries, failures out of
// statuses and headers, and hostile bodies.
#include "providers/consul/consul_answer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "core/limits.h"
#include "tests/providers/consul_text.h"
#include "tests/providers/provider_support.h"

namespace rollcall::test {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

ConsulSettings settings_with(std::map<std::string, std::string> params) {
  ProviderDescriptor d;
  d.id = ProviderId("c");
  d.kind = "consul";
  d.endpoints = {"http://127.0.0.1:8500"};
  d.watch_params = std::move(params);
  d.watch_params["service"] = "web";
  EXPECT_TRUE(validate_consul(d, "").empty());
  return consul_settings(d);
}

ClusterNode one_of(const std::string& entry, std::map<std::string, std::string> params = {}) {
  const auto members = parse_members("[" + entry + "]", settings_with(std::move(params)));
  if (!members || members->size() != 1) {
    ADD_FAILURE() << (members ? "no member" : members.error().message);
    return {};
  }
  return members->front();
}

TEST(ConsulAnswer, AnEntryBecomesAMember) {
  const ClusterNode node = one_of(R"({
    "Node": {"Node": "n1", "Address": "10.0.0.1", "Datacenter": "dc1", "Meta": {"zone": "z9"}},
    "Service": {"ID": "web-1", "Service": "web", "Address": "", "Port": 80, "Tags": ["b", "a"],
                "Meta": {"rollcall-incarnation": "7", "team": "x"},
                "Weights": {"Passing": 10, "Warning": 3}},
    "Checks": [{"CheckID": "serfHealth", "Status": "passing"}]})");
  EXPECT_EQ(node.id, NodeId("n1/web-1"));
  EXPECT_EQ(node.host, "10.0.0.1");  // an empty Service.Address means the node's
  EXPECT_EQ(node.port, 80);
  EXPECT_EQ(node.zone, "z9");
  EXPECT_EQ(node.weight, 10u);
  EXPECT_EQ(node.incarnation, "7");
  EXPECT_EQ(node.status, NodeStatus::Ready);
  const std::map<std::string, std::string> labels = {{"consul-tags", "a,b"}, {"team", "x"}};
  EXPECT_EQ(node.labels, labels);
}

TEST(ConsulAnswer, WhatIsNotSaidHasADefault) {
  const ClusterNode node = one_of(R"({"Node": {"Node": "n1", "Address": "h", "Datacenter": "dc2",
      "Meta": null}, "Service": {"ID": "s", "Meta": null, "Tags": null}, "Checks": null})");
  EXPECT_EQ(node.zone, "dc2");
  EXPECT_EQ(node.port, 0);
  EXPECT_EQ(node.weight, 1u);
  EXPECT_TRUE(node.labels.empty());
  EXPECT_TRUE(node.incarnation.empty());
}

TEST(ConsulAnswer, ChecksMakeTheStatus) {
  const struct {
    const char* checks;
    NodeStatus status;
    std::uint32_t weight;
  } cases[] = {
      {"passing,passing", NodeStatus::Ready, 10},
      {"passing,warning", NodeStatus::Ready, 3},
      {"critical,passing", NodeStatus::NotReady, 10},
      {"_node_maintenance", NodeStatus::Draining, 10},
      {"_service_maintenance:s,warning", NodeStatus::Draining, 3},
      {"_service_maintenance:s,critical", NodeStatus::NotReady, 10},
  };
  for (const auto& c : cases) {
    SCOPED_TRACE(c.checks);
    const ClusterNode node = one_of(consul_entry("n1", "s", {.checks = c.checks}));
    EXPECT_EQ(node.status, c.status);
    EXPECT_EQ(node.weight, c.weight);
  }
}

TEST(ConsulAnswer, IdsComeFromWhereTheOperatorSays) {
  const std::string entry = consul_entry("n1", "s1", {.meta = R"("uid": "u-7", "zone": "a")"});
  EXPECT_EQ(one_of(entry, {{"id", "node/service"}}).id, NodeId("n1/s1"));
  EXPECT_EQ(one_of(entry, {{"id", "node"}}).id, NodeId("n1"));
  EXPECT_EQ(one_of(entry, {{"id", "service"}}).id, NodeId("s1"));
  const ClusterNode by_meta = one_of(entry, {{"id", "meta:uid"}});
  EXPECT_EQ(by_meta.id, NodeId("u-7"));
  EXPECT_TRUE(by_meta.labels.empty());  // what became a field is no label
  const auto absent = parse_members("[" + entry + "]", settings_with({{"id", "meta:other"}}));
  ASSERT_FALSE(absent.has_value());
  EXPECT_EQ(absent.error().code, ErrorCode::MalformedResponse);
}

TEST(ConsulAnswer, TwoEntriesWithOneIdAreNeverMerged) {
  const std::string body = "[" + consul_entry("n1", "web") + "," + consul_entry("n2", "web") + "]";
  EXPECT_EQ(parse_members(body, settings_with({}))->size(), 2u);
  const auto members = parse_members(body, settings_with({{"id", "service"}}));
  ASSERT_FALSE(members.has_value());
  EXPECT_EQ(members.error().code, ErrorCode::MalformedResponse);
  EXPECT_THAT(members.error().message, HasSubstr("web"));
}

TEST(ConsulAnswer, LabelsStayWithinTheirLimits) {
  std::string meta = R"("k0": "v")";
  for (int i = 1; i < 64; ++i) meta += ", \"k" + std::to_string(i) + "\": \"v\"";
  const ClusterNode full = one_of(consul_entry("n", "s", {.meta = meta, .tags = R"("t")"}));
  EXPECT_EQ(full.labels.size(), limits::kMaxLabels);  // no room for the tags
  EXPECT_FALSE(full.labels.contains("consul-tags"));
  const std::string long_tag(500, 'a');
  const ClusterNode tagged =
      one_of(consul_entry("n", "s", {.tags = "\"" + long_tag + "\", \"bbbbbbbbbbbbbbbb\", \"c\""}));
  EXPECT_EQ(tagged.labels.at("consul-tags"), long_tag + ",c");
}

TEST(ConsulAnswer, HostileBodiesAreMalformed) {
  const std::string good = consul_entry("n", "s");
  const auto with = [&](const std::string& from, const std::string& to) {
    std::string text = good;
    text.replace(text.find(from), from.size(), to);
    return "[" + text + "]";
  };
  const struct {
    const char* name;
    std::string body;
  } cases[] = {
      {"empty", ""},
      {"null", "null"},
      {"an object", "{}"},
      {"a list of numbers", "[1,2]"},
      {"no Service", R"([{"Node":{"Node":"n","Address":"h"},"Checks":[]}])"},
      {"a port that is text", with("\"Port\":80", "\"Port\":\"80\"")},
      {"a port too high", with("\"Port\":80", "\"Port\":70000")},
      {"a negative port", with("\"Port\":80", "\"Port\":-1")},
      {"a fraction of a port", with("\"Port\":80", "\"Port\":80.0")},
      {"a name that is a list", with("\"Node\":\"n\"", "\"Node\":[\"n\"]")},
      {"an empty name", with("\"Node\":\"n\"", "\"Node\":\"\"")},
      {"meta of numbers", with("\"Meta\":{}", "\"Meta\":{\"a\":1}")},
      {"meta twice", with("\"Meta\":{}", "\"Meta\":{\"a\":\"1\",\"a\":\"2\"}")},
      {"a field twice", with("\"Port\":80", "\"Port\":80,\"Port\":81")},
      {"tags of objects", with("\"Tags\":[]", "\"Tags\":[{}]")},
      {"an unknown status", with("\"passing\"", "\"fine\"")},
      {"weights too large", with("\"Passing\":10", "\"Passing\":5000000000")},
      {"control characters", with("\"Node\":\"n\"", "\"Node\":\"n\\u0007\"")},
      {"invalid UTF-8", with("\"Node\":\"n\"", "\"Node\":\"n\xff\"")},
      {"cut in the middle", ("[" + good).substr(0, 60)},
      {"200 levels deep", std::string(200, '[') + std::string(200, ']')},
      {"trailing text", "[" + good + "] x"},
  };
  for (const auto& c : cases) {
    SCOPED_TRACE(c.name);
    const auto members = parse_members(c.body, settings_with({}));
    ASSERT_FALSE(members.has_value());
    EXPECT_EQ(members.error().code, ErrorCode::MalformedResponse) << members.error().message;
    EXPECT_LT(members.error().message.size(), limits::kMaxErrorDetailBytes);
  }
}

TEST(ConsulAnswer, TooManyEntriesAreALimit) {
  std::string body = "[";
  for (std::size_t i = 0; i <= limits::kMaxMembers; ++i) {
    body += R"({"Node":{"Node":"n","Address":"h"},"Service":{"ID":")" + std::to_string(i) + "\"}},";
  }
  body.back() = ']';
  const auto members = parse_members(body, settings_with({}));
  ASSERT_FALSE(members.has_value());
  EXPECT_EQ(members.error().code, ErrorCode::LimitExceeded);
}

TEST(ConsulAnswer, StatusesAndHeadersAreJudged) {
  const auto response = [](int status, const std::string& body,
                           std::vector<std::pair<std::string, std::string>> headers) {
    HttpResponse r;
    r.status = status;
    r.body = body;
    r.headers = std::move(headers);
    return r;
  };
  using H = std::vector<std::pair<std::string, std::string>>;
  const H index = {{"x-consul-index", "7"}, {"x-consul-knownleader", "true"}};
  const auto plus = [&](const std::string& name, const std::string& value) {
    H all = index;
    all.emplace_back(name, value);
    return all;
  };
  const struct {
    const char* name;
    HttpResponse response;
    ErrorCode code;
  } cases[] = {
      {"bad request", response(400, "Invalid", {}), ErrorCode::InvalidConfig},
      {"bad filter", response(500, "Failed to create boolean expression evaluator: x", {}),
       ErrorCode::InvalidConfig},
      {"unauthorized", response(401, "", {}), ErrorCode::AuthFailed},
      {"bad token", response(403, "ACL not found", {}), ErrorCode::AuthFailed},
      {"bad token, relayed", response(500, "rpc error making call: ACL not found", {}),
       ErrorCode::AuthFailed},
      {"denied", response(403, "Permission denied: token lacks ...", {}),
       ErrorCode::PermissionDenied},
      {"denied, relayed", response(500, "rpc error making call: Permission denied", {}),
       ErrorCode::PermissionDenied},
      {"no leader", response(500, "No cluster leader", {}), ErrorCode::BackendUnavailable},
      {"limited", response(429, "rate limit", {}), ErrorCode::BackendUnavailable},
      {"unavailable", response(503, "", {}), ErrorCode::BackendUnavailable},
      {"redirect", response(301, "", {}), ErrorCode::MalformedResponse},
      {"not Consul", response(404, "<html>", {}), ErrorCode::MalformedResponse},
      {"no index", response(200, "[]", {}), ErrorCode::CapabilityMissing},
      {"index of words", response(200, "[]", {{"x-consul-index", "x"}}),
       ErrorCode::MalformedResponse},
      {"leader unknown",
       response(200, "[]", {{"x-consul-index", "7"}, {"x-consul-knownleader", "false"}}),
       ErrorCode::BackendUnavailable},
      {"an agent's cache", response(200, "[]", plus("x-consul-query-backend", "streaming")),
       ErrorCode::CapabilityMissing},
      {"filtered", response(200, "[]", plus("x-consul-results-filtered-by-acls", "true")),
       ErrorCode::PermissionDenied},
      {"stale", response(200, "[]", plus("x-consul-lastcontact", "10001")),
       ErrorCode::BackendUnavailable},
  };
  const ConsulSettings stale = settings_with({{"mode", "stale"}});
  for (const auto& c : cases) {
    SCOPED_TRACE(c.name);
    const auto judged = judge(c.response, stale);
    ASSERT_FALSE(judged.has_value());
    EXPECT_EQ(judged.error().code, c.code) << judged.error().message;
  }
  EXPECT_EQ(judge(response(200, "[]", plus("x-consul-lastcontact", "9999")), stale), 7u);
  // An index of 0 would make the next question not block (PROTOCOLS).
  EXPECT_EQ(judge(response(200, "[]", {{"x-consul-index", "0"}}), stale), 1u);
}

TEST(ConsulSettings, R1_1_AllProblemsOfADescriptorAtOnce) {
  ProviderDescriptor d;
  d.id = ProviderId("c");
  d.kind = "consul";
  d.endpoints = {"http://user:secret@h:1", "https://ok"};
  d.watch_params = {{"wait_ms", "600000"}, {"id", "colour"}, {"mode", "both"}};
  d.auth.cert_file = "/c";
  const auto problems = validate_consul(d, "providers[0]");
  std::vector<std::string> fields;
  for (const Problem& p : problems) {
    fields.push_back(p.field);
    EXPECT_EQ(p.value.find("secret"), std::string::npos);
  }
  EXPECT_THAT(fields, ::testing::UnorderedElementsAre(
                          "providers[0].endpoints[0]", "providers[0].watch_params.service",
                          "providers[0].watch_params.wait_ms", "providers[0].watch_params.id",
                          "providers[0].watch_params.mode", "providers[0].auth"));
}

TEST(ConsulSettings, TheQuestionIsEncoded) {
  const ConsulSettings settings = settings_with({{"filter", "Service.Meta.a == \"b c\""},
                                                 {"datacenter", "dc2"},
                                                 {"passing_only", "true"},
                                                 {"mode", "stale"},
                                                 {"wait_ms", "250"}});
  EXPECT_EQ(blocking_target(settings, 42),
            "/v1/health/service/web?dc=dc2&filter=Service.Meta.a%20%3D%3D%20%22b%20c%22&near=_agent"
            "&passing&stale&index=42&wait=250ms");
}

}  // namespace
}  // namespace rollcall::test
