#include "provisioning/service/provider_view.h"

#include <gtest/gtest.h>

#include "core/limits.h"
#include "tests/service/scripted_provider.h"

namespace rollcall {
namespace {

using test::node;

ProviderSnapshot list(std::vector<ClusterNode> nodes) {
  ProviderSnapshot answer;
  answer.members = std::move(nodes);
  return answer;
}

std::vector<ClusterNode> many(std::size_t count) {
  std::vector<ClusterNode> nodes;
  for (std::size_t i = 0; i < count; ++i) nodes.push_back(node("n" + std::to_string(1000 + i)));
  return nodes;
}

TEST(ProviderView, TakesAListInAnyOrder) {
  ProviderView view;
  auto answer = list({node("c"), node("a"), node("b")});
  ASSERT_TRUE(view.apply(answer));
  ASSERT_EQ(view.members().size(), 3u);
  EXPECT_EQ(view.members().to_vector().front().id(), NodeId("a"));
}

TEST(ProviderView, SameListIsTheSameVersion) {
  ProviderView view;
  auto first = list(many(50));
  ASSERT_TRUE(view.apply(first));
  const MemberMap before = view.members();
  auto again = list(many(50));
  ASSERT_TRUE(view.apply(again));
  EXPECT_TRUE(view.members().same_version(before));
}

TEST(ProviderView, UnchangedNodesKeepTheirMember) {
  ProviderView view;
  auto first = list(many(100));
  ASSERT_TRUE(view.apply(first));
  const MemberMap before = view.members();
  auto nodes = many(100);
  nodes[17].zone = "z2";
  nodes.erase(nodes.begin() + 3);
  nodes.push_back(node("x"));
  auto second = list(std::move(nodes));
  ASSERT_TRUE(view.apply(second));
  const auto diff = MemberMap::diff(before, view.members());
  ASSERT_EQ(diff.added.size(), 1u);
  EXPECT_EQ(diff.added[0].id(), NodeId("x"));
  ASSERT_EQ(diff.removed.size(), 1u);
  EXPECT_EQ(diff.removed[0].id(), NodeId("n1003"));
  ASSERT_EQ(diff.changed.size(), 1u);
  EXPECT_EQ(diff.changed[0].after.node->zone, "z2");
  EXPECT_EQ(view.members().find(NodeId("n1050"))->node, before.find(NodeId("n1050"))->node);
}

TEST(ProviderView, SmallAndLargeEditsAgreeWithTheListItself) {
  for (std::size_t keep : {99u, 60u, 10u, 0u}) {
    ProviderView view;
    auto first = list(many(100));
    ASSERT_TRUE(view.apply(first));
    auto nodes = many(100);
    nodes.resize(keep);
    nodes.push_back(node("new"));
    auto second = list(nodes);
    ASSERT_TRUE(view.apply(second));
    ProviderView fresh;
    auto only = list(nodes);
    ASSERT_TRUE(fresh.apply(only));
    EXPECT_EQ(view.members().size(), keep + 1);
    EXPECT_EQ(view.members().hash(), fresh.members().hash());
  }
}

TEST(ProviderView, AMemberTwiceIsMalformedAndChangesNothing) {
  ProviderView view;
  auto first = list({node("a")});
  ASSERT_TRUE(view.apply(first));
  auto twice = list({node("b"), node("c"), node("b", "other")});
  const auto refused = view.apply(twice);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::MalformedResponse);
  EXPECT_NE(refused.error().message.find("b"), std::string::npos);
  EXPECT_EQ(view.members().size(), 1u);
}

TEST(ProviderView, ABrokenNodeIsMalformedAndSaysWhat) {
  ProviderView view;
  auto bad = node("a");
  bad.host = "";
  bad.labels["k"] = std::string("\xff");
  auto answer = list({bad, node("b")});
  const auto refused = view.apply(answer);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::MalformedResponse);
  EXPECT_GE(refused.error().total_problems, 2u);
  EXPECT_FALSE(view.has_snapshot());
}

TEST(ProviderView, TheNumberOfProblemsKeptIsBounded) {
  ProviderView view;
  auto nodes = many(2000);
  for (ClusterNode& n : nodes) n.host.clear();
  auto answer = list(std::move(nodes));
  const auto refused = view.apply(answer);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().problems.size(), limits::kMaxProblems);
  EXPECT_EQ(refused.error().total_problems, 2000u);
}

TEST(ProviderView, ChangesApplyToWhatIsThere) {
  ProviderView view;
  auto first = list({node("a"), node("b")});
  ASSERT_TRUE(view.apply(first));
  ChangeAnswer change;
  change.upserts = {node("c"), node("a", "z")};
  change.removals = {NodeId("b"), NodeId("never-there")};
  ASSERT_TRUE(view.apply(change));
  EXPECT_EQ(view.members().size(), 2u);
  EXPECT_EQ(view.members().find(NodeId("a"))->node->zone, "z");
  EXPECT_EQ(view.members().find(NodeId("b")), nullptr);
}

TEST(ProviderView, AChangeBeforeAnySnapshotIsMalformed) {
  ProviderView view;
  ChangeAnswer change;
  change.upserts = {node("c")};
  const auto refused = view.apply(change);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::MalformedResponse);
}

TEST(ProviderView, TooManyMembersAreRefused) {
  ProviderView view;
  auto answer = list(std::vector<ClusterNode>(limits::kMaxMembers + 1));
  const auto refused = view.apply(answer);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::LimitExceeded);
}

}  // namespace
}  // namespace rollcall
