// Plug-ins that hang, are killed, talk nonsense or flood the real sidecar, and behave again: while
// one is active, and while another provider is.

#include "tests/daemon/failover_fixture.h"

namespace rollcall::test {
namespace {

// A plug-in's silence takes 1.6 s: one is enough.
const std::string kOneError = std::string(kFastFailover) + ", max_errors: 1";

class PluginFailover : public FailoverFixture {
 protected:
  // What the plug-in does from now on, in whichever process.
  void say(const std::string& behaviour) { replace_file(behaviour_, behaviour + "\n"); }
  void add_plugin() {
    say("attest");
    ProviderDescriptor d;
    d.id = ProviderId("plugin");
    d.kind = "custom";
    d.priority = 10;
    d.watch_params = {{"command", (bin_dir() / "tests" / "misbehaving_plugin").string()},
                      {"args", R"(["as-told"])"},
                      {"env", R"({"BEHAVIOUR":")" + behaviour_ + R"("})"},
                      {"attest_ms", "100"},
                      {"start_ms", "60000"}};
    accept(d);
  }
  v1::ProviderState plugin() {
    const auto state = daemon_.admin().get_provider(ProviderId("plugin"));
    EXPECT_TRUE(state) << state.error().message;
    return state ? *state : v1::ProviderState();
  }

  const std::string behaviour_ = (daemon_.directory() / "behaviour").string();
};

TEST_F(PluginFailover, R2_5_OneThatHangsOrIsKilledIsReplacedAndComesBack) {
  start_daemon(kOneError);
  add_plugin();
  serve({"a"});
  say("hang");
  expect_failover("plugin", v1::FAILOVER_REASON_TIMEOUT, "TIMEOUT");
  say("attest");
  expect_way_back("plugin");
  say("be-killed");
  expect_failover("plugin", v1::FAILOVER_REASON_HEALTH_DEGRADED, "BACKEND_UNAVAILABLE");
  EXPECT_NE(plugin().last_error().find("signal 9"), std::string::npos) << plugin().last_error();
  say("attest");
  expect_way_back("plugin");
  say("drain");
  expect_one_change("a");
}

TEST_F(PluginFailover, R5_2_OneThatTalksNonsenseIsReplacedThenHeldAndComesBackWhenEnabled) {
  start_daemon(kOneError);
  add_plugin();
  serve({"a"});
  say("duplicate-ids");
  expect_failover("plugin", v1::FAILOVER_REASON_HEALTH_DEGRADED, "MALFORMED_RESPONSE");
  ASSERT_TRUE(state_becomes("plugin", [](const auto& state) { return state.held(); }));
  say("attest");
  EXPECT_TRUE(plugin().held());
  ASSERT_DONE(daemon_.admin().enable_provider(ProviderId("plugin")));
  ASSERT_TRUE(state_becomes("plugin", [](const auto& state) { return state.active(); }))
      << plugin().ShortDebugString();
  expect_no_change(*consumer_);
}

TEST_F(PluginFailover, OneThatMisbehavesBesideAnotherProviderHarmsNobody) {
  start_daemon(std::string(kFastFailover) + ", hold_failures: 1000");  // it goes on and on
  accept(in_memory_provider("main", 20));
  ASSERT_DONE(daemon_.admin().join_member(member("m"), ProviderId("main")));
  ASSERT_TRUE(state_becomes("main", [](const auto& state) { return state.active(); }));
  add_plugin();
  follow("remoting-1", {"m"});
  std::vector<std::string> members = {"m"};
  const struct {
    const char* name;
    const char* code;
  } misbehaviours[] = {{"flood", "LIMIT_EXCEEDED"},
                       {"duplicate-ids", "MALFORMED_RESPONSE"},
                       {"be-killed", "BACKEND_UNAVAILABLE"},
                       {"hang", "TIMEOUT"}};
  for (const auto& misbehaviour : misbehaviours) {
    say(misbehaviour.name);
    ASSERT_TRUE(state_becomes(
        "plugin", [&](const auto& state) { return state.last_error_code() == misbehaviour.code; }))
        << misbehaviour.name << ": " << plugin().ShortDebugString();
    for (int i = 0; i < 5; ++i) {
      members.push_back(std::string(misbehaviour.name) + "-" + std::to_string(i));
      ASSERT_DONE(daemon_.admin().join_member(member(members.back()), ProviderId("main")));
    }
    EXPECT_TRUE(consumer_->wait_for_members(members)) << consumer_->describe();
  }
  EXPECT_TRUE(consumer_->events(v1::ClusterEvent::kProviderChanged).empty())
      << consumer_->describe();
  for (const auto& event : consumer_->events(v1::ClusterEvent::kDelta)) {
    EXPECT_TRUE(event.delta().left().empty()) << event.ShortDebugString();
  }
  EXPECT_TRUE(consumer_->troubles().empty()) << consumer_->describe();
  say("attest");
  EXPECT_TRUE(state_becomes("plugin", [](const auto& state) {
    return state.health() == v1::HEALTH_HEALTHY;
  })) << plugin().ShortDebugString();
}

}  // namespace
}  // namespace rollcall::test
