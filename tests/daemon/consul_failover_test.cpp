// NEEDS: consul
// A real agent that falls silent, refuses, comes back with nothing, or with another opinion of our
// token: in each case the right health, the right failover with its reason and code, nothing
// removed that was not confirmed, and the way back after the cooldown.

#include "tests/daemon/consul_fixture.h"

namespace rollcall::test {
namespace {

// An answer that removes members after a rollback has to stand longer than this test lasts.
constexpr char kLongStand[] =
    "backoff: 50ms, backoff_max: 200ms, cooldown: 500ms, rollback_stand: 10m";

constexpr char kReader[] =
    "service_prefix \"\" { policy = \"read\" }\nnode_prefix \"\" { policy = \"read\" }";

class ConsulFailover : public ConsulFixture {
 protected:
  void run(ConsulAgent::Options options = {}, const char* policy = kFastFailover) {
    start_agent(std::move(options));
    start_daemon(policy);
    add_service("db-1");
    add_service("db-2");
  }
  void run_with_access_control() {
    ConsulAgent::Options options;
    options.acl = true;
    run(options);
  }
  // `consul` active with two members, `standby` with the same ones behind it.
  void serve_consul(const std::string& token_file = "") {
    follow_consul(token_file);
    serve({"db-1", "db-2"});
  }
  // The same with a token that may read; its secret.
  std::string serve_with_token() {
    const auto token = agent_->create_token(kReader);
    EXPECT_TRUE(token) << token.error();
    write_file(token_file(), *token);
    serve_consul(token_file());
    return *token;
  }
  std::string token_file() const { return (daemon_.directory() / "token").string(); }
};

TEST_F(ConsulFailover, R2_5_SilenceIsATimeout) {
  run();
  serve_consul();
  ASSERT_TRUE(agent_->pause());
  expect_failover("consul", v1::FAILOVER_REASON_TIMEOUT, "TIMEOUT");
  ASSERT_TRUE(agent_->resume());
  expect_way_back("consul");
}

TEST_F(ConsulFailover, R2_5_RefusalIsAnErrorAndAnEmptyRestartRemovesNobody) {
  run();
  serve_consul();
  agent_->kill();
  expect_failover("consul", v1::FAILOVER_REASON_HEALTH_DEGRADED, "BACKEND_UNAVAILABLE");
  ASSERT_DONE(agent_->restart(ConsulAgent::Restart::kEmptyState));
  // It answers again, has forgotten everything, and is therefore not chosen.
  EXPECT_TRUE(state_becomes("consul", [](const auto& s) {
    return s.health() == v1::HEALTH_HEALTHY && s.members() == 0;
  })) << daemon_.output();
  EXPECT_EQ(daemon_.admin().get_status()->active_provider(), "standby");
  expect_no_change(*consumer_);
  add_service("db-1");
  add_service("db-2");
  expect_way_back("consul");
}

TEST_F(ConsulFailover, AnIndexThatGoesBackRemovesNobody) {
  run({}, kLongStand);
  // Only Consul: nobody else can take over.
  follow_consul();
  follow("remoting-1", {"db-1", "db-2"});
  // The index rises well above what a new agent begins with.
  for (int i = 0; i < 30; ++i)
    ASSERT_DONE(agent_->set_status("db-1", i % 2 == 0 ? "warning" : "passing"));
  agent_->kill();
  ASSERT_DONE(agent_->restart(ConsulAgent::Restart::kEmptyState));
  EXPECT_TRUE(
      measured("rollcall_stream_interruptions_total{code=\"INDEX_ROLLBACK\",provider=\"consul\"}"))
      << daemon_.output();
  EXPECT_EQ(consumer_->view().members.size(), 2u);
  add_service("db-1");
  add_service("db-2");
  EXPECT_TRUE(state_becomes("consul", [](const auto& s) {
    return s.health() == v1::HEALTH_HEALTHY && s.active();
  })) << daemon_.output();
  EXPECT_TRUE(consumer_->wait_for([&] { return !consumer_->view().stale; }));
  EXPECT_TRUE(consumer_->wait_for_members({"db-1", "db-2"})) << consumer_->describe();
  for (const auto& e : consumer_->events(v1::ClusterEvent::kRemoteTopology))
    EXPECT_NE(e.remote_topology().kind(), v1::REMOTE_KIND_LEAVE) << consumer_->describe();
}

TEST_F(ConsulFailover, R2_5_ABadTokenIsAFailureOfAuthentication) {
  run_with_access_control();
  const std::string token = serve_with_token();
  ASSERT_DONE(agent_->revoke_token(token));
  expect_failover("consul", v1::FAILOVER_REASON_HEALTH_DEGRADED, "AUTH_FAILED");
  // The secret is nowhere to be seen.
  EXPECT_EQ(daemon_.output().find(token), std::string::npos);
  ASSERT_TRUE(agent_->create_token(kReader, token));
  expect_way_back("consul");
}

TEST_F(ConsulFailover, R2_5_ARotatedTokenIsTakenUpWithoutARestart) {
  run_with_access_control();
  const std::string old = serve_with_token();
  const auto next = agent_->create_token(kReader);
  ASSERT_TRUE(next) << next.error();
  ASSERT_DONE(agent_->revoke_token(old));
  expect_failover("consul", v1::FAILOVER_REASON_HEALTH_DEGRADED, "AUTH_FAILED");
  replace_file(token_file(), *next);
  expect_way_back("consul");
}

TEST_F(ConsulFailover, R2_5_ATokenThatFiltersEverythingIsNotAnEmptyCluster) {
  run_with_access_control();
  const std::string token = serve_with_token();
  ASSERT_DONE(agent_->replace_rules(token, "service_prefix \"\" { policy = \"deny\" }"));
  expect_failover("consul", v1::FAILOVER_REASON_HEALTH_DEGRADED, "PERMISSION_DENIED");
  ASSERT_DONE(agent_->replace_rules(token, kReader));
  expect_way_back("consul");
}

TEST_F(ConsulFailover, R5_3_WithoutAStandbyTheLastTopologyIsServedStale) {
  run();
  follow_consul();
  consumer_ = std::make_unique<RecordingConsumer>(
      daemon_, RecordingConsumer::Options{
                   client::Bridge::Placement, "placement-1", client::Acknowledge::Never, {}});
  ASSERT_TRUE(consumer_->wait_for_members({"db-1", "db-2"})) << consumer_->describe();
  agent_->kill();
  EXPECT_TRUE(consumer_->wait_for([&] {
    return consumer_->view().availability == Availability::Unavailable &&
           consumer_->view().placement_paused;
  })) << consumer_->describe();
  EXPECT_EQ(consumer_->view().members.size(), 2u);
  // A restart of the sidecar while Consul is down serves the same, stale, at once.
  ASSERT_TRUE(daemon_.stop());
  ASSERT_DONE(daemon_.start());
  const auto snapshot = client::PartitionClient(daemon_.channel()).latest_snapshot();
  ASSERT_TRUE(snapshot) << snapshot.error().message;
  EXPECT_TRUE(snapshot->view().stale);
  EXPECT_EQ(snapshot->view().members.size(), 2u);
}

}  // namespace
}  // namespace rollcall::test
