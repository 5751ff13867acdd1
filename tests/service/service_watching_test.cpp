// R1, R2 and R5 as the running service keeps them: streams, failover, holds, restarts.

#include "core/codec/canonical.h"
#include "provisioning/registry/provider_registry.h"
#include "tests/service/service_fixture.h"

namespace rollcall::test {
namespace {

using Watching = ServiceFixture;

TEST_F(Watching, R2_1_UpdatesOfTheActiveProviderReachTheLog) {
  start({scripted("p")});
  script("p").members({node("a")});
  wait_for_members(1);
  script("p").members({node("a"), node("b")});
  wait_for_members(2);
  const auto deltas = all<event::Delta>();
  ASSERT_EQ(deltas.size(), 2u);
  EXPECT_EQ(deltas[1].joined.at(0).id(), NodeId("b"));
  EXPECT_EQ(deltas[1].provider_id, ProviderId("p"));
}

TEST_F(Watching, R2_1_SequenceNumbersHaveNoGaps) {
  start({scripted("p")});
  for (int i = 0; i < 20; ++i) script("p").members({node("n" + std::to_string(i))});
  wait_for("the last list", [&] {
    const auto state = hub_->state();
    return state && state->members.find(NodeId("n19")) != nullptr;
  });
  std::uint64_t n = 1;
  for (const Event& e : events()) EXPECT_EQ(e.seq_no, make_seq(3, n++));
}

TEST_F(Watching, R2_2_ATerminatedStreamIsToldWithTheLastHash) {
  start({scripted("p")});
  script("p").members({node("a")});
  wait_for_members(1);
  const std::uint64_t hash = topology().hash();
  script("p").terminate(true);
  wait_for_event<event::StreamTerminated>("stream_terminated",
                                          [](const auto& e) { return e.ended; });
  for (const Event& e : events()) {
    if (!std::holds_alternative<event::StreamTerminated>(e.body)) continue;
    EXPECT_EQ(e.snapshot_hash, hash);
  }
  wait_for("the topology is stale", [&] { return hub_->state()->stale; });
  EXPECT_EQ(topology().members.size(), 1u);
  // A new stream of the same provider brings it back: fresh, and with what changed meanwhile.
  script("p").members({node("a"), node("b")});
  wait_for_members(2);
  EXPECT_EQ(script("p").streams(), 2);
}

TEST_F(Watching, R2_3_TheSameAnswerAgainCausesNoEvent) {
  start({scripted("p")});
  script("p").members({node("a")});
  wait_for_members(1);
  const std::size_t before = events().size();
  const MonoTime confirmed = topology().confirmed_at;
  script("p").members({node("a")});
  wait_for("it was confirmed again", [&] { return topology().confirmed_at > confirmed; });
  EXPECT_EQ(events().size(), before);
}

TEST_F(Watching, R2_4_ZeroMembersPausePlacement) {
  start({scripted("p")});
  script("p").members({node("a")});
  wait_for_members(1);
  script("p").members({});
  wait_for_event<event::AvailabilityChanged>("EMPTY", [](const auto& e) {
    return e.availability == Availability::Empty && e.placement_paused;
  });
}

TEST_F(Watching, R2_5_TheBestHealthyAlternateTakesOver) {
  start({scripted("high", 10), scripted("low", 1)});
  script("high").members({node("a")});
  script("low").members({node("a")});
  wait_for_members(1);
  wait_for("low answered", [&] { return provider("low").ever_answered; });
  EXPECT_EQ(topology().active, ProviderId("high"));
  script("high").terminate(false, ErrorCode::AuthFailed);
  wait_for_event<event::ProviderChanged>("failover",
                                         [](const auto& e) { return e.to == ProviderId("low"); });
  // The same members: a switch emits real differences only.
  EXPECT_EQ(all<event::Delta>().size(), 1u);
  for (const auto& e : all<event::RemoteTopology>()) EXPECT_NE(e.kind, RemoteKind::Leave);
}

TEST_F(Watching, R1_3_AProviderThatCannotWatchIsKeptAndNeverActivated) {
  catalog_.lacks_watching("blind");
  start({scripted("blind", 10), scripted("p", 0)});
  script("p").members({node("a")});
  script("blind").members({node("x")});
  wait_for_members(1);
  const ProviderStatus blind = provider("blind");
  EXPECT_FALSE(blind.active);
  EXPECT_EQ(blind.spec.missing_capability, "cannot watch before version 2");
  EXPECT_EQ(topology().active, ProviderId("p"));
}

TEST_F(Watching, R5_2_AProviderWhoseAnswersKeepFailingValidationIsHeldBack) {
  options_.policy.max_errors = 100;
  start({scripted("bad")});
  for (int i = 0; i < limits::kHoldFailures; ++i) script("bad").members({node("a"), node("a")});
  wait_for("held", [&] { return provider("bad").held; });
  wait_for_event<event::HealthWarning>("a warning", [](const auto& e) {
    return e.advice == Advice::ProviderHeld && e.provider_id == ProviderId("bad");
  });
  ASSERT_TRUE(service_->flush_state(std::chrono::seconds(60)));
  EXPECT_EQ(state_.load_holds().value(), std::vector<ProviderId>{ProviderId("bad")});
}

TEST_F(Watching, R5_1_LatencyIsFromTheCompleteAnswerToItsEvents) {
  start({scripted("p")});
  ProviderSnapshot answer{{node("a")}, "1", 0, script("p").now()};
  answer.times.read_began -= std::chrono::hours(1);  // how long the backend took is not in it
  answer.times.complete -= std::chrono::minutes(2);
  script("p").say(answer);
  wait_for_members(1);
  // Nothing is told of the same answer again, so there is nothing to measure.
  const MonoTime confirmed = topology().confirmed_at;
  script("p").members({node("a")});
  wait_for("it was confirmed again", [&] { return topology().confirmed_at > confirmed; });
  const std::string page = metrics_.expose({});
  const auto value = [&](const std::string& series) {
    const std::size_t at = page.find("\n" + series + " ");
    return at == std::string::npos ? -1 : std::stod(page.substr(at + series.size() + 2, 32));
  };
  EXPECT_EQ(value("rollcall_snapshot_latency_seconds_count"), 1);
  EXPECT_GE(value("rollcall_snapshot_latency_seconds_sum"), 120);
  EXPECT_LT(value("rollcall_snapshot_latency_seconds_sum"), 3600);
}

TEST_F(Watching, R5_3_WithoutAnyProviderAllAreToldAndTheTopologyStays) {
  start({scripted("p")});
  script("p").members({node("a")});
  wait_for_members(1);
  script("p").terminate(false);
  wait_for_event<event::AvailabilityChanged>("UNAVAILABLE", [](const auto& e) {
    return e.availability == Availability::Unavailable && e.placement_paused;
  });
  EXPECT_EQ(topology().members.size(), 1u);
  script("p").members({node("a")});
  wait_for_event<event::AvailabilityChanged>("recovery", [](const auto& e) {
    return e.availability == Availability::Available && !e.placement_paused;
  });
}

TEST_F(Watching, R5_4_TheWholeSetChangesInOneStep) {
  start({scripted("a", 2), scripted("b", 1)});
  script("a").members({node("x")});
  script("b").members({node("x")});
  wait_for_members(1);
  wait_for("b answered", [&] { return provider("b").ever_answered; });
  script("c").members({node("x")});
  set_providers({scripted("c", 9), scripted("b", 3)});
  const auto now = status();
  ASSERT_EQ(now.providers.size(), 2u);
  EXPECT_EQ(now.providers[0].spec.descriptor.id, ProviderId("c"));
  wait_for("c is active", [&] { return topology().active == ProviderId("c"); });
  EXPECT_TRUE(script("a").wait_until([&] { return script("a").cancelled() == 1; }));
}

TEST_F(Watching, AChangeOfPriorityRestartsNothing) {
  start({scripted("a", 1)});
  script("a").members({node("x")});
  wait_for_members(1);
  set_providers({scripted("a", 5)});
  script("a").members({node("x"), node("y")});
  wait_for_members(2);
  EXPECT_EQ(script("a").streams(), 1);
}

TEST_F(Watching, AThrowingProviderHurtsNobodyElse) {
  start({scripted("wild", 10), scripted("p", 0)});
  script("p").members({node("a")});
  for (int i = 0; i < 5; ++i) script("wild").throw_something();
  wait_for_members(1);
  EXPECT_EQ(topology().active, ProviderId("p"));
  wait_for("the last exception", [&] { return script("wild").streams() >= 6; });
}

TEST_F(Watching, AHungProviderIsReplacedAndBlocksNobody) {
  start({scripted("stuck", 10), scripted("p", 0)});
  script("stuck").members({node("a")});
  script("p").members({node("a")});
  wait_for_members(1);
  script("stuck").hang();
  auto disabled = scripted("stuck", 10);
  disabled.enabled = false;
  set_providers({disabled, scripted("p", 0)});
  // The service goes on while the thread is stuck.
  script("p").members({node("a"), node("b")});
  wait_for_members(2);
  wait_for("it was left behind", [&] { return status().abandoned_streams == 1; });
  const int before = script("stuck").streams();
  set_providers({scripted("stuck", 10), scripted("p", 0)});
  EXPECT_TRUE(script("stuck").wait_until([&] { return script("stuck").streams() > before; }));
  script("stuck").release();
}

TEST_F(Watching, ACachedTopologyIsServedStaleAndOnlyDifferencesAreTold) {
  StartWith with;
  with.cached =
      CachedTopology{MemberMap::from({make_member(node("a")), make_member(node("b"))}),
                     from_unix_ms(1'700'000'000'000), std::chrono::hours(3), ProviderId("p")};
  start({scripted("p")}, std::move(with));
  const TopologySnapshot first = topology();
  EXPECT_TRUE(first.has_topology);
  EXPECT_TRUE(first.stale);
  EXPECT_EQ(first.members.size(), 2u);
  script("p").members({node("a"), node("c")});
  wait_for("confirmed", [&] { return !hub_->state()->stale; });
  const auto deltas = all<event::Delta>();
  ASSERT_EQ(deltas.size(), 1u);
  EXPECT_EQ(deltas[0].joined.size(), 1u);
  EXPECT_EQ(deltas[0].left.size(), 1u);
}

TEST_F(Watching, R1_5_ExactlyTheAcceptedSetIsThereAfterAPowerCut) {
  const ProviderValidator validator(catalog_, ProviderContext{&clock_, &files_, "/state"});
  {
    FileProviderStore store(files_, "/state");
    auto registry = ProviderRegistry::open(store, &state_, validator);
    ASSERT_TRUE(registry);
    for (const char* id : {"a", "b", "c"}) ASSERT_TRUE((*registry)->add(scripted(id), {}));
    ASSERT_TRUE((*registry)->remove(ProviderId("b"), {}));
    files_.cut_power_at(2);
    EXPECT_FALSE((*registry)->add(scripted("d"), {}));
  }
  files_.power_cut();
  FileProviderStore store(files_, "/state");
  auto registry = ProviderRegistry::open(store, &state_, validator);
  ASSERT_TRUE(registry) << registry.error().message;
  std::vector<ProviderDescriptor> found;
  for (const auto& p : (*registry)->view()->providers) found.push_back(p.descriptor);
  start(found);
  ASSERT_EQ(status().providers.size(), 2u);
  EXPECT_EQ(provider("a").spec.descriptor.id, ProviderId("a"));
  EXPECT_EQ(provider("c").spec.descriptor.id, ProviderId("c"));
}

}  // namespace
}  // namespace rollcall::test
