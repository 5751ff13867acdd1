#include "provisioning/service/metrics_sample.h"

#include <gmock/gmock.h>

#include <string>
#include <vector>

#include "core/codec/canonical.h"

namespace rollcall::test {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr MonoTime kNow{std::chrono::hours(5)};

Member member_with(const std::string& id, NodeStatus status, bool blocked) {
  ClusterNode node;
  node.id = NodeId(id);
  node.host = "10.0.0.1";
  node.port = 7000;
  node.status = status;
  return make_member(node, blocked);
}

// Of every status some that are blocked and some that are not, in numbers that all differ.
std::vector<Member> members_of_every_status() {
  std::vector<Member> members;
  const auto add = [&](int count, NodeStatus status, bool blocked) {
    for (int i = 0; i < count; ++i) {
      members.push_back(member_with("n" + std::to_string(members.size()), status, blocked));
    }
  };
  add(7, NodeStatus::Ready, false);
  add(1, NodeStatus::Ready, true);
  add(3, NodeStatus::Draining, false);
  add(2, NodeStatus::Draining, true);
  add(4, NodeStatus::NotReady, false);
  add(5, NodeStatus::NotReady, true);
  return members;
}

ServiceStatus status_with_topology() {
  ServiceStatus status;
  status.at = kNow;
  status.topology.has_topology = true;
  status.topology.members = MemberMap::from(members_of_every_status());
  status.topology.availability = Availability::Available;
  status.topology.stale = false;
  status.topology.placement_paused = false;
  status.topology.observed_at = from_unix_ms(1'790'000'000'250);
  status.topology.confirmed_at = kNow - std::chrono::milliseconds(1500);
  status.topology.seq_no = make_seq(3, 40);
  return status;
}

std::string exposed(const ServiceStatus& status, std::vector<ConsumerStatus> consumers = {}) {
  SampleSources sources;
  sources.status = &status;
  sources.consumers = std::move(consumers);
  return ProvisioningMetrics("test").expose(make_sample(sources));
}

TEST(MetricsSampleTest, R4_5_RemoteNodesAreUpDegradedOrDown) {
  EXPECT_THAT(
      exposed(status_with_topology()),
      AllOf(HasSubstr("rollcall_remote_nodes{state=\"up\"} 7\n"),
            HasSubstr("rollcall_remote_nodes{state=\"degraded\"} 3\n"),
            HasSubstr("rollcall_remote_nodes{state=\"down\"} 12\n"),  // 4, and all 8 blocked ones
            HasSubstr("rollcall_remote_nodes_last_update_timestamp_seconds 1790000000.25\n"),
            HasSubstr("rollcall_topology_members{status=\"READY\"} 8\n"),
            HasSubstr("rollcall_topology_members{status=\"DRAINING\"} 5\n"),
            HasSubstr("rollcall_topology_members{status=\"NOT_READY\"} 9\n"),
            HasSubstr("rollcall_topology_blocked_members 8\n"),
            HasSubstr("rollcall_topology_age_seconds 1.5\n"),
            HasSubstr("rollcall_topology_stale 0\n")));
}

TEST(MetricsSampleTest, R4_5_WithoutATopologyThereIsNoTimeOfIt) {
  ServiceStatus status = status_with_topology();
  status.topology.has_topology = false;
  status.topology.members = MemberMap();
  EXPECT_THAT(exposed(status),
              AllOf(HasSubstr("rollcall_remote_nodes{state=\"up\"} 0\n"),
                    HasSubstr("rollcall_remote_nodes{state=\"down\"} 0\n"),
                    Not(HasSubstr("\nrollcall_remote_nodes_last_update_timestamp_seconds ")),
                    Not(HasSubstr("\nrollcall_topology_age_seconds "))));
}

TEST(MetricsSampleTest, R4_5_AProviderIsShownAsItIsObserved) {
  ServiceStatus status = status_with_topology();
  ProviderStatus provider;
  provider.spec.descriptor.id = ProviderId("p");
  provider.spec.descriptor.kind = "file";
  provider.spec.missing_capability = "cannot watch";
  provider.active = true;
  provider.health = HealthState::Degraded;
  provider.ever_answered = true;
  provider.observed_at = from_unix_ms(1'790'000'001'500);
  provider.consecutive_errors = 2;
  provider.held = true;
  provider.view = status.topology.members;
  status.providers = {provider};
  EXPECT_THAT(
      exposed(status),
      AllOf(HasSubstr("rollcall_provider_health{provider=\"p\",state=\"DEGRADED\"} 1\n"),
            HasSubstr("rollcall_provider_health{provider=\"p\",state=\"HEALTHY\"} 0\n"),
            HasSubstr(
                "rollcall_provider_last_update_timestamp_seconds{provider=\"p\"} 1790000001.5\n"),
            HasSubstr("rollcall_active_provider{provider=\"p\"} 1\n"),
            HasSubstr("rollcall_provider_consecutive_errors{provider=\"p\"} 2\n"),
            HasSubstr("rollcall_provider_held{provider=\"p\"} 1\n"),
            HasSubstr("rollcall_provider_capability_missing{provider=\"p\"} 1\n"),
            HasSubstr("rollcall_provider_watching{provider=\"p\"} 0\n"),
            HasSubstr("rollcall_provider_members{provider=\"p\"} 22\n")));
}

TEST(MetricsSampleTest, WhatAConsumerHasNotAcknowledgedIsCountedFromItsFirstAcknowledgement) {
  ConsumerStatus consumer;
  consumer.bridge = Bridge::Placement;
  consumer.consumer_id = "c";
  consumer.acknowledges = true;
  consumer.acknowledged = make_seq(3, 33);
  consumer.lag = 5;
  const std::string of = "{bridge=\"placement\",consumer=\"c\"} ";
  EXPECT_THAT(exposed(status_with_topology(), {consumer}),
              AllOf(HasSubstr("rollcall_consumer_unacknowledged_events" + of + "7\n"),
                    HasSubstr("rollcall_consumer_lag_events" + of + "5\n")));
  consumer.acknowledged = SeqNo();  // none yet: the distance would be the whole sequence number
  EXPECT_THAT(exposed(status_with_topology(), {consumer}),
              HasSubstr("rollcall_consumer_unacknowledged_events" + of + "0\n"));
}

}  // namespace
}  // namespace rollcall::test
