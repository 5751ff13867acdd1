// NEEDS: consul
// A real sidecar that announces its node at a real Consul agent.
#include "tests/backends/assert_done.h"
#include "tests/backends/consul_agent.h"
#include "tests/daemon/announce_fixture.h"

namespace rollcall::test {
namespace {

class AnnounceConsul : public AnnounceFixture {
 protected:
  void begin(const std::string& more = "ttl: 3s", ConsulAgent::Options options = {},
             const std::string& token_file = "") {
    auto agent = ConsulAgent::start(std::move(options));
    ASSERT_TRUE(agent) << agent.error();
    agent_ = std::move(*agent);
    daemon_.set_config(
        "admission: {allow_unreachable: true}\n"
        "failover: {backoff: 100ms, backoff_max: 500ms}\n"
        "providers: [{id: consul, kind: consul, priority: 10, endpoints: ['" +
        agent_->url() + "'], " +
        (token_file.empty() ? "" : "auth: {token_file: '" + token_file + "'}, ") +
        "watch_params: {service: web, wait_ms: 200}}]\n" + announce_section("consul", more));
    const auto started = daemon_.start();
    ASSERT_TRUE(started) << started.error();
  }
  // What a stranger reads: "passing", "critical", "" if it is not there.
  std::string seen_from_outside() {
    const auto answer = agent_->request("GET", "/v1/health/service/web");
    if (!answer) return answer.error();
    const std::size_t at = answer->body.find("\"service:n1\"");
    if (at == std::string::npos) return "";
    const std::size_t status = answer->body.find("\"Status\":", at);
    const std::size_t open = answer->body.find('"', status + 9);
    return answer->body.substr(open + 1, answer->body.find('"', open + 1) - open - 1);
  }
  bool outside_comes_to(const std::string& what) {
    return eventually(kHungProgram, [&] { return seen_from_outside() == what; });
  }

  std::unique_ptr<ConsulAgent> agent_;
};

TEST_F(AnnounceConsul, ItIsInTheOwnListAndPassingForOthers) {
  begin();
  ASSERT_TRUE(state_becomes("LISTED"));
  EXPECT_TRUE(serves_node("agent-1/n1"));
  EXPECT_EQ(announcement().listed_as(), "agent-1/n1");
  EXPECT_EQ(seen_from_outside(), "passing");
  EXPECT_TRUE(becomes("renewed", [](const auto& a) { return a.renewals() >= 3; }));
  EXPECT_EQ(seen_from_outside(), "passing");
}

TEST_F(AnnounceConsul, DeregisteredOrForgottenItComesBack) {
  begin();
  ASSERT_TRUE(state_becomes("LISTED"));
  const auto deregistered = agent_->deregister_service("n1");
  ASSERT_TRUE(deregistered) << deregistered.error();
  EXPECT_TRUE(outside_comes_to("passing"));
  EXPECT_TRUE(
      becomes("lost once", [](const auto& a) { return a.lost() >= 1 && a.state() == "LISTED"; }));
  agent_->kill();
  EXPECT_TRUE(state_becomes("UNRENEWED"));
  const auto restarted = agent_->restart(ConsulAgent::Restart::kEmptyState);
  ASSERT_TRUE(restarted) << restarted.error();
  EXPECT_TRUE(outside_comes_to("passing"));
  EXPECT_TRUE(state_becomes("LISTED"));
}

TEST_F(AnnounceConsul, ATokenThatMayNotIsToldByItsCodeAndServingGoesOn) {
  ConsulAgent::Options options;
  options.acl = true;
  const std::string token_file = (daemon_.directory() / "token").string();
  write_file(token_file, "7b1a8c5e-0000-4000-8000-00000000dead\n");
  begin("ttl: 3s", std::move(options), token_file);
  EXPECT_TRUE(becomes("AUTH_FAILED", [](const auto& a) {
    return a.state() == "REGISTERING" && a.last_error_code() == "AUTH_FAILED";
  }));
  EXPECT_EQ(daemon_.get("/livez").status, 200);
  const auto token = agent_->create_token(
      R"(service "web" { policy = "write" } node_prefix "" { policy = "read" })");
  ASSERT_TRUE(token) << token.error();
  write_file(token_file, *token + "\n");
  EXPECT_TRUE(state_becomes("LISTED"));
  EXPECT_EQ(daemon_.output().find("7b1a8c5e"), std::string::npos);
}

TEST_F(AnnounceConsul, DrainingTakesItOutAtOnce) {
  begin("ttl: 1h");
  ASSERT_TRUE(state_becomes("LISTED"));
  const auto ended = daemon_.stop();
  ASSERT_TRUE(ended.has_value());
  EXPECT_TRUE(ended->ok()) << ended->code << " " << ended->signal;
  const auto known = agent_->request("GET", "/v1/agent/service/n1");
  ASSERT_TRUE(known) << known.error();
  EXPECT_EQ(known->status, 404);
  EXPECT_TRUE(outside_comes_to(""));
}

TEST_F(AnnounceConsul, KilledItIsCriticalAfterItsTtl) {
  begin();
  ASSERT_TRUE(state_becomes("LISTED"));
  daemon_.kill();
  EXPECT_TRUE(outside_comes_to("critical"));
  const auto started = daemon_.start();
  ASSERT_TRUE(started) << started.error();
  EXPECT_TRUE(outside_comes_to("passing"));
}

TEST_F(AnnounceConsul, AFilterThatLeavesItOutIsNoticed) {
  begin();
  ASSERT_TRUE(state_becomes("LISTED"));
  ProviderDescriptor d = consul_provider("narrow", 1, agent_->url(), "web");
  d.watch_params["wait_ms"] = "200";
  d.watch_params["filter"] = "Service.Port == 1";
  ASSERT_TRUE(daemon_.stop().has_value());
  daemon_.set_config(
      "announce: {providers: [narrow], node_id: n1, host: 10.0.0.7, port: 7000, "
      "ttl: 3s}\n");
  const auto started = daemon_.start();
  ASSERT_TRUE(started) << started.error();
  ASSERT_DONE(daemon_.admin().register_provider(d));
  EXPECT_TRUE(state_becomes("MISSING"));
  EXPECT_TRUE(daemon_.told("announce_missing"));
  EXPECT_TRUE(becomes("counted", [](const auto& a) { return a.missing() == 1; }));
  EXPECT_EQ(seen_from_outside(), "passing");
}

}  // namespace
}  // namespace rollcall::test
