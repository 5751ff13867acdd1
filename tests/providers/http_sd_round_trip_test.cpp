// What /v1/http_sd writes and the http provider reads: the same members, with the same hash.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "bridges/http/http_sd_json.h"
#include "core/codec/canonical.h"
#include "providers/http/http_sd_answer.h"
#include "tests/providers/provider_support.h"

namespace rollcall::test {
namespace {

using nlohmann::json;

HttpSdSettings settings() {
  ProviderDescriptor d;
  d.kind = "http";
  d.endpoints = {"http://127.0.0.1:9631/v1/http_sd"};
  d.watch_params = {{"id", "label:__meta_rollcall_id"}};
  return http_sd_settings(d);
}

MemberMap map_of(const std::vector<ClusterNode>& nodes, bool blocked = false) {
  std::vector<Member> members;
  for (const ClusterNode& node : nodes) members.push_back(make_member(node, blocked));
  return MemberMap::from(std::move(members));
}

std::vector<ClusterNode> awkward_nodes() {
  ClusterNode plain = make_node("plain");
  ClusterNode full = make_node("full", 65535);
  full.zone = "eu-1 / \"a\"";
  full.weight = 4294967295u;
  full.status = NodeStatus::NotReady;
  full.incarnation = "7";
  full.labels = {{"team", "blue"}, {"empty", ""}, {"Quote", "\"\\\n\t\x01"}};
  ClusterNode slashes = make_node("slashes");
  slashes.labels = {{"app.kubernetes.io/name", "web"},
                    {"app_kubernetes_io_name", "other"},  // the same name once it is plain
                    {"rollcall-incarnation", "3"},
                    {"ünï", "ö"}};
  slashes.incarnation = "3";
  ClusterNode nested = make_node("nested");
  nested.labels = {{"__meta_rollcall_id", "x"}, {"labels", "{}"}, {"9", "digit"}};
  ClusterNode v6 = make_node("v6", 0);
  v6.host = "fd00::1";
  v6.status = NodeStatus::Draining;
  v6.weight = 0;
  ClusterNode zoned = make_node("zoned");
  zoned.host = "fe80::1%eth0";
  ClusterNode named = make_node("n/with spaces:and-1");
  named.host = "db-1.example";
  return {plain, full, slashes, nested, v6, zoned, named};
}

TEST(HttpSdRoundTrip, EveryMemberIsTheSameWithTheSameHash) {
  const MemberMap members = map_of(awkward_nodes());
  const auto read = parse_http_sd(http_sd_json(members), settings());
  ASSERT_TRUE(read) << read.error().message;
  for (const ClusterNode& node : *read) {
    const Member* wanted = members.find(node.id);
    ASSERT_NE(wanted, nullptr) << node.id.str();
    EXPECT_EQ(node, *wanted->node) << node.id.str();
  }
  EXPECT_EQ(map_of(*read).hash(), members.hash());
}

TEST(HttpSdRoundTrip, ABlockIsShownAndIsNotHandedOn) {
  const MemberMap blocked = map_of({make_node("a")}, true);
  const std::string text = http_sd_json(blocked);
  EXPECT_EQ(json::parse(text)[0]["labels"]["__meta_rollcall_blocked"], "true");
  const auto read = parse_http_sd(text, settings());
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(map_of(*read).hash(), map_of({make_node("a")}).hash());
}

TEST(HttpSdRoundTrip, R2_4_NoMembersIsAnEmptyList) {
  EXPECT_EQ(http_sd_json({}), "[]\n");
  const auto read = parse_http_sd(http_sd_json({}), settings());
  ASSERT_TRUE(read);
  EXPECT_TRUE(read->empty());
}

TEST(HttpSdRoundTrip, TheListIsInOrderAndEveryLabelIsOneThatPrometheusAccepts) {
  const MemberMap members = map_of(awkward_nodes());
  const std::string text = http_sd_json(members);
  EXPECT_EQ(text, http_sd_json(map_of(awkward_nodes())));
  std::vector<std::string> ids;
  for (const json& group : json::parse(text)) {
    EXPECT_EQ(group.size(), 2u);
    EXPECT_EQ(group["targets"].size(), 1u);
    for (const auto& [name, value] : group["labels"].items()) {
      EXPECT_TRUE(value.is_string()) << name;
      EXPECT_THAT(name, ::testing::MatchesRegex("[a-zA-Z_][a-zA-Z0-9_]*"));
    }
    ids.push_back(group["labels"]["__meta_rollcall_id"]);
  }
  EXPECT_TRUE(std::is_sorted(ids.begin(), ids.end()));
  EXPECT_EQ(ids.size(), members.size());
}

TEST(HttpSdRoundTrip, AVersionIsWrittenOnce) {
  HttpSdDocument document;
  const MemberMap one = map_of({make_node("a")});
  const auto first = document.of(one);
  EXPECT_EQ(document.of(one), first);  // the same object
  const auto second = document.of(one.with(make_member(make_node("b"))));
  EXPECT_NE(second, first);
  EXPECT_EQ(*document.of(one), *first);
  EXPECT_EQ(*HttpSdDocument().of({}), "[]\n");
}

TEST(HttpSdRoundTrip, IfNoneMatchIsAListOfETags) {
  for (const char* match : {"\"7\"", "W/\"7\"", "*", "\"1\", \"7\"", " \"7\" ,\"1\""}) {
    EXPECT_TRUE(etag_matches(match, "\"7\"")) << match;
  }
  for (const char* other : {"", "7", "\"77\"", "\"1\", \"2\"", ",", "W/"}) {
    EXPECT_FALSE(etag_matches(other, "\"7\"")) << other;
  }
}

}  // namespace
}  // namespace rollcall::test
