#include "bridges/client/replica/wire.h"

#include <gtest/gtest.h>

#include "core/codec/canonical.h"
#include "tests/client/scripted_log.h"

namespace rollcall::client::testing {
namespace {

TEST(WireTest, ANodeSurvivesTheWayThereAndBack) {
  const ClusterNode node = make_node("n1", "7", NodeStatus::Draining);
  const auto member = member_from_wire(node_to_wire(node, true));
  ASSERT_TRUE(member);
  EXPECT_EQ(*member->node, node);
  EXPECT_TRUE(member->blocked);
  EXPECT_EQ(member->hash, member_hash(node, true));
}

TEST(WireTest, WhatCannotBeHeldIsRefused) {
  v1::Node node = node_to_wire(make_node("n1"));
  node.set_id("");
  EXPECT_FALSE(member_from_wire(node));
  node = node_to_wire(make_node("n1"));
  node.set_port(65'536);
  EXPECT_FALSE(member_from_wire(node));
  node = node_to_wire(make_node(std::string(300, 'x')));
  EXPECT_FALSE(member_from_wire(node));
}

TEST(WireTest, UnknownEnumeratorsAreReadCarefully) {
  v1::Node node = node_to_wire(make_node("n1"));
  node.set_status(static_cast<v1::NodeStatus>(99));
  EXPECT_EQ(member_from_wire(node)->node->status, NodeStatus::NotReady);
  EXPECT_EQ(availability_from_wire(static_cast<v1::Availability>(99)), Availability::Unavailable);
  EXPECT_EQ(health_from_wire(static_cast<v1::Health>(99)), HealthState::Unreachable);
  EXPECT_EQ(advice_from_wire(static_cast<v1::Advice>(99)), Advice::AvoidNewChannels);
  EXPECT_FALSE(reason_from_wire(static_cast<v1::FailoverReason>(99)));
}

TEST(WireTest, ADescriptorSurvivesTheWayThereAndBack) {
  ProviderDescriptor d;
  d.id = ProviderId("c1");
  d.kind = "consul";
  d.priority = -3;
  d.endpoints = {"http://127.0.0.1:8500"};
  d.auth.token_file = "/run/token";
  d.watch_params = {{"service", "db"}};
  d.standby = Standby::Cold;
  d.enabled = false;
  EXPECT_EQ(provider_from_wire(provider_to_wire(d)), d);
}

TEST(WireTest, EveryEventHasItsName) {
  ScriptedLog log;
  EXPECT_EQ(event_name(log.join(make_node("n1"))), "delta");
  EXPECT_EQ(event_name(log.bookmark()), "bookmark");
  EXPECT_EQ(event_name(log.unknown()), "unknown");
  EXPECT_EQ(event_name(log.snapshot()[0]), "snapshot");
  EXPECT_EQ(event_name(log.terminated("p", "TIMEOUT")), "stream_terminated");
}

}  // namespace
}  // namespace rollcall::client::testing
