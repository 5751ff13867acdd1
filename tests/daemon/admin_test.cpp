// Registering and changing providers through the admin API (R1, R5.4, R5.5).

#include <gtest/gtest.h>

#include <algorithm>
#include <thread>

#include "tests/backends/assert_done.h"
#include "tests/daemon/recording_consumer.h"

namespace rollcall::test {
namespace {

using client::WriteOptions;

class Admin : public ::testing::Test {
 protected:
  void SetUp() override {
    auto started = daemon_.start();
    ASSERT_TRUE(started) << started.error();
  }
  std::vector<std::string> provider_ids() {
    std::vector<std::string> ids;
    const auto list = daemon_.admin().list_providers();
    if (!list) return {"error: " + list.error().message};
    for (const auto& p : list->providers()) ids.push_back(p.provider().id());
    return ids;
  }
  std::uint64_t revision() { return daemon_.admin().list_providers().value().revision(); }
  static bool names(const std::vector<Problem>& problems, const std::string& field) {
    return std::any_of(problems.begin(), problems.end(),
                       [&](const Problem& p) { return p.field.find(field) != std::string::npos; });
  }
  // A loopback address where nobody listens.
  static std::string nowhere() { return "http://127.0.0.1:" + std::to_string(free_ports(1).at(0)); }

  DaemonProcess daemon_;
};

TEST_F(Admin, R1_1_EveryProblemIsNamedAtOnceAndNothingChanges) {
  ProviderDescriptor bad = consul_provider("Bad Id", 1, "not a url", "");
  bad.watch_params["colour"] = "blue";
  bad.auth.token_file = "relative/path";
  const std::uint64_t before = revision();
  const auto refused = daemon_.admin().register_provider(bad);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::InvalidConfig);
  const auto& problems = refused.error().problems;
  EXPECT_TRUE(names(problems, "id"));
  EXPECT_TRUE(names(problems, "endpoints"));
  EXPECT_TRUE(names(problems, "service"));
  EXPECT_TRUE(names(problems, "colour"));
  EXPECT_TRUE(names(problems, "token_file"));
  for (const Problem& p : problems) EXPECT_FALSE(p.expected.empty());
  EXPECT_EQ(provider_ids(), std::vector<std::string>{"default"});
  EXPECT_EQ(revision(), before);
}

TEST_F(Admin, R1_1_AnUnknownKindIsRefusedWithTheKnownOnes) {
  auto d = in_memory_provider("x", 0);
  d.kind = "carrier-pigeon";
  const auto refused = daemon_.admin().register_provider(d);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::InvalidConfig);
  ASSERT_FALSE(refused.error().problems.empty());
  EXPECT_NE(refused.error().problems[0].expected.find("in-memory"), std::string::npos);
}

TEST_F(Admin, R1_2_ADuplicateIsRefusedAndTheFirstStays) {
  const auto refused = daemon_.admin().register_provider(in_memory_provider("default", 99));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::DuplicateName);
  const auto kept = daemon_.admin().get_provider(ProviderId("default"));
  ASSERT_TRUE(kept);
  EXPECT_EQ(kept->provider().priority(), 0);
}

TEST_F(Admin, R1_4_ABackendThatDoesNotAnswerIsRefused) {
  const auto refused = daemon_.admin().register_provider(consul_provider("c", 1, nowhere(), "db"));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::BackendUnavailable) << refused.error().message;
  EXPECT_EQ(provider_ids(), std::vector<std::string>{"default"});
}

TEST_F(Admin, R1_4_AllowUnreachableAcceptsItAndItsStateSaysSo) {
  WriteOptions options;
  options.allow_unreachable = true;
  const auto accepted =
      daemon_.admin().register_provider(consul_provider("c", 1, nowhere(), "db"), options);
  ASSERT_TRUE(accepted) << accepted.error().message;
  const auto state = daemon_.admin().get_provider(ProviderId("c"));
  ASSERT_TRUE(state);
  EXPECT_TRUE(state->accepted_unreachable());
  EXPECT_FALSE(state->active());
}

TEST_F(Admin, ValidateOnlyAnswersOkWithEveryProblemAndChangesNothing) {
  WriteOptions options;
  options.validate_only = true;
  auto bad = consul_provider("c", 1, "ftp://x", "");
  const auto answer = daemon_.admin().register_provider(bad, options);
  ASSERT_TRUE(answer) << answer.error().message;
  EXPECT_EQ(answer->code(), "INVALID_CONFIG");
  EXPECT_GE(answer->problems_size(), 2);
  const auto good = daemon_.admin().register_provider(in_memory_provider("fine", 1), options);
  ASSERT_TRUE(good);
  EXPECT_EQ(good->code(), "");
  EXPECT_EQ(provider_ids(), std::vector<std::string>{"default"});
}

TEST_F(Admin, AnExpectedRevisionThatIsNotTheCurrentOneIsAConflict) {
  WriteOptions options;
  options.expected_revision = revision() + 7;
  const auto refused = daemon_.admin().register_provider(in_memory_provider("second", 1), options);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::RevisionConflict);
  options.expected_revision = revision();
  const auto accepted = daemon_.admin().register_provider(in_memory_provider("second", 1), options);
  ASSERT_TRUE(accepted);
  EXPECT_EQ(accepted->revision(), *options.expected_revision + 1);
}

TEST_F(Admin, R5_4_ASetIsAppliedAsAWholeOrNotAtAll) {
  const std::vector<ProviderDescriptor> good = {in_memory_provider("a", 1),
                                                in_memory_provider("b", 2)};
  WriteOptions dry;
  dry.validate_only = true;
  const auto plan = daemon_.admin().apply_providers(good, /*prune=*/true, dry);
  ASSERT_TRUE(plan) << plan.error().message;
  std::map<std::string, v1::PlanStep::Action> actions;
  for (const auto& step : plan->plan()) actions[step.id()] = step.action();
  EXPECT_EQ(actions["default"], v1::PlanStep::ACTION_REMOVE);
  EXPECT_EQ(actions["a"], v1::PlanStep::ACTION_ADD);
  EXPECT_EQ(provider_ids(), std::vector<std::string>{"default"});

  auto with_a_bad_one = good;
  with_a_bad_one.push_back(in_memory_provider("BAD", 3));
  EXPECT_FALSE(daemon_.admin().apply_providers(with_a_bad_one, true));
  EXPECT_EQ(provider_ids(), std::vector<std::string>{"default"});

  ASSERT_DONE(daemon_.admin().apply_providers(good, true));
  EXPECT_EQ(provider_ids(), (std::vector<std::string>{"a", "b"}));
  auto changed = good;
  changed[1].priority = 9;
  const auto second = daemon_.admin().apply_providers(changed, true);
  ASSERT_TRUE(second);
  for (const auto& step : second->plan()) {
    EXPECT_EQ(step.action(),
              step.id() == "b" ? v1::PlanStep::ACTION_UPDATE : v1::PlanStep::ACTION_KEEP);
    EXPECT_FALSE(step.restarts_stream());
  }
}

TEST_F(Admin, ADisabledProviderLosesTheActiveRoleByOperatorsAct) {
  ASSERT_DONE(daemon_.admin().join_member(member("n1")));
  ASSERT_DONE(daemon_.admin().register_provider(in_memory_provider("second", -1)));
  ASSERT_DONE(daemon_.admin().join_member(member("n1"), ProviderId("second")));
  RecordingConsumer consumer(daemon_, {client::Bridge::Placement, "placement-1"});
  ASSERT_TRUE(consumer.wait_for_members({"n1"}));
  ASSERT_TRUE(eventually(kHungProgram, [&] {
    const auto state = daemon_.admin().get_provider(ProviderId("second"));
    return state && state->members() == 1;
  }));
  ASSERT_DONE(daemon_.admin().disable_provider(ProviderId("default"), "maintenance"));
  EXPECT_TRUE(consumer.wait_for_event([](const auto& e) {
    return e.has_provider_changed() && e.provider_changed().to_provider_id() == "second" &&
           e.provider_changed().reason() == v1::FAILOVER_REASON_MANUAL_OVERRIDE;
  })) << consumer.describe();
  const auto state = daemon_.admin().get_provider(ProviderId("default"));
  ASSERT_TRUE(state);
  EXPECT_FALSE(state->provider().enabled());
  EXPECT_EQ(state->provider().disabled_reason(), "maintenance");
  // The same member at both: nothing joined, nothing left.
  EXPECT_TRUE(consumer.events(v1::ClusterEvent::kDelta).empty()) << consumer.describe();
  ASSERT_DONE(daemon_.admin().enable_provider(ProviderId("default")));
  EXPECT_TRUE(daemon_.admin().get_provider(ProviderId("default"))->provider().enabled());
}

TEST_F(Admin, ASwitchPinsAndItsEndUnpins) {
  ASSERT_DONE(daemon_.admin().register_provider(in_memory_provider("second", -1)));
  ASSERT_TRUE(eventually(kHungProgram, [&] {
    const auto state = daemon_.admin().get_provider(ProviderId("second"));
    return state && state->health() == v1::HEALTH_HEALTHY;
  }));
  const auto switched = daemon_.admin().switch_provider(ProviderId("second"));
  ASSERT_TRUE(switched) << switched.error().message;
  EXPECT_EQ(switched->active_provider(), "second");
  EXPECT_EQ(daemon_.admin().get_status()->pinned_provider(), "second");
  EXPECT_GT(daemon_.admin().get_status()->pin_remaining_ms(), 0u);
  ASSERT_DONE(daemon_.admin().clear_switch());
  EXPECT_EQ(daemon_.admin().get_status()->pinned_provider(), "");
  const auto unknown = daemon_.admin().switch_provider(ProviderId("nobody"));
  ASSERT_FALSE(unknown);
  EXPECT_EQ(unknown.error().code, ErrorCode::NotFound);
  const auto too_long =
      daemon_.admin().switch_provider(ProviderId("second"), std::chrono::hours(25));
  ASSERT_FALSE(too_long);
  EXPECT_EQ(too_long.error().code, ErrorCode::InvalidConfig);
}

TEST_F(Admin, R5_5_UnknownProvidersAndMembersAreNotFound) {
  const auto admin = daemon_.admin();
  EXPECT_EQ(admin.get_provider(ProviderId("x")).error().code, ErrorCode::NotFound);
  EXPECT_EQ(admin.remove_provider(ProviderId("x")).error().code, ErrorCode::NotFound);
  EXPECT_EQ(admin.enable_provider(ProviderId("x")).error().code, ErrorCode::NotFound);
  EXPECT_EQ(admin.leave_member(NodeId("x")).error().code, ErrorCode::NotFound);
  EXPECT_EQ(admin.join_member(member("n"), ProviderId("x")).error().code, ErrorCode::NotFound);
}

TEST_F(Admin, MembersOfABackendAreNotJoinedHere) {
  const std::string path = (daemon_.directory() / "members.json").string();
  replace_file(path, member_file({member("f1")}));
  ASSERT_DONE(daemon_.admin().register_provider(file_provider("file", 1, path)));
  const auto refused = daemon_.admin().join_member(member("n"), ProviderId("file"));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::CapabilityMissing);
}

TEST_F(Admin, WithSeveralInMemoryProvidersOneHasToBeNamed) {
  ASSERT_DONE(daemon_.admin().register_provider(in_memory_provider("second", 1)));
  const auto refused = daemon_.admin().join_member(member("n"));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::InvalidConfig);
}

TEST_F(Admin, KindsAreDescribed) {
  const auto kinds = daemon_.admin().list_kinds();
  ASSERT_TRUE(kinds);
  std::vector<std::string> names;
  for (const auto& k : kinds->kinds()) {
    names.push_back(k.kind());
    EXPECT_FALSE(k.summary().empty());
  }
  EXPECT_EQ(names, (std::vector<std::string>{"consul", "custom", "dns", "etcd", "file", "http",
                                             "in-memory", "kubernetes", "local"}));
}

TEST_F(Admin, ACallThatComesTooLateIsATimeout) {
  const client::AdminClient hasty(daemon_.channel(), std::chrono::milliseconds(0));
  const auto late = hasty.get_status();
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().code, ErrorCode::Timeout);
  EXPECT_TRUE(daemon_.admin().get_status());
}

TEST_F(Admin, ADrainEndsTheOperatorsStream) {
  std::thread drain;
  const auto ended = daemon_.admin().watch_events(256, [&](const v1::OperatorEvent&) {
    if (!drain.joinable()) drain = std::thread([&] { (void)daemon_.admin().drain(); });
    return true;
  });
  ASSERT_TRUE(drain.joinable());
  drain.join();
  ASSERT_FALSE(ended);
  EXPECT_EQ(ended.error().code, ErrorCode::ShuttingDown) << ended.error().message;
}

TEST_F(Admin, OperatorsSeeChangesOfTheRegistry) {
  ASSERT_DONE(daemon_.admin().register_provider(in_memory_provider("second", 1)));
  bool seen = false;
  std::uint64_t last = 0;
  const auto watched = daemon_.admin().watch_events(256, [&](const v1::OperatorEvent& e) {
    EXPECT_GT(e.index(), last);
    last = e.index();
    seen = seen || e.event() == "providers_changed";
    return !seen;
  });
  EXPECT_TRUE(watched) << watched.error().message;
  EXPECT_TRUE(seen);
}

}  // namespace
}  // namespace rollcall::test
