// R3, R4 as the running service keeps them: ownership, quarantine, draining.

#include <atomic>

#include "tests/service/service_fixture.h"

namespace rollcall::test {
namespace {

using Consumers = ServiceFixture;

Lease lease(const std::string& partition) { return {partition, NodeId("a"), 1, 0, "m"}; }

TEST_F(Consumers, R3_1_PlacementIsToldMembersAndHashAndItsAcknowledgementIsSeen) {
  struct Silent final : Waker {
    void wake() override {}
    void abandon(const ProvisioningError&) override {}
  };
  start({scripted("p")});
  script("p").members({node("a")});
  wait_for_members(1);
  WatchRequest request;
  request.consumer_id = "placement-1";
  request.acknowledges = true;
  auto stream = hub_->subscribe(request, std::make_shared<Silent>(), clock_.now());
  ASSERT_TRUE(stream);
  const TopologySnapshot now = topology();
  EXPECT_NE(now.hash(), 0u);
  ASSERT_TRUE(hub_->acknowledge("placement-1", now.epoch, now.seq_no));
  ASSERT_EQ(hub_->consumers().size(), 1u);
  EXPECT_EQ(hub_->consumers()[0].acknowledged, now.seq_no);
  (*stream)->close();
}

TEST_F(Consumers, R3_2_BeforeAnyAnswerThereIsNoTopologyAndTheReasonIsKnown) {
  start({scripted("p")});
  EXPECT_FALSE(topology().has_topology);
  EXPECT_FALSE(topology().availability_reason.empty());
  script("p").members({node("a")});
  wait_for_members(1);
  EXPECT_TRUE(topology().has_topology);
}

TEST_F(Consumers, R3_3_OwnershipIsPublishedInTheSameTick) {
  start({scripted("p")});
  script("p").members({node("a")});
  wait_for_members(1);
  std::atomic<bool> done{false};
  Result<SeqNo> answer = SeqNo(0);
  service_->publish_ownership(
      {"placement-1", options_.epoch, 1, topology().seq_no, {lease("p1"), lease("p2")}},
      [&](Result<SeqNo> r) {
        answer = std::move(r);
        done = true;
      });
  wait_for("the answer", [&] { return done.load(); });
  ASSERT_TRUE(answer) << answer.error().message;
  const auto updates = all<event::LeaseUpdated>();
  ASSERT_EQ(updates.size(), 1u);
  EXPECT_EQ(updates[0].tick, 1u);
  EXPECT_EQ(updates[0].leases.size(), 2u);
  EXPECT_EQ(hub_->head(), *answer);
  ASSERT_NE(topology().leases, nullptr);
  EXPECT_EQ(topology().leases->size(), 2u);
}

TEST_F(Consumers, R3_4_TheChangeOfProviderComesBeforeItsEvents) {
  start({scripted("high", 10), scripted("low", 1)});
  script("high").members({node("a")});
  script("low").members({node("a"), node("b")});
  wait_for_members(1);
  wait_for("low answered", [&] { return provider("low").ever_answered; });
  script("high").terminate(false);
  wait_for_members(2);
  bool changed = false;
  for (const Event& e : events()) {
    if (const auto* c = std::get_if<event::ProviderChanged>(&e.body))
      changed = changed || c->to == ProviderId("low");
    const auto* d = std::get_if<event::Delta>(&e.body);
    if (d == nullptr || d->provider_id != ProviderId("low")) continue;
    EXPECT_TRUE(changed);
  }
  EXPECT_TRUE(changed);
}

TEST_F(Consumers, R3_5_WhileDrainingAnswersAreRefusedAndTheTopologyIsKept) {
  start({scripted("p")});
  script("p").members({node("a")});
  wait_for_members(1);
  ASSERT_TRUE(ask(input::Drain{}));
  wait_for_event<event::AvailabilityChanged>(
      "DRAINING", [](const auto& e) { return e.availability == Availability::Draining; });
  script("p").members({});
  ASSERT_TRUE(service_->settle(std::chrono::seconds(60)));
  EXPECT_EQ(topology().members.size(), 1u);
  EXPECT_TRUE(topology().draining);
  // Ownership is still handed over; operators' switches are not.
  EXPECT_TRUE(
      ask(input::PublishOwnership{{}, options_.epoch, 1, topology().seq_no, {lease("p1")}}));
  const auto refused = ask(input::SwitchTo{{}, ProviderId("p"), std::chrono::minutes(1)});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::ShuttingDown);
}

TEST_F(Consumers, R4_1_AJoinAndALeaveAreOneRemoteTopologyEventEach) {
  start({scripted("p")});
  script("p").members({node("a")});
  wait_for_members(1);
  script("p").members({node("b")});
  wait_for("b", [&] { return hub_->state()->members.find(NodeId("b")) != nullptr; });
  int joins = 0;
  int leaves = 0;
  for (const auto& e : all<event::RemoteTopology>()) {
    joins += e.kind == RemoteKind::Join && e.node.id() == NodeId("b");
    leaves += e.kind == RemoteKind::Leave && e.node.id() == NodeId("a");
  }
  EXPECT_EQ(joins, 1);
  EXPECT_EQ(leaves, 1);
}

TEST_F(Consumers, R4_2_AQuarantineIsDurableBeforeItIsAnswered) {
  start({scripted("p")});
  script("p").members({node("a"), node("b")});
  wait_for_members(2);
  const auto reply = ask(input::Quarantine{{}, NodeId("a"), ""});
  ASSERT_TRUE(reply) << reply.error().message;
  EXPECT_TRUE(reply->member);
  files_.power_cut();
  StateFiles after(files_, "/state");
  const BlockTable stored = after.load_blocks().value();
  ASSERT_TRUE(stored.contains(NodeId("a")));
  // Blocked for a day, by the wall clock, which is what a restart goes by.
  const auto left = stored.at(NodeId("a")).expires_at - clock_.wall_now();
  EXPECT_GT(left, std::chrono::hours(23));
  EXPECT_LE(left, std::chrono::hours(24));
  EXPECT_TRUE(topology().members.find(NodeId("a"))->blocked);
  wait_for_event<event::RemoteTopology>("BLOCKED", [](const auto& e) {
    return e.kind == RemoteKind::Blocked && e.node.id() == NodeId("a");
  });
}

TEST_F(Consumers, R4_2_ABlockThatCannotBeStoredIsRefused) {
  start({scripted("p")});
  script("p").members({node("a")});
  wait_for_members(1);
  // The cached topology is written by now and then; nothing else is.
  ASSERT_TRUE(service_->flush_state(std::chrono::seconds(60)));
  files_.fail_with_probability(FileCall::WriteSynced, 1.0);
  const auto reply = ask(input::Quarantine{{}, NodeId("a"), ""});
  ASSERT_FALSE(reply);
  EXPECT_EQ(reply.error().code, ErrorCode::StoreIo);
  EXPECT_FALSE(topology().members.find(NodeId("a"))->blocked);
}

TEST_F(Consumers, R4_3_ADegradedActiveProviderIsAWarning) {
  options_.policy.max_errors = 10;
  start({scripted("p")});
  script("p").members({node("a")});
  wait_for_members(1);
  script("p").fail(ErrorCode::BackendUnavailable);
  wait_for_event<event::HealthWarning>("a warning", [](const auto& e) {
    return e.health == HealthState::Degraded && e.advice == Advice::AvoidNewChannels;
  });
}

TEST_F(Consumers, R4_4_ARecoveredNodeIsUnblockedByTheNextRefreshOnly) {
  start({scripted("p")});
  script("p").members({node("a")});
  wait_for_members(1);
  ASSERT_TRUE(ask(input::Quarantine{{}, NodeId("a"), ""}));
  ASSERT_TRUE(ask(input::Recover{{}, NodeId("a"), ""}));
  EXPECT_TRUE(topology().members.find(NodeId("a"))->blocked);
  script("p").members({node("a")});
  wait_for("unblocked", [&] { return !hub_->state()->members.find(NodeId("a"))->blocked; });
}

TEST_F(Consumers, R4_5_HealthAndTheTimeOfTheLastUpdateAreKnown) {
  start({scripted("p")});
  EXPECT_FALSE(provider("p").ever_answered);
  script("p").members({node("a")});
  wait_for_members(1);
  const ProviderStatus p = provider("p");
  EXPECT_EQ(p.health, HealthState::Healthy);
  EXPECT_TRUE(p.ever_answered);
  EXPECT_GT(to_unix_ms(p.observed_at), 0);
}

TEST_F(Consumers, BlocksAndHoldsOfAnEarlierRunAreBack) {
  StartWith with;
  Block b;
  b.node = NodeId("a");
  b.expires_at = clock_.wall_now() + std::chrono::hours(1);
  b.expires_mono = clock_.now() + std::chrono::hours(1);
  with.blocks.emplace(b.node, b);
  with.held = {ProviderId("held")};
  start({scripted("held", 10), scripted("p", 0)}, std::move(with));
  script("p").members({node("a")});
  wait_for_members(1);
  EXPECT_TRUE(topology().members.find(NodeId("a"))->blocked);
  EXPECT_TRUE(provider("held").held);
  EXPECT_EQ(topology().active, ProviderId("p"));
}

}  // namespace
}  // namespace rollcall::test
