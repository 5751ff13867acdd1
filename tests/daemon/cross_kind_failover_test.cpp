// NEEDS: consul, kubernetes
// Three kinds of backends that tell of the same members: when one after another is lost, and when
// they come back, the provider changes and nobody joins, leaves or changes. Kubernetes' own faults
// at the sidecar are among them, because its API server takes seconds to start.

#include "tests/backends/kube_apiserver.h"
#include "tests/daemon/consul_fixture.h"

namespace rollcall::test {
namespace {

constexpr int kMembers = 5;

std::string id_of(int i) { return "web-" + std::to_string(i); }
std::string host_of(int i) { return "10.0.0." + std::to_string(10 + i); }
std::string zone_of(int i) { return i % 2 == 0 ? "zone-a" : "zone-b"; }

class CrossKindFailover : public ConsulFixture {
 protected:
  void SetUp() override {
    start_agent();
    register_services();
    start_kubernetes();
    start_daemon();
  }
  void register_services() {
    for (int i = 0; i < kMembers; ++i) {
      ConsulAgent::Service service;
      service.name = "web";
      service.id = id_of(i);
      service.address = host_of(i);
      service.port = 7000;
      service.meta = {{"zone", zone_of(i)}};
      service.status = "passing";
      ASSERT_DONE(agent_->register_service(service));
    }
  }
  void start_kubernetes() {
    auto server = KubeApiserver::start();
    ASSERT_TRUE(server) << server.error();
    kubernetes_ = std::move(*server);
    ASSERT_DONE(kubernetes_->create_namespace("web"));
    ASSERT_DONE(kubernetes_->create_account("web", "sidecar"));
    ASSERT_DONE(kubernetes_->allow("web", "sidecar", {"list", "watch"}));
    KubeApiserver::Slice slice;
    slice.name = "web-1";
    slice.service = "web";
    for (int i = 0; i < kMembers; ++i) {
      slice.endpoints.push_back(
          {.pod = id_of(i), .address = host_of(i), .ready = true, .zone = zone_of(i)});
    }
    ASSERT_DONE(kubernetes_->put_slice("web", slice));
  }

  void await(const std::string& id) {
    ASSERT_TRUE(state_becomes(id, [](const auto& s) {
      return s.health() == v1::HEALTH_HEALTHY && s.members() == kMembers;
    })) << daemon_.output();
  }
  bool has_failed_with(const std::string& id, const std::string& code) {
    return state_becomes(id, [&](const auto& s) {
      return s.health() != v1::HEALTH_HEALTHY && !s.active() && s.last_error_code() == code;
    });
  }
  void register_all_three() {
    ProviderDescriptor consul = consul_provider("consul", 10, agent_->url(), "web");
    consul.watch_params["id"] = "service";
    consul.watch_params["wait_ms"] = "200";
    accept(consul);
    await("consul");

    ProviderDescriptor kubernetes;
    kubernetes.id = ProviderId("kubernetes");
    kubernetes.kind = "kubernetes";
    kubernetes.priority = 5;
    kubernetes.endpoints = {kubernetes_->url()};
    const auto token = kubernetes_->token("web", "sidecar");
    ASSERT_TRUE(token) << token.error();
    kubernetes.auth.token_file = (daemon_.directory() / "kubernetes-token").string();
    write_file(kubernetes.auth.token_file, "eyJhbGciOiJub25lIn0.e30.nonsense\n");
    kubernetes.auth.ca_file = kubernetes_->ca_file();
    kubernetes.watch_params = {{"service", "web"}, {"namespace", "web"}, {"attest_ms", "200"}};
    const auto refused = daemon_.admin().register_provider(kubernetes);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, ErrorCode::AuthFailed) << refused.error().message;
    client::WriteOptions anyway;
    anyway.allow_unreachable = true;
    ASSERT_DONE(daemon_.admin().register_provider(kubernetes, anyway));
    ASSERT_TRUE(has_failed_with("kubernetes", "AUTH_FAILED")) << daemon_.output();
    replace_file(kubernetes.auth.token_file, *token + "\n");  // found without a restart
    await("kubernetes");
    EXPECT_EQ(daemon_.output().find("nonsense"), std::string::npos);

    std::vector<ClusterNode> nodes;
    for (int i = 0; i < kMembers; ++i) {
      ClusterNode node = member(id_of(i));
      node.host = host_of(i);
      node.zone = zone_of(i);
      nodes.push_back(node);
    }
    const std::string path = (daemon_.directory() / "members.json").string();
    replace_file(path, member_file(nodes));
    accept(file_provider("file", 1, path));
    await("file");
  }
  void expect_change_to(const std::string& id, v1::FailoverReason reason) {
    ASSERT_TRUE(is_told(change_to(id, reason)))
        << "to " << id << ": " << consumer_->describe() << daemon_.output();
    expect_no_change(*consumer_);
    EXPECT_EQ(consumer_->view().members.size(), static_cast<std::size_t>(kMembers));
  }

  std::unique_ptr<KubeApiserver> kubernetes_;
};

TEST_F(CrossKindFailover, R2_5_TheSameMembersFromAnotherKindAreNoJoinAndNoLeave) {
  register_all_three();
  const std::vector<std::string> ids = {"web-0", "web-1", "web-2", "web-3", "web-4"};
  follow("remoting-1", ids);
  RecordingConsumer placement(
      daemon_, {client::Bridge::Placement, "placement-1", client::Acknowledge::Automatic, {}});
  ASSERT_TRUE(placement.wait_for_members(ids)) << placement.describe();
  ASSERT_EQ(daemon_.admin().get_status()->active_provider(), "consul");

  agent_->kill();
  expect_change_to("kubernetes", v1::FAILOVER_REASON_HEALTH_DEGRADED);
  ASSERT_TRUE(kubernetes_->pause());
  expect_change_to("file", v1::FAILOVER_REASON_TIMEOUT);
  EXPECT_TRUE(has_failed_with("kubernetes", "TIMEOUT")) << daemon_.output();
  ASSERT_TRUE(kubernetes_->resume());
  expect_change_to("kubernetes", v1::FAILOVER_REASON_RECOVERED);
  kubernetes_->kill();
  expect_change_to("file", v1::FAILOVER_REASON_HEALTH_DEGRADED);
  EXPECT_TRUE(has_failed_with("kubernetes", "BACKEND_UNAVAILABLE")) << daemon_.output();

  ASSERT_DONE(kubernetes_->restart());
  expect_change_to("kubernetes", v1::FAILOVER_REASON_RECOVERED);
  ASSERT_DONE(agent_->restart(ConsulAgent::Restart::kEmptyState));
  register_services();
  expect_change_to("consul", v1::FAILOVER_REASON_RECOVERED);

  ASSERT_TRUE(placement.wait_for_event(change_to("consul", v1::FAILOVER_REASON_RECOVERED)))
      << placement.describe();
  expect_no_change(placement);
}

}  // namespace
}  // namespace rollcall::test
