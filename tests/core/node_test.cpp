#include "core/node.h"

#include <gtest/gtest.h>

#include <random>

#include "core/limits.h"
#include "tests/core/sample_members.h"

namespace rollcall {
namespace {

ClusterNode good_node() {
  ClusterNode node;
  node.id = NodeId("n1");
  node.host = "10.0.0.1";
  node.port = 7000;
  return node;
}

std::vector<std::string> fields_of(const std::vector<Problem>& problems) {
  std::vector<std::string> fields;
  for (const Problem& problem : problems) fields.push_back(problem.field);
  return fields;
}

using Fields = std::vector<std::string>;

TEST(ValidateNode, AcceptsWhatIsWithinTheLimits) {
  EXPECT_TRUE(validate_node(good_node(), "").empty());
  ClusterNode node = good_node();
  node.host = "fe80::1";
  node.id = NodeId(std::string(limits::kMaxNodeIdBytes, 'x'));
  node.zone = std::string(limits::kMaxZoneBytes, 'z');
  node.labels["text"] = "several\nlines are fine in a value";
  EXPECT_TRUE(validate_node(node, "").empty());
  std::mt19937_64 random(5);
  for (int i = 0; i < 200; ++i) {
    EXPECT_TRUE(validate_node(test::random_node(random, "id"), "").empty());
  }
}

TEST(ValidateNode, R1_1_NamesEveryProblemAtOnceWithItsPath) {
  ClusterNode node;
  node.host = "bad host";
  node.zone = std::string(limits::kMaxZoneBytes + 1, 'z');
  node.incarnation = "\xff";
  node.status = static_cast<NodeStatus>(9);
  node.labels["\n"] = "x";
  node.labels["long"] = std::string(limits::kMaxLabelValueBytes + 1, 'v');
  EXPECT_EQ(fields_of(validate_node(node, "members[3]")),
            (Fields{"members[3].id", "members[3].host", "members[3].zone", "members[3].incarnation",
                    "members[3].status", "members[3].labels.\\x0a", "members[3].labels.long"}));
}

TEST(ValidateNode, HostsAreAddressesOrNames) {
  for (const char* bad : {"", "h:80", "[::1]", "http://h", "a/b", "u@h", "a b", "a\tb"}) {
    ClusterNode node = good_node();
    node.host = bad;
    EXPECT_EQ(fields_of(validate_node(node, "")), Fields{"host"}) << bad;
  }
  for (const char* good :
       {"::1", "fe80::1%eth0", "a-b.c", "xn--mnchen-3ya.de", "10.1.2.3", "h_1"}) {
    ClusterNode node = good_node();
    node.host = good;
    EXPECT_TRUE(validate_node(node, "").empty()) << good;
  }
}

TEST(ValidateNode, BoundsLabelsAndTheWhole) {
  ClusterNode node = good_node();
  for (std::size_t i = 0; i <= limits::kMaxLabels; ++i) node.labels["k" + std::to_string(i)] = "";
  EXPECT_EQ(fields_of(validate_node(node, "")), Fields{"labels"});
  node.labels.clear();
  for (std::size_t i = 0; i < limits::kMaxLabels; ++i) {
    node.labels["k" + std::to_string(i)] = std::string(limits::kMaxLabelValueBytes, 'v');
  }
  ASSERT_EQ(validate_node(node, "m").size(), 1u) << "each label fits, all together do not";
  EXPECT_EQ(validate_node(node, "m")[0].field, "m");
}

TEST(ValidateNode, AMillionBadLabelsDoNotMakeAMillionProblems) {
  ClusterNode node = good_node();
  for (int i = 0; i < 100'000; ++i) node.labels["k" + std::to_string(i) + "\n"] = "\xff";
  EXPECT_LE(validate_node(node, "").size(), 2 * limits::kMaxLabels + 4);
}

TEST(NodeStatus, NamesComeBack) {
  for (int i = 1; i <= kNodeStatusCount; ++i) {
    const auto status = static_cast<NodeStatus>(i);
    EXPECT_EQ(node_status_from_string(to_string(status)), status);
  }
  EXPECT_EQ(node_status_from_string("ready"), std::nullopt);
}

}  // namespace
}  // namespace rollcall
