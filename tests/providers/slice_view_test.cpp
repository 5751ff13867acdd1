// The union of a service's slices, change by change.
#include "providers/kubernetes/slice_view.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <iostream>
#include <map>
#include <random>

namespace rollcall::test {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

SliceEndpoint endpoint(const std::string& pod, NodeStatus status = NodeStatus::Ready,
                       const std::string& host = "10.0.0.1") {
  SliceEndpoint out;
  out.node.id = NodeId(pod);
  out.node.host = host;
  out.node.status = status;
  out.target = "Pod/default/" + pod;
  out.terminating = status == NodeStatus::Draining;
  return out;
}

EndpointSlice slice(const std::string& name, const std::string& version,
                    std::vector<SliceEndpoint> endpoints,
                    EndpointSlice::Type type = EndpointSlice::Type::IPv4) {
  return {name, version, type, std::move(endpoints)};
}

// "+a -b" of a change; "!" and the message of an error.
std::string text_of(const Result<MemberChange>& change) {
  if (!change) return "!" + change.error().message;
  std::string text;
  for (const ClusterNode& node : change->upserts) text += "+" + node.id.str() + " ";
  for (const NodeId& id : change->removals) text += "-" + id.str() + " ";
  return text;
}

std::string status_of(const SliceView& view, const std::string& id) {
  for (const ClusterNode& node : view.members()) {
    if (node.id.str() == id) return std::string(to_string(node.status)) + " " + node.host;
  }
  return "none";
}

TEST(SliceView, TellsDifferencesOnlyAndOnce) {
  SliceView view;
  ASSERT_TRUE(view.assign({slice("s1", "1", {endpoint("a")}), slice("s2", "2", {endpoint("b")})}));
  EXPECT_EQ(text_of(view.take_change()), "+a +b ");
  EXPECT_EQ(text_of(view.take_change()), "");
  view.upsert(slice("s1", "3", {endpoint("a"), endpoint("c")}));
  EXPECT_EQ(text_of(view.take_change()), "+c ");
  view.upsert(slice("s1", "4", {endpoint("a", NodeStatus::Draining), endpoint("c")}));
  EXPECT_EQ(text_of(view.take_change()), "+a ");
  view.upsert(slice("s1", "5", {endpoint("a", NodeStatus::Draining), endpoint("c")}));
  EXPECT_TRUE(view.touched());
  EXPECT_EQ(text_of(view.take_change()), "");  // another version, the same members
  view.remove("s1");
  view.remove("never was");
  EXPECT_EQ(text_of(view.take_change()), "-a -c ");
  ASSERT_TRUE(view.assign({slice("s9", "9", {endpoint("b"), endpoint("d")})}));
  EXPECT_EQ(text_of(view.take_change()), "+d ");  // b is there as before
  ASSERT_TRUE(view.assign({}));
  EXPECT_EQ(text_of(view.take_change()), "-b -d ");
}

TEST(SliceView, AnEndpointThatMovesBetweenSlicesNeverLeaves) {
  SliceView view;
  ASSERT_TRUE(view.assign({slice("s1", "1", {endpoint("a")}), slice("s2", "2", {})}));
  EXPECT_EQ(text_of(view.take_change()), "+a ");
  view.upsert(slice("s2", "3", {endpoint("a")}));  // in both for a moment
  EXPECT_EQ(text_of(view.take_change()), "");
  view.upsert(slice("s1", "4", {}));
  EXPECT_EQ(text_of(view.take_change()), "");
  // And taken out first, if both events come together.
  view.upsert(slice("s2", "5", {}));
  view.upsert(slice("s1", "6", {endpoint("a")}));
  EXPECT_EQ(text_of(view.take_change()), "");
}

TEST(SliceView, OfOneTargetTheLiveEndpointCounts) {
  SliceView view;
  const auto draining = endpoint("a", NodeStatus::Draining, "10.0.0.1");
  const auto ready = endpoint("a", NodeStatus::Ready, "10.0.0.2");
  const auto not_ready = endpoint("a", NodeStatus::NotReady, "10.0.0.3");
  ASSERT_TRUE(view.assign(
      {slice("s1", "1", {draining}), slice("s2", "2", {ready}), slice("s3", "3", {not_ready})}));
  EXPECT_EQ(text_of(view.take_change()), "+a ");
  EXPECT_EQ(status_of(view, "a"), "READY 10.0.0.2");
  view.remove("s2");
  EXPECT_EQ(text_of(view.take_change()), "+a ");
  EXPECT_EQ(status_of(view, "a"), "DRAINING 10.0.0.1");
  view.remove("s1");
  EXPECT_EQ(text_of(view.take_change()), "+a ");
  EXPECT_EQ(status_of(view, "a"), "NOT_READY 10.0.0.3");
}

TEST(SliceView, APodWithTwoAddressFamiliesIsOneMemberWithAStableAddress) {
  const auto v4 = endpoint("a", NodeStatus::Ready, "10.0.0.1");
  const auto v6 = endpoint("a", NodeStatus::Ready, "fd00::1");
  SliceView view;
  ASSERT_TRUE(view.assign({slice("a6", "1", {v6}, EndpointSlice::Type::IPv6),
                           slice("b4", "2", {v4}, EndpointSlice::Type::IPv4)}));
  EXPECT_EQ(text_of(view.take_change()), "+a ");
  EXPECT_EQ(status_of(view, "a"), "READY 10.0.0.1");
  view.upsert(slice("a6", "3", {v6}, EndpointSlice::Type::IPv6));
  EXPECT_EQ(text_of(view.take_change()), "");
  view.remove("b4");
  EXPECT_EQ(text_of(view.take_change()), "+a ");
  EXPECT_EQ(status_of(view, "a"), "READY fd00::1");
}

TEST(SliceView, OneTargetWithTwoIdsIsOneMember) {
  // id: address, a pod with two addresses: merged by its target, not told twice.
  auto v4 = endpoint("10.0.0.1", NodeStatus::Ready, "10.0.0.1");
  auto v6 = endpoint("fd00::1", NodeStatus::Ready, "fd00::1");
  v4.target = v6.target = "Pod/default/a";
  SliceView view;
  ASSERT_TRUE(view.assign({slice("a6", "1", {v6}, EndpointSlice::Type::IPv6)}));
  EXPECT_EQ(text_of(view.take_change()), "+fd00::1 ");
  view.upsert(slice("b4", "2", {v4}));
  EXPECT_EQ(text_of(view.take_change()), "+10.0.0.1 -fd00::1 ");
  view.remove("b4");
  EXPECT_EQ(text_of(view.take_change()), "+fd00::1 -10.0.0.1 ");
}

TEST(SliceView, TwoTargetsWithOneIdAreAnErrorUnlessOneIsLeaving) {
  auto first = endpoint("node-1");
  auto second = endpoint("node-1");
  first.target = "Pod/default/a";
  second.target = "Pod/default/b";
  SliceView view;
  ASSERT_TRUE(view.assign({slice("s", "1", {first, second})}));
  EXPECT_THAT(text_of(view.take_change()), HasSubstr("two endpoints have the id node-1"));
  EXPECT_TRUE(view.touched());  // nothing counts as told
  // A pod of the host's network is replaced by another: the one that leaves gives way.
  first.terminating = true;
  first.node.status = NodeStatus::Draining;
  view.upsert(slice("s", "2", {first, second}));
  EXPECT_EQ(text_of(view.take_change()), "+node-1 ");
  EXPECT_EQ(status_of(view, "node-1"), "READY 10.0.0.1");
  second.terminating = true;
  second.node.status = NodeStatus::NotReady;
  view.upsert(slice("s", "3", {first, second}));
  EXPECT_EQ(text_of(view.take_change()), "+node-1 ");
  EXPECT_EQ(status_of(view, "node-1"), "DRAINING 10.0.0.1");
}

TEST(SliceView, TheSameEndpointTwiceInOneSliceIsOneMember) {
  SliceView view;
  ASSERT_TRUE(view.assign({slice("s", "1", {endpoint("a"), endpoint("a")})}));
  EXPECT_EQ(text_of(view.take_change()), "+a ");
  view.upsert(slice("s", "2", {endpoint("a")}));
  EXPECT_EQ(text_of(view.take_change()), "");
}

TEST(SliceView, KnowsWhetherAListShowsMoreThanItHas) {
  SliceView view;
  ASSERT_TRUE(view.assign({slice("a", "10", {}), slice("b", "20", {})}));
  const auto covers = [&](const SliceHead& head, const char* seen = "20") {
    return view.covers(head, seen);
  };
  EXPECT_TRUE(covers({"30", "a", "10", true}));
  EXPECT_FALSE(covers({"30", "a", "11", true}));      // a is newer there
  EXPECT_FALSE(covers({"30", "0", "5", true}));       // another slice is first there
  EXPECT_FALSE(covers({"30", "a", "10", false}));     // b is gone there
  EXPECT_FALSE(covers({"30", "", "", false}));        // all are gone there
  EXPECT_TRUE(covers({"19", "a", "10", false}));      // the view has seen more than that
  EXPECT_TRUE(covers({"30", "a", "9", true}, "10"));  // and of that slice alone
  EXPECT_TRUE(covers({"opaque", "a", "10", true}, "other"));
  EXPECT_FALSE(covers({"opaque", "a", "x", true}, "other"));
  EXPECT_TRUE(view.is_newer_than(SliceHead{"30", "a", "9", true}));
  EXPECT_FALSE(view.is_newer_than(SliceHead{"30", "a", "10", true}));
  EXPECT_FALSE(view.is_newer_than(SliceHead{"30", "", "", false}));
  EXPECT_TRUE(view.is_newer_than({slice("c", "1", {}), slice("b", "19", {})}));
  EXPECT_FALSE(view.is_newer_than({slice("c", "1", {}), slice("b", "21", {})}));
  SliceView empty;
  EXPECT_TRUE(empty.covers({"5", "", "", false}, "3"));
  EXPECT_FALSE(empty.covers({"5", "a", "4", false}, "3"));
}

// The incremental view against one that is built from nothing each time.
TEST(SliceView, AnyOrderOfChangesComesToTheSameMembers) {
  const std::uint64_t seed = std::random_device{}();
  std::cout << "seed " << seed << "\n";
  std::mt19937_64 random(seed);
  const auto below = [&](std::size_t n) { return static_cast<std::size_t>(random() % n); };
  SliceView view;
  std::map<std::string, EndpointSlice> truth;
  std::map<std::string, ClusterNode> told;
  for (int step = 0; step < 3000; ++step) {
    const std::string name = "s" + std::to_string(below(4));
    if (below(5) == 0) {
      truth.erase(name);
      view.remove(name);
    } else {
      std::vector<SliceEndpoint> endpoints;
      for (std::size_t i = below(4); i > 0; --i) {
        auto one = endpoint("p" + std::to_string(below(5)),
                            static_cast<NodeStatus>(1 + below(kNodeStatusCount)),
                            "10.0.0." + std::to_string(below(3)));
        endpoints.push_back(one);
      }
      const auto changed = slice(name, std::to_string(step + 1), endpoints,
                                 static_cast<EndpointSlice::Type>(below(2)));
      truth[name] = changed;
      view.upsert(changed);
    }
    if (below(3) == 0) continue;  // several changes are told together
    const auto change = view.take_change();
    ASSERT_TRUE(change.has_value()) << change.error().message;
    for (const ClusterNode& node : change->upserts) told[node.id.str()] = node;
    for (const NodeId& id : change->removals) ASSERT_EQ(told.erase(id.str()), 1u);
    SliceView afresh;
    std::vector<EndpointSlice> all;
    for (const auto& [key, value] : truth) all.push_back(value);
    ASSERT_TRUE(afresh.assign(all));
    const auto whole = afresh.take_change();
    ASSERT_TRUE(whole.has_value());
    std::map<std::string, ClusterNode> expected;
    for (const ClusterNode& node : whole->upserts) expected[node.id.str()] = node;
    ASSERT_EQ(told, expected) << "step " << step;
    ASSERT_EQ(view.members().size(), expected.size());
  }
}

}  // namespace
}  // namespace rollcall::test
