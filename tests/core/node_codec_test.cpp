#include "core/codec/node_codec.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "tests/core/sample_members.h"

namespace rollcall {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::vector<ClusterNode> parsed(std::string_view text) {
  auto nodes = parse_node_list(text, {});
  EXPECT_TRUE(nodes) << text << ": " << (nodes ? "" : nodes.error().message);
  return nodes ? *std::move(nodes) : std::vector<ClusterNode>{};
}

ProvisioningError refused(std::string_view text, const ReadLimits& read_limits = {}) {
  const auto nodes = parse_node_list(text, read_limits);
  EXPECT_FALSE(nodes) << text;
  return nodes ? ProvisioningError{} : nodes.error();
}

std::vector<std::string> fields_of(const ProvisioningError& error) {
  std::vector<std::string> fields;
  for (const Problem& problem : error.problems) fields.push_back(problem.field);
  return fields;
}

TEST(NodeCodec, ReadsTheMemberList) {
  const auto nodes = parsed(
      R"([{"id":"n1","host":"10.0.0.1","port":7000,"zone":"a","labels":{"k":"v"},"weight":5,)"
      R"("status":"DRAINING","incarnation":"7"},{"id":"n2","host":"h"}])");
  ASSERT_EQ(nodes.size(), 2u);
  EXPECT_EQ(nodes[0].id, NodeId("n1"));
  EXPECT_EQ(nodes[0].host, "10.0.0.1");
  EXPECT_EQ(nodes[0].port, 7000);
  EXPECT_EQ(nodes[0].zone, "a");
  EXPECT_EQ(nodes[0].labels.at("k"), "v");
  EXPECT_EQ(nodes[0].weight, 5u);
  EXPECT_EQ(nodes[0].status, NodeStatus::Draining);
  EXPECT_EQ(nodes[0].incarnation, "7");
  EXPECT_EQ(nodes[1].weight, 1u);
  EXPECT_EQ(nodes[1].status, NodeStatus::Ready);
}

TEST(NodeCodec, YamlAndMembersObjectAreTheSame) {
  const auto expected = parsed(R"([{"id":"n1","host":"h","port":1,"zone":"1","incarnation":"7"}])");
  EXPECT_EQ(parsed("- id: n1\n  host: h\n  port: 1\n  zone: 1\n  incarnation: 7\n"), expected);
  EXPECT_EQ(parsed("members:\n- {id: n1, host: h, port: 1, zone: 1, incarnation: 7}\n"), expected);
  EXPECT_TRUE(parsed("[]").empty());
  EXPECT_TRUE(parsed("members: []").empty());
}

TEST(NodeCodec, TheLabelDeclaresTheIncarnationUnlessTheFieldDoes) {
  const auto nodes =
      parsed(R"([{"id":"a","host":"h","labels":{"rollcall-incarnation":"5"}},)"
             R"({"id":"b","host":"h","labels":{"rollcall-incarnation":"5"},"incarnation":"6"},)"
             R"({"id":"c","host":"h"}])");
  EXPECT_EQ(nodes[0].incarnation, "5");
  EXPECT_EQ(nodes[0].labels.size(), 1u) << "the label stays a label";
  EXPECT_EQ(nodes[1].incarnation, "6");
  EXPECT_EQ(nodes[2].incarnation, "");
}

TEST(NodeCodec, StatusesAreReadAsPeopleWriteThem) {
  for (const auto& [text, status] :
       std::vector<std::pair<std::string, NodeStatus>>{{"ready", NodeStatus::Ready},
                                                       {"Draining", NodeStatus::Draining},
                                                       {"not-ready", NodeStatus::NotReady},
                                                       {"NOT_READY", NodeStatus::NotReady}}) {
    EXPECT_EQ(parsed("- {id: a, host: h, status: " + text + "}")[0].status, status);
  }
  EXPECT_THAT(fields_of(refused("- {id: a, host: h, status: up}")),
              ElementsAre("members[0].status"));
}

TEST(NodeCodec, TwoMembersWithOneIdAreNeverMerged) {
  const auto error =
      refused(R"([{"id":"a","host":"h"},{"id":"b","host":"h"},{"id":"a","host":"h"}])",
              {.code = ErrorCode::MalformedResponse});
  EXPECT_EQ(error.code, ErrorCode::MalformedResponse);
  EXPECT_THAT(fields_of(error), ElementsAre("members[2].id"));
}

TEST(NodeCodec, R1_1_NamesEveryProblemAtOnceWithItsLine) {
  const auto error = refused(R"([
{"id":"a","host":"h","port":70000},
{"host":"h"},
{"id":"c","host":"h:80"},
{"id":"d","host":"h","prot":1},
{"id":"e","host":"h","labels":{"v":1.10}},
{"id":"f","host":"h","weight":-1},
7])");
  EXPECT_THAT(fields_of(error),
              ElementsAre("members[0].port", "members[1].id", "members[2].host", "members[3].prot",
                          "members[4].labels.v", "members[5].weight", "members[6]"));
  EXPECT_THAT(error.problems[0].expected, HasSubstr("(line 2)"));
  EXPECT_THAT(error.problems[2].expected, HasSubstr("(line 4)"));
  EXPECT_THAT(error.problems[4].expected, HasSubstr("quotes"));
}

TEST(NodeCodec, WhatIsNoListIsRefused) {
  for (const char* text : {"", "1", "x", "{}", "{\"members\":{}}", "{\"members\":[],\"x\":1}",
                           "null", "[[]]", "members:", "{\"members\":null}"}) {
    refused(text);
  }
}

TEST(NodeCodec, WhatIsWrittenComesBack) {
  for (std::uint64_t seed = 1; seed <= 100; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937_64 random(seed);
    std::vector<ClusterNode> nodes;
    for (std::size_t i = random() % 10; i > 0; --i) {
      nodes.push_back(test::random_node(random, test::numbered_id(i)));
    }
    const std::string text = nodes_to_json(nodes, static_cast<int>(random() % 3)).value();
    EXPECT_EQ(parsed(text), nodes);
  }
}

}  // namespace
}  // namespace rollcall
